"""Start a node on each camera of a Care-O-bot 4 that sees people, in the namespace of the camera.

The faces of the head camera are published on /head_cam/face_classification/faces, those of the
sensor ring on /sensorring_cam3d/face_classification/faces, with positions. All other arguments of
face_classification.launch.py, such as `models` or `log_level`, apply to all cameras.

If the images of the sensor ring are upside down, use the argument below, or at run time
`ros2 param set /sensorring_cam3d/face_classification rotation 180`.

Example:
    ros2 launch face_classification_ros care_o_bot_4.launch.py sensorring_cam3d_rotation:=180
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from face_classification_ros.ros.launch_arguments import check_launch_arguments

SHARE = get_package_share_path('face_classification_ros')

# Topics, relative to the camera's namespace. The head camera has no depth.
HEAD = {'image': 'image_raw', 'depth': 'depth', 'camera_info': 'camera_info'}
SENSORRING = {
    'image': 'rgb/image_raw',
    'depth': 'aligned_depth_to_color/image_raw',
    'camera_info': 'rgb/camera_info',
}

# Camera -> kind, whether a node runs on it by default, topics. Rings with three cameras have two
# more, named _front and _back.
CAMERAS = {
    'head_cam': ('head_cam', 'true', HEAD),
    'sensorring_cam3d': ('sensorring', 'true', SENSORRING),
    'sensorring_cam3d_front': ('sensorring', 'false', SENSORRING),
    'sensorring_cam3d_back': ('sensorring', 'false', SENSORRING),
}
TOPICS = {
    'image': 'topic of the images',
    'depth': 'topic of the depth images',
    'camera_info': 'topic of the calibration',
}


def arguments_of(camera: str) -> list[DeclareLaunchArgument]:
    """Return the arguments of a camera."""
    _, running, topics = CAMERAS[camera]
    return [
        DeclareLaunchArgument(
            camera,
            default_value=running,
            choices=['true', 'false'],
            description=f'start a node on {camera}',
        ),
        *(
            DeclareLaunchArgument(
                f'{camera}_{name}',
                default_value=topic,
                description=f'{TOPICS[name]} of {camera}; relative to /{camera} unless it starts '
                'with a slash',
            )
            for name, topic in topics.items()
        ),
        DeclareLaunchArgument(
            f'{camera}_rotation',
            default_value='',
            choices=['', '0', '90', '180', '270'],
            description=f'degrees clockwise by which images of {camera} must be rotated for '
            'people to be upright (not given: as in the parameter file)',
        ),
    ]


def node_of(camera: str) -> GroupAction:
    """Return the node of a camera, which starts if the camera is switched on."""
    kind, _, topics = CAMERAS[camera]
    return GroupAction(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    str(SHARE / 'launch' / 'face_classification.launch.py')
                ),
                launch_arguments={
                    'namespace': camera,
                    'params_file': LaunchConfiguration(f'{kind}_params_file'),
                    **{
                        name: LaunchConfiguration(f'{camera}_{name}')
                        for name in (*topics, 'rotation')
                    },
                }.items(),
            )
        ],
        condition=IfCondition(LaunchConfiguration(camera)),
    )


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start a node on each camera that is switched on."""
    description = LaunchDescription(
        [
            *(argument for camera in CAMERAS for argument in arguments_of(camera)),
            DeclareLaunchArgument(
                'head_cam_params_file',
                default_value=str(SHARE / 'config' / 'care_o_bot_4_head.yaml'),
                description='parameter file of the node on the head camera',
            ),
            DeclareLaunchArgument(
                'sensorring_params_file',
                default_value=str(SHARE / 'config' / 'care_o_bot_4_sensorring.yaml'),
                description='parameter file of the nodes on the sensor ring',
            ),
            *(node_of(camera) for camera in CAMERAS),
        ]
    )
    check_launch_arguments(__file__, (each.name for each in description.get_launch_arguments()))
    return description

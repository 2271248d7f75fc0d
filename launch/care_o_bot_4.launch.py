"""Start a node on each camera of a Care-O-bot 4 that looks at people, in the camera's namespace.

Faces of the head camera are on /head_cam/face_classification/faces, those of the sensor ring on
/sensorring_cam3d/face_classification/faces. Takes the arguments of face_classification.launch.py
that are not of one camera, too: image_transport, publish_annotated and fastdds_profile.

Example:
    ros2 launch face_classification_ros care_o_bot_4.launch.py sensorring_cam3d:=false
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

SHARE = get_package_share_path('face_classification_ros')

# Camera -> whether the node runs on it by default, topic of its pictures. The rings with three
# cameras call two of them _front and _back.
SENSORRING = {
    'sensorring_cam3d': ('true', '/sensorring_cam3d/rgb/image_raw'),
    'sensorring_cam3d_front': ('false', '/sensorring_cam3d_front/rgb/image_raw'),
    'sensorring_cam3d_back': ('false', '/sensorring_cam3d_back/rgb/image_raw'),
}
CAMERAS = {'head_cam': ('true', '/head_cam/image_raw'), **SENSORRING}


def arguments_of(camera: str) -> list[DeclareLaunchArgument]:
    """Give the arguments that a camera has."""
    running, image = CAMERAS[camera]
    return [
        DeclareLaunchArgument(
            camera,
            default_value=running,
            choices=['true', 'false'],
            description=f'whether a node runs on {camera}',
        ),
        DeclareLaunchArgument(
            f'{camera}_image',
            default_value=image,
            description=f'topic of the pictures of {camera}',
        ),
    ]


def node_of(camera: str) -> IncludeLaunchDescription:
    """Start a node on a camera, if it is wanted."""
    kind = 'sensorring' if camera in SENSORRING else 'head_cam'
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / 'launch' / 'face_classification.launch.py')),
        launch_arguments={
            'image': LaunchConfiguration(f'{camera}_image'),
            'namespace': camera,
            'params_file': LaunchConfiguration(f'{kind}_params_file'),
        }.items(),
        condition=IfCondition(LaunchConfiguration(camera)),
    )


def generate_launch_description() -> LaunchDescription:
    """Describe the cameras, and the nodes on those that are switched on."""
    return LaunchDescription(
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

"""Start the node on the Kinect of a Care-O-bot 3.

Faces are published on /cam3d/face_classification/faces. Takes the arguments of
face_classification.launch.py, too.

Example:
    ros2 launch face_classification_ros care_o_bot_3.launch.py image_transport:=compressed
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from face_classification_ros.ros.launch_arguments import check_launch_arguments

SHARE = get_package_share_path('face_classification_ros')


def generate_launch_description() -> LaunchDescription:
    """Declare the defaults of the robot and start the node."""
    # Topics are relative to the namespace.
    defaults = {
        'image': ('rgb/image_raw', 'topic of the images'),
        'depth': ('depth_registered/image_raw', 'topic of the depth images'),
        'camera_info': ('rgb/camera_info', 'topic of the calibration of the images'),
        'namespace': ('cam3d', 'namespace of the camera, the node and its topics'),
        'params_file': (str(SHARE / 'config' / 'care_o_bot_3.yaml'), 'parameter file of the node'),
    }
    description = LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=value, description=description)
                for name, (value, description) in defaults.items()
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(
                    str(SHARE / 'launch' / 'face_classification.launch.py')
                ),
                launch_arguments=[(name, LaunchConfiguration(name)) for name in defaults],
            ),
        ]
    )
    check_launch_arguments(__file__, (each.name for each in description.get_launch_arguments()))
    return description

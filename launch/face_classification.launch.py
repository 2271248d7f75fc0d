"""Start the node on one camera, and again should it crash.

The node configures and activates itself, the first time and after a crash, so that nothing but it
has to be alive for that. Where a lifecycle manager does so, switch it off by `autostart:=false`.

Example:
    ros2 launch face_classification_ros face_classification.launch.py image:=/camera/image_raw
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    NotEqualsSubstitution,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

PACKAGE = 'face_classification_ros'
CONFIG = get_package_share_path(PACKAGE) / 'config'

# Fast DDS reads the first in Jazzy and earlier, the second in Kilted and later.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

# Arguments that stand above the parameter file, with their types.
PARAMETERS = {
    'image_transport': str,
    'rotation': int,
    'use_depth': bool,
    'publish_annotated': bool,
    'autostart': bool,
}

# Topics that are remapped.
TOPICS = ('image', 'depth', 'camera_info')

# Seconds after which a node that ended is started again.
RESPAWN_DELAY = 2.0


def make_node(context: LaunchContext) -> list[Node]:
    """Start the node with the parameters that were given; the file has all others."""
    # An argument that was not given must not undo what a parameter file of the user's own says.
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    return [
        Node(
            package=PACKAGE,
            executable='face_classification_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), given],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in TOPICS],
            output='screen',
            respawn=LaunchConfiguration('respawn'),
            respawn_delay=RESPAWN_DELAY,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments, the environment and the node."""
    profile = LaunchConfiguration('fastdds_profile')
    own_profile = EnvironmentVariable(
        PROFILE_VARIABLES[0],
        default_value=EnvironmentVariable(
            PROFILE_VARIABLES[1], default_value=str(CONFIG / 'fastdds_large_images.xml')
        ),
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'image',
                default_value='image',
                description='topic of the pictures, without the suffix of a transport; relative '
                'to the namespace unless it starts with a slash',
            ),
            DeclareLaunchArgument(
                'use_depth',
                default_value='',
                choices=['', 'true', 'false'],
                description='whether positions are told, by depth and camera_info; "" leaves it '
                'to the parameter file',
            ),
            DeclareLaunchArgument(
                'depth',
                default_value='depth',
                description='topic of depth pictures that are registered to the pictures',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='camera_info',
                description='topic of the calibration of the pictures',
            ),
            DeclareLaunchArgument(
                'rotation',
                default_value='',
                choices=['', '0', '90', '180', '270'],
                description='degrees clockwise by which pictures must be turned for people to '
                'stand upright; "" leaves it to the parameter file',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                choices=['', 'raw', 'compressed'],
                description='raw or compressed; "" leaves it to the parameter file',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='namespace of the node and its topics, one for each camera',
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=str(CONFIG / 'face_classification.yaml'),
                description='parameter file of the node',
            ),
            DeclareLaunchArgument(
                'publish_annotated',
                default_value='',
                choices=['', 'true', 'false'],
                description='whether the annotated picture is offered; "" leaves it to the '
                'parameter file',
            ),
            DeclareLaunchArgument(
                'autostart',
                default_value='',
                choices=['', 'true', 'false'],
                description='whether the node configures and activates itself; false waits for a '
                'lifecycle manager, "" leaves it to the parameter file',
            ),
            DeclareLaunchArgument(
                'respawn',
                default_value='true',
                choices=['true', 'false'],
                description='whether a node that ended is started again',
            ),
            DeclareLaunchArgument(
                'fastdds_profile',
                default_value=own_profile,
                description='profile of Fast DDS for big pictures, yours where the environment '
                'names one already; the driver of the camera, if it runs in another process, '
                f'needs the same in {PROFILE_VARIABLES[0]} (Kilted and later: '
                f'{PROFILE_VARIABLES[1]}); "" changes nothing',
            ),
            *(
                SetEnvironmentVariable(
                    variable, profile, condition=IfCondition(NotEqualsSubstitution(profile, ''))
                )
                for variable in PROFILE_VARIABLES
            ),
            OpaqueFunction(function=make_node),
        ]
    )

"""Start the node in the time of a recording, and play the recording to it.

The exit code of an expectation is told in the log alone; where it matters, use the command
`face_classification replay`, which starts the node, too. With `bag:=` left out there is only the
node, for `ros2 bag play --clock`.

Example:
    ros2 launch face_classification_ros replay.launch.py bag:=people image:=/head_cam/image_raw
    ros2 launch face_classification_ros replay.launch.py image:=/head_cam/image_raw
    ros2 bag play people --clock
"""

from typing import Any

from ament_index_python.packages import get_package_prefix, get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
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
PLAYER = f'{get_package_prefix(PACKAGE)}/lib/{PACKAGE}/face_classification'

# Fast DDS reads the first in Jazzy and earlier, the second in Kilted and later.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')

# Launch argument -> option of the player, which it does not get where nothing was given.
OPTIONS = {
    'depth': '--depth',
    'camera_info': '--camera-info',
    'record': '--record',
    'expect': '--expect',
}


def make_node(context: LaunchContext) -> list[Node]:
    """Start the node; what a replay needs stands above the parameter file."""
    parameters: dict[str, Any] = {
        'use_sim_time': True,
        'image_reliability': LaunchConfiguration('image_reliability'),
        'image_transport': LaunchConfiguration('image_transport'),
    }
    annotated = LaunchConfiguration('publish_annotated')
    if annotated.perform(context):
        parameters['publish_annotated'] = ParameterValue(annotated, value_type=bool)
    topics = {name: LaunchConfiguration(name) for name in ('image', 'depth', 'camera_info')}
    return [
        Node(
            package=PACKAGE,
            executable='face_classification_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file'), parameters],
            remappings=[each for each in topics.items() if each[1].perform(context)],
            output='screen',
        )
    ]


def make_player(context: LaunchContext) -> list[ExecuteProcess]:
    """Play the bag, if one was given, and end with it."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    if not value('bag'):
        return []
    compressed = value('image_transport') == 'compressed'
    namespace = value('namespace').strip('/')
    command = [PLAYER, 'replay', value('bag'), '--rate', value('rate')]
    command += ['--topic', value('image') + ('/compressed' if compressed else '')]
    command += ['--node', '/'.join(['', *filter(None, [namespace]), 'face_classification'])]
    for name, option in OPTIONS.items():
        command += [option, value(name)] if value(name) else []
    return [ExecuteProcess(cmd=command, output='screen', on_exit=Shutdown(reason='it is played'))]


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments, the environment, the node and the player."""
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
                'bag', default_value='', description='rosbag2 folder or file; "" plays none'
            ),
            DeclareLaunchArgument(
                'image',
                default_value='/camera/image_raw',
                description='topic of the pictures in the bag, without the suffix of a transport',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='raw',
                choices=['raw', 'compressed'],
                description='how the pictures were recorded',
            ),
            DeclareLaunchArgument(
                'depth', default_value='', description='topic of the depth pictures in the bag'
            ),
            DeclareLaunchArgument(
                'camera_info', default_value='', description='topic of the calibration in the bag'
            ),
            DeclareLaunchArgument(
                'rate', default_value='1.0', description='times as fast as it was recorded'
            ),
            DeclareLaunchArgument(
                'record',
                default_value='',
                description='where the faces are written, FILE.json or the folder of a new bag',
            ),
            DeclareLaunchArgument(
                'expect', default_value='', description='file with what is expected'
            ),
            DeclareLaunchArgument(
                'image_reliability',
                default_value='reliable',
                choices=['reliable', 'best_effort'],
                description='best_effort is for `ros2 bag play` of a bag that was recorded so',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='namespace of the node and its topics'
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
                'fastdds_profile',
                default_value=own_profile,
                description='profile of Fast DDS for big pictures, yours where the environment '
                'names one already; "" changes nothing',
            ),
            *(
                SetEnvironmentVariable(
                    variable, profile, condition=IfCondition(NotEqualsSubstitution(profile, ''))
                )
                for variable in PROFILE_VARIABLES
            ),
            OpaqueFunction(function=make_node),
            OpaqueFunction(function=make_player),
        ]
    )

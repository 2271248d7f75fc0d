"""Start the node on one camera, and start it again after a crash, but not after a wrong setting.

Every parameter of the node is an argument; one that is not given keeps its value from
`params_file`. Lists are separated by commas.

The node configures and activates itself, also after a crash. If a lifecycle manager is in charge
of that, use `autostart:=false`.

`rviz:=true` also starts rviz2 on what the node publishes.

Examples:
    ros2 launch face_classification_ros face_classification.launch.py image:=/camera/image_raw
    ros2 launch face_classification_ros face_classification.launch.py detection_threshold:=0.7
    ros2 launch face_classification_ros face_classification.launch.py models:=a.onnx,b.onnx
    ros2 launch face_classification_ros face_classification.launch.py target_frame:=map rviz:=true
"""

from dataclasses import Field
from typing import Any

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from launch.conditions import IfCondition
from launch.events.process import ProcessExited, ShutdownProcess
from launch.substitutions import (
    EnvironmentVariable,
    LaunchConfiguration,
    NotEqualsSubstitution,
)
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.ros.compat import dds_profile_variable
from face_classification_ros.ros.launch_arguments import check_launch_arguments
from face_classification_ros.ros.node.parameters.node_config import PARAMETERS

PACKAGE = 'face_classification_ros'
CONFIG = get_package_share_path(PACKAGE) / 'config'
RVIZ = get_package_share_path(PACKAGE) / 'rviz' / 'face_classification.rviz'

# Topics of the node in the configuration of rviz, below the absolute name of the node.
RVIZ_TOPICS = ('detections_3d', 'image_annotated', 'markers')

PROFILE_VARIABLE = dds_profile_variable()
(OTHER_PROFILE_VARIABLE,) = set(PROFILE_VARIABLES) - {PROFILE_VARIABLE}

# Argument, remapped to the topic of the same name -> description.
TOPICS = {
    'image': 'topic of the images, without the suffix of a transport',
    'depth': 'topic of the depth images, registered to the images',
    'camera_info': 'topic of the calibration of the images',
}

RESPAWN_DELAY = 2.0
"""Seconds after which a node that ended is started again."""

WRONG_USE = 2
"""Exit code of a node that cannot start with its settings."""


def parameter_argument(name: str, parameter: Field[Any]) -> DeclareLaunchArgument:
    """Return the argument that sets a parameter of the node."""
    setting = parameter.metadata['setting']
    choices = ['true', 'false'] if isinstance(parameter.default, bool) else setting.choices
    return DeclareLaunchArgument(
        name,
        default_value='',
        choices=['', *map(str, choices)] if choices else None,
        description=f'{setting.help} (not given: as in params_file)',
    )


def given_parameters(context: LaunchContext) -> dict[str, Any]:
    """Return the parameters whose arguments were given."""
    values: dict[str, Any] = {}
    for name, parameter in PARAMETERS.items():
        argument = LaunchConfiguration(name)
        text = argument.perform(context)
        if text and isinstance(parameter.default, tuple):
            values[name] = [each.strip() for each in text.split(',')]
        elif text:
            values[name] = ParameterValue(argument, value_type=type(parameter.default))
    return values


def end_after_wrong_use(event: ProcessExited, context: LaunchContext) -> EmitEvent | None:
    """Prevent the restart of a node that a wrong setting ended: it would end again."""
    if event.returncode != WRONG_USE:
        return None
    return EmitEvent(event=ShutdownProcess(process_matcher=lambda action: action is event.action))


def make_node(context: LaunchContext) -> list[Node]:
    """Return the node, which has the parameters of the file and of the given arguments."""
    use_sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    return [
        Node(
            package=PACKAGE,
            executable='face_classification_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[
                LaunchConfiguration('params_file'),
                {'use_sim_time': use_sim_time, **given_parameters(context)},
            ],
            remappings=[(topic, LaunchConfiguration(topic)) for topic in TOPICS],
            ros_arguments=['--log-level', LaunchConfiguration('log_level')],
            output='screen',
            respawn=LaunchConfiguration('respawn'),
            respawn_delay=RESPAWN_DELAY,
            on_exit=end_after_wrong_use,
        )
    ]


def make_rviz(context: LaunchContext) -> list[Node]:
    """Return rviz2 in the namespace of the node if it is to be started."""
    if LaunchConfiguration('rviz').perform(context) != 'true':
        return []
    frame = LaunchConfiguration('target_frame').perform(context)
    use_sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    return [
        Node(
            package='rviz2',
            executable='rviz2',
            namespace=LaunchConfiguration('namespace'),
            arguments=[
                '--display-config',
                str(RVIZ),
                *(['--fixed-frame', frame] if frame else []),
            ],
            parameters=[{'use_sim_time': use_sim_time}],
            remappings=[
                (f'/face_classification/{topic}', f'face_classification/{topic}')
                for topic in RVIZ_TOPICS
            ],
            output='screen',
        )
    ]


def declared_arguments() -> list[DeclareLaunchArgument]:
    """Return all arguments: topics, parameters of the node, and how it is started."""
    default_profile = EnvironmentVariable(
        PROFILE_VARIABLE,
        default_value=EnvironmentVariable(
            OTHER_PROFILE_VARIABLE, default_value=str(CONFIG / 'fastdds_large_images.xml')
        ),
    )
    return [
        *(
            DeclareLaunchArgument(
                topic,
                default_value=topic,
                description=f'{description}; relative to the namespace unless it starts with '
                'a slash',
            )
            for topic, description in TOPICS.items()
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
        *(parameter_argument(name, each) for name, each in PARAMETERS.items()),
        DeclareLaunchArgument(
            'use_sim_time',
            default_value='false',
            choices=['true', 'false'],
            description='use the time of /clock, as in simulation',
        ),
        DeclareLaunchArgument(
            'log_level',
            default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='minimum severity of log messages',
        ),
        DeclareLaunchArgument(
            'respawn',
            default_value='true',
            choices=['true', 'false'],
            description='start the node again when it ends',
        ),
        DeclareLaunchArgument(
            'rviz',
            default_value='false',
            choices=['true', 'false'],
            description='start rviz2 on what the node publishes',
        ),
        DeclareLaunchArgument(
            'fastdds_profile',
            default_value=default_profile,
            description='Fast DDS profile for large images, by default the one that the '
            'environment names already; a camera driver in another process needs the same in '
            f'{PROFILE_VARIABLE}; "" sets none',
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, set the environment and start the node."""
    profile = LaunchConfiguration('fastdds_profile')
    is_given = IfCondition(NotEqualsSubstitution(profile, ''))
    description = LaunchDescription(
        [
            *declared_arguments(),
            SetEnvironmentVariable(PROFILE_VARIABLE, profile, condition=is_given),
            # Kilted reads both, and prints errors about the profile that it has already.
            UnsetEnvironmentVariable(OTHER_PROFILE_VARIABLE, condition=is_given),
            OpaqueFunction(function=make_node),
            OpaqueFunction(function=make_rviz),
        ]
    )
    check_launch_arguments(__file__, (each.name for each in description.get_launch_arguments()))
    return description

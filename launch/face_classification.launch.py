"""Start the node on one camera.

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
PARAMETERS = {'image_transport': str, 'publish_annotated': bool}


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
            remappings=[('image', LaunchConfiguration('image'))],
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments, the environment and the node."""
    profile = LaunchConfiguration('fastdds_profile')
    own_profile = EnvironmentVariable(
        PROFILE_VARIABLES[0],
        default_value=EnvironmentVariable(
            PROFILE_VARIABLES[1], default_value=str(CONFIG / 'fastdds_large_pictures.xml')
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

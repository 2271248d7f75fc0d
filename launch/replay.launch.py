"""Start the node with the time of a recording, and play the recording to it.

Takes the arguments of face_classification.launch.py, too. With `use_depth:=true` give the topics
`depth` and `camera_info` of the bag. Without `bag` only the node starts, for
`ros2 bag play --clock`.

`ros2 launch` does not return the exit code of `expect`, which is in the log. The command
`face_classification replay` does; it also starts the node.

Examples:
    ros2 launch face_classification_ros replay.launch.py bag:=people image:=/head_cam/image_raw
    ros2 launch face_classification_ros replay.launch.py image:=/head_cam/image_raw
    ros2 bag play people --clock
"""

from ament_index_python.packages import get_package_prefix, get_package_share_path
from launch import Action, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import (
    get_launch_description_from_python_launch_file,
    PythonLaunchDescriptionSource,
)
from launch.substitutions import LaunchConfiguration

from face_classification_ros.ros.launch_arguments import check_launch_arguments

PACKAGE = 'face_classification_ros'
NODE = str(get_package_share_path(PACKAGE) / 'launch' / 'face_classification.launch.py')
PLAYER = f'{get_package_prefix(PACKAGE)}/lib/{PACKAGE}/face_classification'

# Arguments of the node that are always the same here.
FIXED = {'use_sim_time': 'true', 'respawn': 'false', 'autostart': 'true'}

# Argument -> default, description.
TOPICS = {
    'image': ('/camera/image_raw', 'topic of the images, without the suffix of a transport'),
    'depth': ('', 'topic of the depth images; not played if not given'),
    'camera_info': ('', 'topic of the calibration; not played if not given'),
}

# Argument -> option of the player.
OPTIONS = {
    'depth': '--depth',
    'camera_info': '--camera-info',
    'record': '--record',
    'expect': '--expect',
}


def make_node(context: LaunchContext) -> IncludeLaunchDescription:
    """Return the node; the other arguments of its launch file are those of this one."""
    topics = {name: LaunchConfiguration(name).perform(context) for name in TOPICS}
    arguments = {name: topic or name for name, topic in topics.items()}
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(NODE), launch_arguments=(arguments | FIXED).items()
    )


def make_player(context: LaunchContext) -> ExecuteProcess:
    """Return the player; the launch ends with it."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    suffix = '/compressed' if value('image_transport') == 'compressed' else ''
    namespace = value('namespace').strip('/')
    node = f'/{namespace}/face_classification' if namespace else '/face_classification'
    command = [PLAYER, 'replay', value('bag'), '--rate', value('rate')]
    command += ['--topic', value('image') + suffix, '--node', node]
    for name, option in OPTIONS.items():
        command += [option, value(name)] if value(name) else []
    return ExecuteProcess(cmd=command, output='screen', on_exit=Shutdown(reason='end of bag'))


def make_processes(context: LaunchContext) -> list[Action]:
    """Return the node, and the player if there is a bag."""
    # The player is made before the node starts, which changes the arguments of the topics. It
    # starts after the node, whose launch file sets the DDS profile of both.
    has_bag = LaunchConfiguration('bag').perform(context)
    return [make_node(context), *([make_player(context)] if has_bag else [])]


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments, start the node and the player."""
    described = {
        'bag': ('', 'rosbag2 folder or file; only the node starts if not given'),
        **TOPICS,
        'rate': ('1.0', 'speed of the replay relative to the recording'),
        'record': ('', 'write the faces to FILE.json, or to the folder of a new bag'),
        'expect': ('', 'file with the expected faces'),
    }
    arguments = {
        name: DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in described.items()
    }
    arguments['image_reliability'] = DeclareLaunchArgument(
        'image_reliability',
        default_value='reliable',
        choices=['reliable', 'best_effort'],
        description='best_effort is for `ros2 bag play` of a bag that was recorded that way',
    )
    for each in get_launch_description_from_python_launch_file(NODE).get_launch_arguments():
        if each.name not in FIXED:
            arguments.setdefault(each.name, each)
    description = LaunchDescription(
        [
            *arguments.values(),
            OpaqueFunction(function=make_processes),
        ]
    )
    check_launch_arguments(__file__, (each.name for each in description.get_launch_arguments()))
    return description

"""Start a node on each of several cameras, in a namespace of the camera's name.

Faces of the camera front are on /front/face_classification/faces. The arguments of
face_classification.launch.py hold for all cameras; a topic that does not start with a slash is the
camera's own, so `image:=color/image_raw` is /front/color/image_raw for front. Where cameras
differ, a YAML file has the arguments of each:

    front:
      image: color/image_raw
    head:
      image: /head_cam/image_raw
      rotation: 180

Examples:
    ros2 launch face_classification_ros cameras.launch.py cameras:=front,back image:=image_raw
    ros2 launch face_classification_ros cameras.launch.py cameras:=my_cameras.yaml
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.launch_description_sources import (
    get_launch_description_from_python_launch_file,
    PythonLaunchDescriptionSource,
)
from launch.substitutions import LaunchConfiguration
import yaml

SHARE = get_package_share_path('face_classification_ros')
ONE_CAMERA = str(SHARE / 'launch' / 'face_classification.launch.py')
ARGUMENTS = {
    argument.name: argument
    for argument in get_launch_description_from_python_launch_file(
        ONE_CAMERA
    ).get_launch_arguments()
    if argument.name != 'namespace'
}


def read_cameras(cameras: str) -> dict[str, dict[str, str]]:
    """Give the cameras, each with the arguments that it has of its own.

    Args:
        cameras: names with commas between them, or the path of a YAML file.

    Raises:
        ValueError: the file is none of cameras.
    """
    if not cameras.endswith(('.yaml', '.yml')):
        return {name.strip(): {} for name in cameras.split(',')}
    # All values as they are written, as on a command line.
    content = yaml.load(Path(cameras).read_text(), Loader=yaml.BaseLoader)
    if not isinstance(content, dict):
        raise ValueError(f'{cameras}: expected names of cameras, each with its arguments')
    for name, arguments in content.items():
        if arguments and not isinstance(arguments, dict):
            raise ValueError(f'{cameras}: {name} has {arguments!r}, expected arguments')
        if unknown := sorted(set(arguments) - set(ARGUMENTS)):
            raise ValueError(
                f'{cameras}: {name} has {", ".join(unknown)}, expected some of '
                f'{", ".join(sorted(ARGUMENTS))}'
            )
    return {name: arguments or {} for name, arguments in content.items()}


def make_nodes(context: LaunchContext) -> list[GroupAction]:
    """Start the node on each camera."""
    outer = LaunchConfiguration('namespace').perform(context)
    cameras = read_cameras(LaunchConfiguration('cameras').perform(context))
    return [
        # A scope of its own: what one camera is given must not reach the next.
        GroupAction(
            [
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(ONE_CAMERA),
                    launch_arguments=[
                        ('namespace', f'{outer}/{name}' if outer else name),
                        *arguments.items(),
                    ],
                )
            ]
        )
        for name, arguments in cameras.items()
    ]


def generate_launch_description() -> LaunchDescription:
    """Describe the arguments, and the nodes."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                description='names of the cameras with commas between them, or a YAML file with '
                'the names and the arguments of each',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description="namespace in which the cameras' own lie, such as the robot's",
            ),
            *ARGUMENTS.values(),
            OpaqueFunction(function=make_nodes),
        ]
    )

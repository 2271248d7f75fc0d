"""Start one node for each of several cameras, in a namespace with the name of the camera.

The faces of the camera `front` are published on /front/face_classification/faces. The arguments of
face_classification.launch.py apply to all cameras. A topic without a leading slash is relative to
the camera: `image:=color/image_raw` is /front/color/image_raw for `front`. If cameras differ, a
YAML file has the arguments of each:

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

from face_classification_ros.ros.launch_arguments import check_launch_arguments

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
    """Return the cameras, each with the arguments that are its own.

    Args:
        cameras: names separated by commas, or the path of a YAML file.

    Raises:
        ValueError: the file has another form, or there is no name.
    """
    if not cameras.endswith(('.yaml', '.yml')):
        names = [name.strip() for name in cameras.split(',') if name.strip()]
        if not names:
            raise ValueError(f'cameras:={cameras}: expected names of cameras')
        return {name: {} for name in names}
    # All values are text, as on a command line.
    content = yaml.load(Path(cameras).read_text(), Loader=yaml.BaseLoader)
    if not isinstance(content, dict):
        raise ValueError(f'{cameras}: expected names of cameras, each with its arguments')
    for name, arguments in content.items():
        if arguments and not isinstance(arguments, dict):
            raise ValueError(f'{cameras}: {name}: expected arguments, not {arguments!r}')
        if unknown := sorted(set(arguments) - set(ARGUMENTS)):
            raise ValueError(f'{cameras}: {name}: unknown arguments {", ".join(unknown)}')
    return {name: arguments or {} for name, arguments in content.items()}


def make_nodes(context: LaunchContext) -> list[GroupAction]:
    """Return one node for each camera."""
    outer = LaunchConfiguration('namespace').perform(context)
    cameras = read_cameras(LaunchConfiguration('cameras').perform(context))
    return [
        # A group has a scope, so that the arguments of one camera do not apply to the next.
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
    """Declare the arguments and start the nodes."""
    description = LaunchDescription(
        [
            DeclareLaunchArgument(
                'cameras',
                description='names of the cameras, separated by commas, or a YAML file with the '
                'names and the arguments of each',
            ),
            DeclareLaunchArgument(
                'namespace',
                default_value='',
                description='parent namespace of the cameras, such as that of the robot',
            ),
            *ARGUMENTS.values(),
            OpaqueFunction(function=make_nodes),
        ]
    )
    check_launch_arguments(__file__, (each.name for each in description.get_launch_arguments()))
    return description

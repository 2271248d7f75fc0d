"""Arguments that a launch file does not have are rejected, if launch was started with the file."""

import pytest

from face_classification_ros.ros.launch_arguments import check_launch_arguments

FILE = '/opt/share/launch/one.launch.py'
NAMES = ('image', 'rotation')


def test_known_arguments_are_accepted() -> None:
    """With any values."""
    check_launch_arguments(
        FILE, NAMES, ['ros2', 'launch', 'package', 'one.launch.py', 'image:=a:=b', 'rotation:=']
    )


def test_unknown_argument_is_rejected() -> None:
    """The error names it."""
    with pytest.raises(ValueError, match='rotatoin'):
        check_launch_arguments(FILE, NAMES, ['ros2', 'launch', FILE, 'image:=a', 'rotatoin:=90'])


def test_arguments_of_an_including_file_are_accepted() -> None:
    """It has its own."""
    check_launch_arguments(FILE, NAMES, ['ros2', 'launch', 'robot.launch.py', 'robot:=cob'])

"""Provide the tests of both installation routes with a clean shell and an environment."""

from importlib.metadata import distribution, PackageNotFoundError
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
NAME = 'face_classification_ros'
COMMANDS = ['face_classification', 'face_classification_camera', 'face_classification_node']

# Variables of the environment that runs the tests, which would leak into the installed one.
LEAKING = [
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PYTHONPATH',
    'VIRTUAL_ENV',
]

# Checks the share folder, and receives a message from a second process over real DDS.
USE = """
import subprocess
import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
# From our __init__.py, not from the empty one of the generated messages.
from face_classification_ros import PipelineConfig
from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
import rclpy

share = Path(get_package_share_directory('face_classification_ros'))
assert share.is_relative_to(sys.argv[1]), share
assert PipelineConfig().models
assert all((share / name).is_dir() for name in ('config', 'launch', 'resource')), share

rclpy.init()
node = rclpy.create_node('installed')
if len(sys.argv) == 2:
    received = []
    node.create_subscription(FaceAttributesArray, 'faces', received.append, 1)
    with subprocess.Popen([sys.executable, __file__, sys.argv[1], 'publish']) as publisher:
        while not received and publisher.poll() is None:
            rclpy.spin_once(node, timeout_sec=0.1)
        publisher.kill()
    assert received[0].faces[0].track_id == '7', received
else:
    publisher = node.create_publisher(FaceAttributesArray, 'faces', 1)
    node.create_timer(
        0.1, lambda: publisher.publish(FaceAttributesArray(faces=[FaceAttributes(track_id='7')]))
    )
    node.create_timer(20.0, sys.exit)
    rclpy.spin(node)
"""


def has_ros_wheels() -> bool:
    """Return whether ROS was installed by pip."""
    try:
        distribution('ros-rclpy')
    except PackageNotFoundError:
        return False
    return True


MARKS = [
    pytest.mark.install,
    pytest.mark.skipif(not has_ros_wheels(), reason='ROS was not installed by pip'),
    pytest.mark.skipif(shutil.which('c++') is None, reason='needs a C++ compiler'),
]
"""Marks of every test that installs the package."""


def clean_environment(**extra: str) -> dict[str, str]:
    """Return the variables of a new shell, with ROS restricted to this machine."""
    kept = {name: value for name, value in os.environ.items() if name not in LEAKING}
    return {**kept, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', **extra}


def run(
    *command: str | os.PathLike[str],
    cwd: Path,
    env: dict[str, str] | None = None,
    limit: int = 600,
) -> str:
    """Run a command, and return its output; fail with the output if the command fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env or clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
    )
    assert done.returncode == 0, f'{command}: exit code {done.returncode}\n{done.stdout[-5000:]}'
    return done.stdout


def sources_for(ros: str, folder: Path) -> Path:
    """Write a source tree that uses the wheels of a ROS distribution, and return its folder."""
    run(sys.executable, ROOT / 'wheel' / 'sources_for.py', ros, folder, cwd=ROOT)
    return folder


def make_venv(python: str, folder: Path, *requirements: str) -> Path:
    """Create an environment with these requirements, and return its folder of programs."""
    run(python, '-m', 'venv', folder, cwd=folder.parent)
    programs = folder / 'bin'
    run(programs / 'python', '-m', 'pip', 'install', '--quiet', *requirements, cwd=folder.parent)
    return programs

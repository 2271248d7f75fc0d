"""Both ways of installing lead to a package that works: pip without ROS, and colcon."""

from importlib.metadata import distribution, PackageNotFoundError
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
import skimage
import tomli

ROOT = Path(__file__).resolve().parents[1]
NAME = 'face_classification_ros'
COMMANDS = ['face_classification', 'face_classification_camera', 'face_classification_node']
ASTRONAUT = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
VERSIONS = ['3.10', '3.11', '3.12', '3.13']

# Left behind by the environment that runs the tests, they would lead into it.
LEAKING = [
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE',
    'AMENT_PREFIX_PATH',
    'CMAKE_PREFIX_PATH',
    'LD_LIBRARY_PATH',
    'PYTHONPATH',
    'VIRTUAL_ENV',
]

# Sends itself a message through real DDS in a second process, and looks at the share folder.
USE = """
import subprocess
import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
import rclpy

share = Path(get_package_share_directory('face_classification_ros'))
assert share.is_relative_to(sys.argv[1]), share
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
    """Tell whether ROS came from pip here."""
    try:
        distribution('ros-rclpy')
    except PackageNotFoundError:
        return False
    return True


pytestmark = [
    pytest.mark.install,
    pytest.mark.skipif(
        not has_ros_wheels(), reason='ROS did not come from pip here, so there is no pip route'
    ),
    pytest.mark.skipif(shutil.which('c++') is None, reason='there is no C++ compiler'),
]


def clean_environment(**extra: str) -> dict[str, str]:
    """Give the environment of a fresh shell, with all of ROS kept on this machine."""
    kept = {name: value for name, value in os.environ.items() if name not in LEAKING}
    return {**kept, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', **extra}


def run(
    *command: str | os.PathLike[str],
    cwd: Path,
    env: dict[str, str] | None = None,
    limit: int = 600,
) -> str:
    """Run a command and return what it prints, or fail with it."""
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


def make_venv(python: str, folder: Path, *requirements: str) -> Path:
    """Make an environment with these requirements and return its folder of programs."""
    run(python, '-m', 'venv', folder, cwd=folder.parent)
    programs = folder / 'bin'
    run(programs / 'python', '-m', 'pip', 'install', '--quiet', *requirements, cwd=folder.parent)
    return programs


def python_of(version: str) -> str:
    """Find the Python of a version, or skip."""
    if version == '.'.join(map(str, sys.version_info[:2])):
        return sys.executable
    if os.environ.get('FULL_MATRIX') != '1':
        pytest.skip('FULL_MATRIX=1 tries the other versions of Python too')
    python = shutil.which(f'python{version}')
    # A version manager may lay a program on the path that only says what is missing.
    if python is None or subprocess.run([python, '-c', ''], capture_output=True).returncode != 0:
        pytest.skip(f'there is no python{version} that runs')
    return python


@pytest.mark.parametrize('version', VERSIONS)
def test_pip_installs_all_into_a_fresh_environment(
    version: str, tmp_path: Path, domain: int
) -> None:
    """Messages, commands and share folder work, with nothing sourced."""
    names_before = sorted(os.listdir(ROOT))
    venv = tmp_path / 'venv'
    programs = make_venv(python_of(version), venv, str(ROOT))
    assert sorted(os.listdir(ROOT)) == names_before, 'the build left something in the tree'

    run(programs / 'python', '-m', 'pip', 'check', cwd=tmp_path)
    use = tmp_path / 'use.py'
    use.write_text(USE)
    environment = clean_environment(ROS_DOMAIN_ID=str(domain))
    run(programs / 'python', use, venv, cwd=tmp_path, env=environment, limit=60)
    hello = 'from vision_msgs.msg import Detection2DArray, LabelInfo'
    run(programs / 'python', '-c', hello, cwd=tmp_path)
    for folder in (programs, venv / 'lib' / NAME):
        assert 'usage' in run(folder / 'face_classification', '--help', cwd=tmp_path).lower()
        assert all(os.access(folder / name, os.X_OK) for name in COMMANDS)
    told = run(programs / 'face_classification', 'classify', ASTRONAUT, cwd=tmp_path)
    assert 'woman' in told and 'happy' in told


@pytest.fixture(scope='module')
def underlay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with colcon and the ROS wheels, in the place of /opt/ros."""
    venv = tmp_path_factory.mktemp('underlay') / 'venv'
    build_wheels = tomli.loads((ROOT / 'pyproject.toml').read_text())['build-system']['requires']
    run_time = ['ros-jazzy-rclpy', 'ros-jazzy-rmw-fastrtps-cpp']
    make_venv(sys.executable, venv, *build_wheels, *run_time, 'colcon-common-extensions')
    return venv


# One underlay serves both.
@pytest.mark.xdist_group('colcon')
@pytest.mark.parametrize('options', [[], ['--symlink-install']], ids=['plain', 'symlink-install'])
def test_colcon_builds_and_installs_all(
    underlay: Path, tmp_path: Path, domain: int, options: list[str]
) -> None:
    """As on a robot: sources in a workspace, one package, built on what ROS brings."""
    sources = tmp_path / 'src'
    sources.mkdir()
    (sources / NAME).symlink_to(ROOT)
    environment = clean_environment(
        AMENT_PREFIX_PATH=str(underlay),
        CMAKE_PREFIX_PATH=str(underlay),
        PATH=os.pathsep.join([str(underlay / 'bin'), os.environ['PATH']]),
        ROS_DOMAIN_ID=str(domain),
        VIRTUAL_ENV=str(underlay),
    )
    packages = run('colcon', 'list', '--names-only', cwd=tmp_path, env=environment)
    assert packages.split() == [NAME], 'colcon must not see the vision_msgs of the wheel'
    run('colcon', 'build', *options, cwd=tmp_path, env=environment)

    prefix = tmp_path / 'install' / NAME
    use = tmp_path / 'use.py'
    use.write_text(USE)
    sourced = f'. install/setup.bash && python {use} {prefix}'
    run('bash', '-c', sourced, cwd=tmp_path, env=environment, limit=60)

    assert sorted(path.name for path in (prefix / 'lib' / NAME).iterdir()) == COMMANDS
    assert all(os.access(prefix / 'lib' / NAME / name, os.X_OK) for name in COMMANDS)
    (installed,) = prefix.glob(f'lib/python*/site-packages/{NAME}')
    missing = [
        module
        for module in (ROOT / NAME).rglob('*.py')
        if not (installed / module.relative_to(ROOT / NAME)).exists()
    ]
    assert not missing
    assert (installed / 'face.py').is_symlink() == bool(options)
    assert (prefix / 'share' / NAME / 'package.xml').is_symlink() == bool(options)

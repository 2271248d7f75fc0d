"""All dependencies have permissive licenses."""

import json
from pathlib import Path
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from face_classification_ros.ros.compat import distribution

ROOT = Path(__file__).resolve().parents[1]
PERMISSIVE = re.compile('Apache|Boost|BSD|MIT|zlib', re.IGNORECASE)


@pytest.fixture
def program() -> str:
    """Return the path of pip-licenses."""
    path = shutil.which('pip-licenses', path=Path(sys.executable).parent)
    if path is None:
        pytest.skip('pip-licenses is not installed')
    return path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the tree, whose pyproject.toml has the settings of pip-licenses."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def license_of_ros_package(name: str) -> str:
    """Return the license in the package.xml of a ROS wheel, whose metadata has none; else ""."""
    package = re.sub(f'^ros-({distribution()}-)?', '', name).replace('-', '_')
    path = Path(sys.prefix, 'share', package, 'package.xml')
    if not path.is_file():
        return ''
    return ', '.join(each.text or '' for each in ElementTree.parse(path).iter('license'))


def test_dependencies_have_permissive_licenses(program: str) -> None:
    """pyproject.toml lists the licenses that are allowed, and the packages that are excepted."""
    done = run(program, '--format=json')
    assert done.returncode == 0, done.stderr
    licenses = {each['Name']: each['License'] for each in json.loads(done.stdout)}
    assert {
        'numpy',
        'onnxruntime',
        'opencv-python-headless',
        f'ros-{distribution()}-rclpy',
    } <= set(licenses)
    unknown = {
        name: license_of_ros_package(name)
        for name, found in licenses.items()
        if found == 'UNKNOWN'
    }
    assert {name: found for name, found in unknown.items() if not PERMISSIVE.search(found)} == {}


def test_copyleft_license_is_rejected(program: str) -> None:
    """Without its exceptions, the list of allowed licenses rejects the linters under the GPL."""
    done = run(program, '--packages', 'flake8-builtins', '--ignore-packages', 'tqdm')
    assert done.returncode == 1
    assert 'flake8-builtins' in done.stderr

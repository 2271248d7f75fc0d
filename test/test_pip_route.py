"""pip installs a working package on a machine without ROS."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

from installing import (
    clean_environment,
    COMMANDS,
    make_venv,
    MARKS,
    NAME,
    ROOT,
    run,
    sources_for,
    USE,
)
import pytest
import skimage

from face_classification_ros.ros.compat import distribution

ASTRONAUT = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
VERSIONS = ['3.10', '3.11', '3.12', '3.13']
ROS = ['jazzy', 'kilted']

pytestmark = MARKS


def require_full_matrix() -> None:
    """Skip a test of what the environment of the tests is not."""
    if os.environ.get('FULL_MATRIX') != '1':
        pytest.skip('FULL_MATRIX=1 also tests other versions of Python and ROS')


def python_of(version: str) -> str:
    """Return the path of a version of Python; skip the test if it is not installed."""
    if version == '.'.join(map(str, sys.version_info[:2])):
        return sys.executable
    require_full_matrix()
    python = shutil.which(f'python{version}')
    # The program of a version manager may only print that this version is missing.
    if python is None or subprocess.run([python, '-c', ''], capture_output=True).returncode != 0:
        pytest.skip(f'python{version} is not installed')
    return python


@pytest.mark.parametrize('ros', ROS)
@pytest.mark.parametrize('version', VERSIONS)
def test_pip_installs_everything_into_a_new_environment(
    version: str, ros: str, tmp_path: Path, domain: int
) -> None:
    """Messages, commands and the share folder work without a sourced workspace."""
    if ros != distribution():
        require_full_matrix()
    names_before = sorted(os.listdir(ROOT))
    venv = tmp_path / 'venv'
    sources = sources_for(ros, tmp_path / 'sources')
    programs = make_venv(python_of(version), venv, str(sources))
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
    output = run(programs / 'face_classification', 'classify', ASTRONAUT, cwd=tmp_path)
    assert 'woman' in output and 'happy' in output

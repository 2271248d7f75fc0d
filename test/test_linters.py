"""The linters of the pre-commit configuration find no problems."""

import os
from pathlib import Path
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from face_classification_ros.ros.compat import distribution

ROOT = Path(__file__).resolve().parents[1]
CONFIGURATION = ROOT / '.pre-commit-config.yaml'
HOOKS = [
    pytest.param(hook['entry'], id=hook['id'])
    for repository in yaml.safe_load(CONFIGURATION.read_text())['repos']
    for hook in repository['hooks']
]

# The linters of this environment come first, even if it is not activated.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', os.defpath)])


def run(entry: str) -> None:
    """Run a command in the tree; fail with its output if it fails."""
    command = shlex.split(entry)
    if shutil.which(command[0], path=PATH) is None:
        pytest.skip(f'{command[0]} is not installed')
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, 'PATH': PATH}, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{entry}\n{done.stdout}{done.stderr}'


@pytest.mark.parametrize('entry', HOOKS)
def test_linter_finds_no_problem(entry: str) -> None:
    """The command of the hook passes for the whole tree."""
    if entry == 'mypy' and (distribution() != 'jazzy' or sys.version_info < (3, 11)):
        # Those of rclpy change with the distribution, those of numpy with Python.
        pytest.skip('the installed packages have other annotations')
    run(entry)


def test_pre_commit_accepts_its_configuration() -> None:
    """The hooks can be installed."""
    run(f'pre-commit validate-config {CONFIGURATION}')

"""Programs end with exit code 2 and without a traceback where ROS cannot start."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import subprocess
import sys

from command_process import COMMAND, write_video
import pytest

PROGRAMS = Path(sys.executable).parent

ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    'no home': {'HOME': None, 'ROS_LOG_DIR': None, 'ROS_HOME': None},
    'unwritable log folder': {'ROS_LOG_DIR': '/proc/logs'},
    'invalid domain': {'ROS_DOMAIN_ID': 'abc'},
}
"""What is wrong -> variables, None for one that is not set."""

CLIENT = """
import sys
from face_classification_ros.ros.client import ClientStartError, FaceClient

try:
    FaceClient()
except ClientStartError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""

CALLS: dict[str, Callable[[Path], list[str | Path]]] = {
    'node': lambda video: [PROGRAMS / 'face_classification_node'],
    'camera': lambda video: [PROGRAMS / 'face_classification_camera', video],
    'demo': lambda video: [COMMAND, 'demo', '--video', video, '--output', video.parent],
    'replay': lambda video: [COMMAND, 'replay', video],
    'client': lambda video: [sys.executable, '-c', CLIENT],
}


@pytest.mark.parametrize('program', CALLS)
@pytest.mark.parametrize('problem', ENVIRONMENTS)
def test_program_ends_with_one_line_where_ros_cannot_start(
    domain: int, tmp_path: Path, problem: str, program: str
) -> None:
    """The line comes after those of ROS itself, which every program prints."""
    video = tmp_path / 'walk.mp4'
    write_video(video, 2)
    variables = {**os.environ, 'ROS_DOMAIN_ID': str(domain), **ENVIRONMENTS[problem]}
    result = subprocess.run(
        CALLS[program](video),
        cwd=tmp_path,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert 'Traceback' not in result.stderr
    assert result.stderr.count('ROS cannot start') == 1, result.stderr


@pytest.mark.parametrize('problem', ENVIRONMENTS)
def test_doctor_finds_that_ros_cannot_start(domain: int, problem: str) -> None:
    """It is an error among its findings."""
    variables = {**os.environ, 'ROS_DOMAIN_ID': str(domain), **ENVIRONMENTS[problem]}
    result = subprocess.run(
        [COMMAND, 'doctor'],
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    assert 'Traceback' not in result.stdout + result.stderr
    assert 'RosStartError' in result.stdout


@pytest.mark.parametrize('program', ['face_classification_node', 'face_classification_camera'])
def test_help_is_printed_and_nothing_is_started(domain: int, program: str) -> None:
    """A program that starts instead would not end."""
    result = subprocess.run(
        [PROGRAMS / program, '--help'],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, result.stderr) == (0, '')
    assert program in result.stdout

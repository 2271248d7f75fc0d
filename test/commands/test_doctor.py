"""`doctor` checks a healthy installation, a broken setup, and a machine without ROS."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest
from ros_peers import TIMEOUT

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.doctor.findings import ERROR, Finding, import_failed, OK
from face_classification_ros.doctor.packages import LIBRARIES, remedy_for
from face_classification_ros.doctor.registry import NETWORK_LIBRARIES
from face_classification_ros.inference.model_zoo import dds_profile


def run_doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with further variables."""
    program = (
        'import sys; from face_classification_ros.commands.main import main; sys.exit(main())'
    )
    return subprocess.run(
        [sys.executable, '-c', program, 'doctor', *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=4 * TIMEOUT,
        cwd='/',
    )


def test_healthy_installation_has_no_errors(domain: int, tmp_path: Path) -> None:
    """The checks with and without ROS run, and JSON has what is printed."""
    record = tmp_path / 'doctor.json'
    profile = dict.fromkeys(PROFILE_VARIABLES, str(dds_profile()))
    done = run_doctor('--json', str(record), ROS_DOMAIN_ID=str(domain), **profile)
    findings = [Finding(**each) for each in json.loads(record.read_text())]
    assert done.stdout.splitlines() == '\n'.join(map(str, findings)).splitlines()
    errors = {finding.code for finding in findings if finding.status == ERROR}
    # On a busy machine some of the test images get lost.
    assert errors <= {'throughput-too-low'}
    assert done.returncode == bool(errors), done.stdout + done.stderr
    codes = {finding.code for finding in findings}
    assert {
        'python-ok',
        'rclpy-ok',
        'ros-ok',
        'dds-profile-ok',
        'detector-ok',
        'model-ok',
    } <= codes
    assert codes & {'cv-bridge-ok', 'cv-bridge-not-installed', 'numpy-too-new-for-cv-bridge'}


def test_broken_setup_is_reported_without_traceback(domain: int, tmp_path: Path) -> None:
    """A DDS that is not installed and a profile that is not a file are two errors."""
    record = tmp_path / 'doctor.json'
    done = run_doctor(
        '--json',
        str(record),
        ROS_DOMAIN_ID=str(domain),
        RMW_IMPLEMENTATION='rmw_nobody',
        **{PROFILE_VARIABLES[0]: str(tmp_path / 'gone')},
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    findings = {each['code']: Finding(**each) for each in json.loads(record.read_text())}
    assert findings['dds-profile-not-found'].status == ERROR
    assert 'rmw_nobody' in findings['rclpy-import-failed'].text
    assert findings['detector-ok'].status == OK


@pytest.mark.parametrize(
    ('broken', 'source'),
    [
        (('numpy',), 'import os; os.abort()'),
        (('cv2',), 'import os; os.abort()'),
        (('onnxruntime',), 'raise ImportError("not for this Python")'),
        (('rclpy', *NETWORK_LIBRARIES, 'yaml', 'ament_index_python'), 'import not_installed'),
    ],
)
def test_checks_run_without_a_library(
    tmp_path: Path, broken: tuple[str, ...], source: str
) -> None:
    """Each library that is missing or broken is an error with its remedy, even if it crashes."""
    for name in broken:
        (tmp_path / f'{name}.py').write_text(source)
    record = tmp_path / 'doctor.json'
    done = run_doctor('--json', str(record), PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
    findings = [Finding(**each) for each in json.loads(record.read_text())]
    by_code = {each.code: each for each in findings}
    for name in set(broken) & set(LIBRARIES):
        failed = by_code[import_failed(name)]
        assert (failed.status, failed.remedy) == (ERROR, remedy_for(name))
    skipped = {each.subject for each in findings if each.code == 'check-skipped'}
    assert skipped == {'detector', 'models'}
    assert by_code['python-ok'].status == OK
    assert 'ros-ok' not in by_code

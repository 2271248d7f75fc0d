"""The doctor: each line says that all is well, or what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
from ros_peers import TIMEOUT

from face_classification_ros import doctor
from face_classification_ros.doctor import Finding, HINT, OK, WRONG
from face_classification_ros.inference.model_zoo import dds_profile, model_path

RTPS, DDS = doctor.PROFILE_VARIABLES


def run_doctor(
    *arguments: str, command: str = 'face_classification', **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, with further variables."""
    program = [str(Path(sys.executable).parent / command)]
    if not Path(program[0]).exists():
        program = [
            sys.executable,
            '-c',
            'from face_classification_ros.commands.main import main; main()',
        ]
    return subprocess.run(
        [*program, 'doctor', *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=4 * TIMEOUT,
        cwd='/',
    )


def test_all_is_well_with_the_profile(domain: int, tmp_path: Path) -> None:
    """The exit code is 0, and test pictures, detector and models are among what was tried."""
    profile = str(dds_profile())
    record = tmp_path / 'doctor.json'
    done = run_doctor(
        '--json', str(record), ROS_DOMAIN_ID=str(domain), **{RTPS: profile, DDS: profile}
    )
    findings = [Finding(**each) for each in json.loads(record.read_text())]
    verdicts = {each.subject: each.verdict for each in findings}
    # On a busy machine some of the test pictures get lost.
    assert done.returncode == (verdicts.pop('throughput') == WRONG), done.stdout + done.stderr
    assert WRONG not in verdicts.values()
    for subject in ('Python', 'ROS', 'DDS profile', 'detector'):
        assert verdicts[subject] == OK
    for model in ('emotion_mini_xception', 'gender_mini_xception'):
        (finding,) = (each for each in findings if each.subject == f'model {model}')
        assert finding.text.startswith('gives the known answer for')
    assert done.stdout.count('\n') == sum(1 + bool(each.remedy) for each in findings)


def test_set_up_that_is_broken_is_told_line_by_line(domain: int, tmp_path: Path) -> None:
    """A DDS that is not there and a profile that is no file: no traceback, exit code 1."""
    done = run_doctor(
        ROS_DOMAIN_ID=str(domain),
        RMW_IMPLEMENTATION='rmw_nobody',
        **{RTPS: str(tmp_path / 'gone')},
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    assert f'WRONG DDS profile: {RTPS} names {tmp_path}/gone, which is no file' in done.stdout
    assert 'WRONG rclpy: ' in done.stdout and 'rmw_nobody' in done.stdout
    assert 'OK    detector' in done.stdout


def test_machine_without_ros_is_examined(tmp_path: Path) -> None:
    """Neither ROS nor numpy can be imported: what is missing is told, with its cure."""
    for name in ('rclpy', 'numpy', 'ament_index_python'):
        (tmp_path / f'{name}.py').write_text('raise ImportError("not for this Python")')
    done = subprocess.run(
        [sys.executable, '-m', 'face_classification_ros.doctor'],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        cwd='/',
        timeout=2 * TIMEOUT,
    )
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    assert 'WRONG numpy: ImportError: not for this Python\n      -> pip install' in done.stdout
    assert 'OK    Python: ' in done.stdout
    assert 'WRONG detector: ' in done.stdout


def test_library_that_ends_the_process_is_told(tmp_path: Path) -> None:
    """As one does that was built for another numpy."""
    (tmp_path / 'onnxruntime.py').write_text('import os\nos.abort()')
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            'from face_classification_ros.doctor import check_module, lines_of\n'
            'print(lines_of(check_module("onnxruntime", "install it")))',
        ],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)},
        cwd='/',
    )
    assert done.stdout == 'WRONG onnxruntime: exit -6\n      -> install it\n'


@pytest.mark.parametrize(
    ('free', 'verdict'),
    [(64 * 2**20, WRONG), (68 * 2**20, OK), (0, WRONG), (16 * 2**30, OK)],
)
def test_shared_memory_is_enough_for_two_processes(free: int, verdict: str) -> None:
    """Docker's 64 MB are not."""
    finding = doctor.check_shared_memory(free)
    assert finding.verdict == verdict
    assert ('--shm-size=512m' in finding.remedy) == (verdict == WRONG)


@pytest.mark.parametrize(
    ('receive', 'send', 'verdict'),
    [(212_992, 212_992, HINT), (4_194_304, 212_992, HINT), (4_194_304, 4_194_304, OK)],
)
def test_small_socket_buffers_are_a_hint(receive: int, send: int, verdict: str) -> None:
    """They matter to pictures from other computers alone."""
    finding = doctor.check_socket_buffers(receive, send)
    assert finding.verdict == verdict
    assert ('sysctl -w net.core.rmem_max=4194304' in finding.remedy) == (verdict == HINT)


def test_profile_is_judged(tmp_path: Path) -> None:
    """None, ours, a copy of it, another, one that is gone, no XML, and two that differ."""
    own = dds_profile()
    copy, other, broken = tmp_path / 'copy.xml', tmp_path / 'other.xml', tmp_path / 'broken.xml'
    shutil.copy(own, copy)
    other.write_text('<dds/>')
    broken.write_text('<dds>')

    def verdict(**environment: str | Path) -> tuple[str, str]:
        named = {name: str(value) for name, value in environment.items()}
        finding = doctor.check_profile(named, own)
        assert ('export ' in finding.remedy) == (finding.verdict != OK)
        return finding.verdict, finding.text

    assert verdict()[0] == HINT
    assert verdict(**{RTPS: ''})[0] == HINT
    assert verdict(**{RTPS: own}) == (OK, f'for large pictures: {own}')
    assert verdict(**{DDS: copy}) == (OK, f'for large pictures: {copy}')
    assert 'one of your own' in verdict(**{RTPS: other})[1]
    assert 'is no file' in verdict(**{RTPS: own, DDS: tmp_path / 'gone'})[1]
    assert verdict(**{RTPS: broken})[0] == WRONG
    assert 'the two variables name' in verdict(**{RTPS: own, DDS: other})[1]


def test_python_that_is_too_old_is_told() -> None:
    """The remedy names the oldest that does."""
    assert doctor.check_python((3, 9, 18)).remedy == 'needs Python 3.10 or later'
    assert doctor.check_python((3, 13, 0)).verdict == OK


def test_extra_that_is_missing_names_what_brings_it() -> None:
    """It is a hint: nobody needs all of them."""
    finding = doctor.check_extra('train', 'training', ['tensorflow'])
    assert finding == Finding(
        'extra [train]',
        HINT,
        'training: tensorflow missing',
        "pip install 'face_classification_ros[train]'",
    )


def test_model_with_another_answer_is_told() -> None:
    """A model file that was changed, or a runtime that computes wrongly."""
    path = Path(model_path('gender_mini_xception'))
    known = doctor.answer_drawn_face(path)
    assert doctor.check_model(path, known).verdict == OK
    changed = {'gender': [known['gender'][0] - 0.1, known['gender'][1] + 0.1]}
    finding = doctor.check_model(path, changed)
    assert finding.verdict == WRONG and 'is off by 0.10' in finding.text


def test_known_answers_are_of_all_shipped_models() -> None:
    """After a model file has changed: python benchmarks/known_answers.py."""
    folder = Path(model_path('gender_mini_xception')).parent
    known = json.loads((folder / 'known_answers.json').read_text())
    assert set(known) == {path.stem for path in folder.glob('*.onnx')}
    for name, answers in known.items():
        assert doctor.check_model(folder / f'{name}.onnx', answers).verdict == OK


def test_exit_code_is_of_what_is_wrong() -> None:
    """Hints are no failure."""
    well, hint, wrong = (Finding('x', verdict, 'y') for verdict in (OK, HINT, WRONG))
    assert doctor.exit_code([well, hint]) == 0
    assert doctor.exit_code([well, wrong, hint]) == 1


def test_licenses_of_all_dependencies_are_told() -> None:
    """None of those that the package itself needs is copyleft."""
    licenses = {each.name: each for each in doctor.licenses()}
    assert {'numpy', 'onnxruntime', 'opencv-python-headless', 'ros-jazzy-rclpy'} <= set(licenses)
    assert 'face-classification-ros' not in licenses
    assert 'Apache' in licenses['ros-rclpy'].license
    assert not licenses['numpy'].is_copyleft

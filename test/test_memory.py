"""A lack of memory is one line and exit code 2, not a traceback or a crash."""

from __future__ import annotations

import os
from pathlib import Path
import resource
import subprocess
import sys

from command_process import ASTRONAUT, COMMAND
import cv2
import numpy as np
import pytest
from ros_peers import TIMEOUT

from face_classification_ros.commands import classify
from face_classification_ros.commands.main import main
from face_classification_ros.inference.model_zoo import executable
from face_classification_ros.io import classify_files
from face_classification_ros.memory import check_address_space, is_out_of_memory
from face_classification_ros.ros.node.main import main as node_main

LIMIT = 400_000_000


def run_limited(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program whose address space is limited, as by `ulimit -v`."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return subprocess.run(
        list(map(str, command)), preexec_fn=limit, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    'command',
    [
        [COMMAND, 'classify', ASTRONAUT],
        [COMMAND, 'benchmark', '--rounds', '1'],
        [COMMAND, 'demo'],
        [executable('face_classification_node')],
    ],
    ids=lambda command: Path(command[-1]).stem,
)
def test_limited_memory_is_one_line(command: list[object]) -> None:
    """With 400 MB the libraries could not even be loaded."""
    done = run_limited(*command)
    assert (done.returncode, len(done.stderr.splitlines()), done.stdout) == (2, 1, '')


def test_limit_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough memory, or no limit, is no problem."""
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (LIMIT, LIMIT))
    check_address_space(LIMIT)
    with pytest.raises(MemoryError):
        check_address_space(LIMIT + 1)
    monkeypatch.setattr(resource, 'getrlimit', lambda _: (resource.RLIM_INFINITY,) * 2)
    check_address_space(2**40)


@pytest.mark.parametrize(
    ('error', 'is_memory'),
    [
        (MemoryError(), True),
        (RuntimeError('[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc'), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError('an invalid graph'), False),
        (ValueError('std::bad_alloc'), False),
    ],
)
def test_lack_of_memory_is_recognized(error: Exception, is_memory: bool) -> None:
    """Libraries report it in different ways."""
    assert is_out_of_memory(error) == is_memory


def test_opencv_is_recognized() -> None:
    """Its error for a lack of memory has a code; other errors of OpenCV are no lack."""
    error = cv2.error('Insufficient memory')
    error.code = cv2.Error.STS_NO_MEM
    assert is_out_of_memory(error)
    with pytest.raises(cv2.error) as raised:
        cv2.resize(np.zeros((0, 0), np.uint8), (1, 1))
    assert not is_out_of_memory(raised.value)


def test_command_ends_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if the memory ends while it works."""

    def no_memory(_: object) -> int:
        raise RuntimeError('std::bad_alloc')

    monkeypatch.setattr(classify, 'run', no_memory)
    assert main(['classify', str(ASTRONAUT)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_node_without_memory_to_start_ends_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Launch does not start it again, since nothing would change."""

    def no_memory(_: object) -> int:
        raise MemoryError

    monkeypatch.setattr('face_classification_ros.ros.node.process.run_node', no_memory)
    assert node_main([]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


RUN_OUT_OF_MEMORY = """
import sys
import rclpy
from face_classification_ros.ros.node.main import main

def spin(_):
    raise MemoryError('no memory for that image')

rclpy.spin = spin
sys.exit(main([]))
"""


def test_node_whose_memory_ends_can_be_started_again(domain: int, tmp_path: Path) -> None:
    """It ends with a line and the exit code of a fault, after which launch starts it."""
    # In a process of its own, which the watchdog of the node ends.
    ended = subprocess.run(
        [sys.executable, '-c', RUN_OUT_OF_MEMORY],
        # Not in the source root, whose package has no messages.
        cwd=tmp_path,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
    )
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert sum(line.endswith('no memory for that image') for line in lines) == 1


def test_file_that_needs_too_much_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The other files are classified."""
    small, large = tmp_path / 'small.png', tmp_path / 'large.png'
    for path in (small, large):
        path.write_bytes(ASTRONAUT.read_bytes())
    read = classify_files.read_image

    def read_image(path: Path) -> object:
        if path == large:
            raise MemoryError
        return read(path)

    monkeypatch.setattr(classify_files, 'read_image', read_image)
    assert main(['classify', str(large), str(small)]) == 2
    printed = capsys.readouterr()
    assert str(small) in printed.out and str(large) not in printed.out
    assert str(large) in printed.err


def test_model_file_is_not_read_into_the_largest_buffer(tmp_path: Path) -> None:
    """A model of 300 kB does not need 100 MB for a moment."""
    program = (
        'import resource, sys; from pathlib import Path; '
        'from face_classification_ros.inference.session import read_model; '
        'from face_classification_ros.inference.model_zoo import model_path; '
        'used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize(); '
        'resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24)); '
        'read_model(Path(model_path("multitask_mini_xception")))'
    )
    subprocess.run([sys.executable, '-c', program], check=True, timeout=60)

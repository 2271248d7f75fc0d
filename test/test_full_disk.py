"""Where there is no room, one line says so, and what was written before is still good."""

from __future__ import annotations

import functools
import itertools
import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import pytest

from face_classification_ros.io.sample import FPS, sample_frames
from face_classification_ros.io.videos import VideoFile

COMMAND = str(Path(sys.executable).with_name('face_classification'))
TIMEOUT = 120
ROOM = 20_000
"""Bytes that a file may have: as on a disk with so little room, the system refuses more."""


@pytest.fixture(scope='module')
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a video of six seconds."""
    path = tmp_path_factory.mktemp('film') / 'film.mp4'
    video = VideoFile(path, FPS)
    for frame in itertools.islice(sample_frames(), 6 * FPS):
        video.write(frame)
    video.close()
    return path


def run(*arguments: object, room: int = ROOM) -> subprocess.CompletedProcess[str]:
    """Run `face_classification` where no file can grow beyond `room` bytes.

    Python would cut its byte code off there, too, and other processes would read that.
    """
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room)),
    )


def assert_one_line(done: subprocess.CompletedProcess[str], path: Path) -> None:
    """Check that the command failed and said in one line which file had no room.

    Before it there may be lines of FFmpeg and TensorFlow.
    """
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith('face_classification: ')
    assert str(path) in line


def test_results_that_find_no_room_are_a_whole_list(film: Path, tmp_path: Path) -> None:
    """All that were written before can be read."""
    path = tmp_path / 'faces.json'
    done = run('classify', film, '--json', path)
    assert_one_line(done, path)
    records = json.loads(path.read_text())
    assert [each['frame'] for each in records] == list(range(len(records)))
    assert 5 < len(records) < 6 * FPS


def test_annotated_video_that_finds_no_room_is_told(film: Path, tmp_path: Path) -> None:
    """Nothing is said of it by OpenCV; the results beside it are complete."""
    path = tmp_path / 'faces.json'
    done = run('classify', film, '--output', tmp_path / 'out', '--json', path, room=200_000)
    assert_one_line(done, tmp_path / 'out' / 'film.mp4')
    assert len(json.loads(path.read_text())) == 6 * FPS


def test_annotated_picture_that_finds_no_room_is_told(film: Path, tmp_path: Path) -> None:
    """As for a video."""
    picture = tmp_path / 'crowd.ppm'
    header = b'P6 640 480 255 '
    picture.write_bytes(header + next(sample_frames()).tobytes())
    done = run('classify', picture, '--output', tmp_path / 'out')
    assert_one_line(done, tmp_path / 'out' / 'crowd.ppm')


@pytest.mark.parametrize('target', ['recorded', 'faces.json'])
def test_recorded_replay_that_finds_no_room_is_told(
    film: Path, tmp_path: Path, target: str
) -> None:
    """Of a bag and its faces.json, the latter is a whole list; a file beside is left alone."""
    other = tmp_path / 'other.json'
    other.write_text('[1]')
    done = run('replay', film, '--offline', '--record', tmp_path / target)
    assert_one_line(done, tmp_path / target)
    faces = tmp_path / target if target.endswith('.json') else tmp_path / target / 'faces.json'
    assert len(json.loads(faces.read_text())) > 5
    assert other.read_text() == '[1]'


def test_report_that_finds_no_room_is_told(tmp_path: Path) -> None:
    """So is that of any other command."""
    pytest.importorskip('tensorflow')
    path = tmp_path / 'networks.json'
    assert_one_line(run('networks', 'mini_xception', '--json', path, room=100), path)


def test_results_of_a_run_that_was_killed_can_be_read(film: Path, tmp_path: Path) -> None:
    """The list is whole at any moment, not only in the end."""
    path = tmp_path / 'faces.json'
    with subprocess.Popen(
        [COMMAND, 'classify', film, '--json', path], stdout=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + TIMEOUT
        while not (path.is_file() and path.stat().st_size > ROOM) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert len(json.loads(path.read_text())) > 5


def test_results_can_go_through_a_pipe(film: Path, tmp_path: Path) -> None:
    """Another program may read them while they come; it gets one whole list."""
    path = tmp_path / 'faces'
    os.mkfifo(path)
    with subprocess.Popen(
        [COMMAND, 'classify', film, '--json', path], stdout=subprocess.DEVNULL
    ) as process:
        records = json.loads(path.read_text())
    assert process.returncode == 0
    assert len(records) == 6 * FPS

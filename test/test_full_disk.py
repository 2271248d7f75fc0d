"""A full disk is reported in one line, and what was written before can be read."""

from __future__ import annotations

import functools
import itertools
import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import time

from command_process import COMMAND
import pytest

from face_classification_ros.io.sample import FPS, sample_frames
from face_classification_ros.io.videos import VideoFile

TIMEOUT = 120
ROOM = 20_000
"""Maximum size of a file in bytes: the system refuses more, as on a full disk."""


@pytest.fixture(scope='module')
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a video of six seconds."""
    path = tmp_path_factory.mktemp('film') / 'film.mp4'
    video = VideoFile(path, FPS)
    for frame in itertools.islice(sample_frames(), 6 * FPS):
        video.write(frame)
    video.close()
    return path


def run(*arguments: object, room: int = ROOM) -> subprocess.CompletedProcess[str]:
    """Run `face_classification` where no file can grow beyond `room` bytes.

    Python writes no byte code, which would be truncated, too, and read by other processes.
    """
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        env={**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        preexec_fn=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room)),
    )


def complete_lines(path: Path) -> list[dict]:
    """Return the records of a file .jsonl, without a last line that was cut off."""
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith('\n')]


def assert_reported(done: subprocess.CompletedProcess[str], path: Path) -> None:
    """Check that the command failed, and that its last line names the file without room.

    FFmpeg and TensorFlow may print lines before.
    """
    assert done.returncode == 2, done.stderr
    assert 'Traceback' not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith('face_classification: ')
    assert str(path) in line


def test_results_without_room_are_reported(film: Path, tmp_path: Path) -> None:
    """All lines that were written before can be read."""
    path = tmp_path / 'faces.jsonl'
    done = run('classify', film, '--json', path)
    assert_reported(done, path)
    records = complete_lines(path)
    assert [each['frame'] for each in records] == list(range(len(records)))
    assert 5 < len(records) < 6 * FPS


def test_an_array_without_room_is_reported(film: Path, tmp_path: Path) -> None:
    """The array has no end, and the error has the path of the file."""
    path = tmp_path / 'faces.json'
    assert_reported(run('classify', film, '--json', path), path)


def test_an_annotated_video_without_room_is_reported(film: Path, tmp_path: Path) -> None:
    """Even though OpenCV does not report it; the results next to it are complete."""
    path = tmp_path / 'faces.json'
    done = run('classify', film, '--output', tmp_path / 'out', '--json', path, room=200_000)
    assert_reported(done, tmp_path / 'out' / 'film.mp4')
    assert len(json.loads(path.read_text())) == 6 * FPS


def test_an_annotated_image_without_room_is_reported(tmp_path: Path) -> None:
    """The error has the path of the image."""
    image = tmp_path / 'crowd.ppm'
    header = b'P6 640 480 255 '
    image.write_bytes(header + next(sample_frames()).tobytes())
    done = run('classify', image, '--output', tmp_path / 'out')
    assert_reported(done, tmp_path / 'out' / 'crowd.ppm')


def test_a_recorded_replay_without_room_is_reported(film: Path, tmp_path: Path) -> None:
    """All lines that were written before can be read, and other files are not changed."""
    pytest.importorskip('rosbags', reason='needs the extra [replay]')
    other = tmp_path / 'other.json'
    other.write_text('[1]')
    path = tmp_path / 'faces.jsonl'
    done = run('replay', film, '--offline', '--record', path)
    assert_reported(done, path)
    assert len(complete_lines(path)) > 5
    assert other.read_text() == '[1]'


def test_a_recording_without_room_is_reported(film: Path, tmp_path: Path) -> None:
    """The folder of the new recording is named."""
    pytest.importorskip('rosbags', reason='needs the extra [replay]')
    done = run('replay', film, '--offline', '--record', tmp_path / 'recorded')
    assert_reported(done, tmp_path / 'recorded')


def test_a_report_without_room_is_reported(tmp_path: Path) -> None:
    """Other sub-commands report it, too."""
    pytest.importorskip('tensorflow')
    path = tmp_path / 'networks.json'
    assert_reported(run('networks', 'mini_xception', '--json', path, room=100), path)


def test_results_of_a_killed_run_can_be_read(film: Path, tmp_path: Path) -> None:
    """Each line is complete when the next one is written."""
    path = tmp_path / 'faces.jsonl'
    with subprocess.Popen(
        [COMMAND, 'classify', film, '--json', path], stdout=subprocess.DEVNULL
    ) as process:
        end = time.monotonic() + TIMEOUT
        while not (path.is_file() and path.stat().st_size > ROOM) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert len(complete_lines(path)) > 5


def test_results_can_go_through_a_pipe(film: Path, tmp_path: Path) -> None:
    """Another program reads them as they come, as one complete array."""
    path = tmp_path / 'faces'
    os.mkfifo(path)
    with subprocess.Popen(
        [COMMAND, 'classify', film, '--json', path], stdout=subprocess.DEVNULL
    ) as process:
        records = json.loads(path.read_text())
    assert process.returncode == 0
    assert len(records) == 6 * FPS

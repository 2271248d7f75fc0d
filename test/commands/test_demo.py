"""`face_classification demo`, as a user runs it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import re
import shlex
import signal
import socket
import subprocess
import time

from command_process import COMMAND, run, write_frames, write_video
import cv2
import numpy as np
import pytest
from ros_peers import Peer, read_line

from face_classification_ros.commands.main import create_parser
from face_classification_ros.msg import FaceAttributesArray

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_domain(domain: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the topics of another demo on this machine away."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))


def test_the_demo_of_a_video_writes_its_results(tmp_path: Path) -> None:
    """A short video through the real node: the faces, a contact sheet and an annotated video."""
    write_video(tmp_path / 'walk.mp4', 30)
    result = run('demo', '--video', tmp_path / 'walk.mp4', '--output', tmp_path / 'demo')
    assert result.returncode == 0, result.stderr
    records = json.loads((tmp_path / 'demo' / 'faces.json').read_text())
    assert any(record['faces'] for record in records)
    assert cv2.imread(str(tmp_path / 'demo' / 'contact_sheet.png')) is not None
    video = cv2.VideoCapture(str(tmp_path / 'demo' / 'annotated.mp4'))
    assert video.read()[0]
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(10)


def test_a_demo_stops_after_its_seconds(tmp_path: Path) -> None:
    """Two of thirty seconds of a video; the results are written."""
    write_video(tmp_path / 'walk.mp4', 300)
    video = ['--video', tmp_path / 'walk.mp4']
    result = run('demo', *video, '--seconds', '2', '--output', tmp_path / 'demo')
    assert result.returncode == 0, result.stderr
    assert 0 < len(json.loads((tmp_path / 'demo' / 'faces.json').read_text())) < 300
    assert cv2.imread(str(tmp_path / 'demo' / 'contact_sheet.png')) is not None


@pytest.mark.parametrize('variables', [['VIEW=1'], ['VIDEO=walk.mp4'], []])
def test_make_demo_gives_options_that_belong_together(variables: list[str]) -> None:
    """The page of VIEW=1 has no folder of results."""
    make = ['make', '--dry-run', 'demo', *variables]
    printed = subprocess.run(make, capture_output=True, text=True, cwd=ROOT, check=True).stdout
    (line,) = re.findall('face_classification (demo .*)', printed.replace('\\\n', ' '))
    arguments = create_parser().parse_args(shlex.split(line))
    assert arguments.view == ('VIEW=1' in variables)
    assert not (arguments.view and arguments.output)


def test_a_demo_without_a_face_returns_1(tmp_path: Path) -> None:
    """It ran, and the result is negative."""
    write_frames(tmp_path / 'gray.mp4', [np.full((240, 320, 3), 128, np.uint8)] * 10)
    result = run('demo', '--video', tmp_path / 'gray.mp4', '--output', tmp_path / 'demo')
    assert result.returncode == 1, result.stderr


def test_a_demo_of_a_missing_video_returns_2(tmp_path: Path) -> None:
    """The file is named."""
    result = run('demo', '--video', '/nowhere.mp4', '--output', tmp_path)
    assert result.returncode == 2
    assert '/nowhere.mp4' in result.stderr
    assert 'Traceback' not in result.stderr


def programs_of(demo: subprocess.Popen[str]) -> dict[str, bytes]:
    """Return the process numbers of a demo's processes, with their command lines."""
    children = Path(f'/proc/{demo.pid}/task/{demo.pid}/children').read_text().split()
    return {child: Path(f'/proc/{child}/cmdline').read_bytes() for child in children}


@contextmanager
def running_demo(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    """Start a demo; yield it and its processes by name, after its first line about a frame."""
    write_video(folder / 'walk.mp4', 300)
    command = [COMMAND, 'demo', '--video', str(folder / 'walk.mp4')]
    command += ['--output', str(folder / 'demo')]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        assert read_line(demo.stdout), demo.communicate()[1]
        programs = programs_of(demo)
        yield (
            demo,
            {
                name: int(child)
                for child, program in programs.items()
                for name in ('node', 'camera')
                if f'face_classification_{name}\0'.encode() in program
            },
        )


def test_a_demo_whose_node_dies_returns_2(tmp_path: Path) -> None:
    """Faces that came before do not hide it."""
    with running_demo(tmp_path) as (demo, processes):
        os.kill(processes['node'], signal.SIGKILL)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 2, errors
    assert 'the node ended with exit code -9' in errors


def test_a_demo_does_not_wait_for_a_camera_that_hangs(tmp_path: Path) -> None:
    """It kills the camera and ends."""
    with running_demo(tmp_path) as (demo, processes):
        os.kill(processes['camera'], signal.SIGSTOP)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 2, errors
    assert 'camera' in errors.splitlines()[-1]
    assert not Path(f'/proc/{processes["camera"]}').exists()


@pytest.mark.parametrize(
    'content',
    [
        'ffconcat version 1.0\nfile walk.mp4\n',
        '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwalk.mp4\n#EXT-X-ENDLIST\n',
    ],
    ids=['concat', 'playlist'],
)
def test_a_demo_of_a_list_of_other_files_returns_2(tmp_path: Path, content: str) -> None:
    """The library FFmpeg would read whatever such a list names, on this machine or another."""
    write_video(tmp_path / 'walk.mp4', 3)
    (tmp_path / 'list.mp4').write_text(content)
    result = run('demo', '--video', tmp_path / 'list.mp4', '--output', tmp_path / 'demo')
    assert result.returncode == 2
    assert not (tmp_path / 'demo').exists()


def test_a_demo_of_an_address_returns_2(tmp_path: Path) -> None:
    """Nothing is read from the network."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.setblocking(False)
        address = f'http://127.0.0.1:{server.getsockname()[1]}/a.mp4'
        result = run('demo', '--video', address, '--output', tmp_path / 'demo')
        assert result.returncode == 2
        with pytest.raises(BlockingIOError):
            server.accept()


@contextmanager
def starting_demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a demo with a page, of a video of five frames, in a process group of its own."""
    pytest.importorskip('aiohttp', reason='needs the extra [view]')
    write_video(folder / 'walk.mp4', 5)
    command = [COMMAND, 'demo', '--view', '--no-browser', '--port', '0']
    with subprocess.Popen(
        [*command, '--video', str(folder / 'walk.mp4')],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    ) as demo:
        yield demo


@pytest.fixture
def live_demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a demo with a page, of a video of five frames; its first line has been read."""
    with starting_demo(tmp_path) as demo:
        assert demo.stdout is not None
        assert 'http://127.0.0.1:' in read_line(demo.stdout)
        yield demo
        demo.kill()


def test_a_live_demo_repeats_until_it_is_interrupted(
    live_demo: subprocess.Popen[str], domain: int, tmp_path: Path
) -> None:
    """There are more faces than frames, nothing is written, and the exit code is 0."""
    peer = Peer(domain)
    try:
        faces = peer.collect(FaceAttributesArray, '/demo/face_classification/faces')
        peer.wait_for(lambda: len(faces) > 12, 'faces')
    finally:
        peer.close()
    live_demo.send_signal(signal.SIGINT)
    _, errors = live_demo.communicate(timeout=60)
    assert live_demo.returncode == 0, errors
    assert [each.name for each in tmp_path.iterdir()] == ['walk.mp4']


def test_a_live_demo_stops_after_its_seconds(tmp_path: Path) -> None:
    """It serves the page for a second, and the exit code is 0."""
    pytest.importorskip('aiohttp', reason='needs the extra [view]')
    write_video(tmp_path / 'walk.mp4', 5)
    page = ['--view', '--no-browser', '--port', '0', '--seconds', '1']
    result = run('demo', *page, '--video', tmp_path / 'walk.mp4')
    assert result.returncode == 0, result.stderr
    assert 'http://127.0.0.1:' in result.stdout


@pytest.mark.parametrize('delay', [0.8, 1.2, 1.6])
def test_a_live_demo_that_is_terminated_while_it_starts_leaves_no_process(
    tmp_path: Path, delay: float
) -> None:
    """The signal is for the demo alone, which ends the node and the camera."""
    with starting_demo(tmp_path) as demo:
        time.sleep(delay)
        demo.terminate()
        _, errors = demo.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, signal.SIGKILL)
    assert 'Traceback' not in errors


@pytest.mark.parametrize('delay', [0.7, 0.8, 1.0, 1.3, 1.8])
def test_a_live_demo_is_interrupted_while_it_starts(tmp_path: Path, delay: float) -> None:
    """A terminal sends the signal to the node and the camera, too, which import libraries."""
    with starting_demo(tmp_path) as demo:
        time.sleep(delay)
        os.killpg(demo.pid, signal.SIGINT)
        try:
            _, errors = demo.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(demo.pid, signal.SIGKILL)
    assert demo.returncode in (0, 1), errors
    assert 'Traceback' not in errors


def test_a_live_demo_ends_its_processes_after_two_signals(
    live_demo: subprocess.Popen[str],
) -> None:
    """Whoever presses Ctrl+C twice leaves no node behind."""
    programs = programs_of(live_demo)
    assert len(programs) == 2
    live_demo.send_signal(signal.SIGINT)
    time.sleep(0.15)
    live_demo.send_signal(signal.SIGINT)
    live_demo.communicate(timeout=60)
    assert not [child for child in programs if Path(f'/proc/{child}').exists()]


def test_a_live_demo_whose_node_dies_returns_2(live_demo: subprocess.Popen[str]) -> None:
    """The page ends with it."""
    (node,) = (
        child
        for child, program in programs_of(live_demo).items()
        if b'face_classification_node\0' in program
    )
    os.kill(int(node), signal.SIGKILL)
    _, errors = live_demo.communicate(timeout=60)
    assert live_demo.returncode == 2, errors
    assert 'the node ended with exit code -9' in errors

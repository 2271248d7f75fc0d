"""Many files in parallel, as a user runs them: the results do not depend on who does the work."""

from collections.abc import Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import Any

from command_process import ASTRONAUT, COMMAND
import cv2
import numpy as np
import pytest

pytest.importorskip('distributed', reason='needs the extra [archive]')
pytest.importorskip('rosbags', reason='needs the extra [archive]')
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.io import parallel
from face_classification_ros.requirements import install_command

# Imported here, as ruff and ament_flake8 agree on no place above.
distributed = pytest.importorskip('distributed')
psutil = pytest.importorskip('psutil')

CLASSIFY = [COMMAND, 'classify']
TIMEOUT = 300
"""Seconds after which a test fails: far more than anything takes on a busy machine."""

HEAD = cv2.imread(str(ASTRONAUT))[20:220, 120:320]


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Classify in a process whose working directory is `folder`."""
    return subprocess.run(
        [*CLASSIFY, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


@contextmanager
def running(*arguments: object, folder: Path) -> Iterator[Any]:
    """Start the same in a process group of its own, which is killed after the block."""
    with psutil.Popen(
        [*CLASSIFY, *map(str, arguments)],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield command
        finally:
            if command.poll() is None:
                os.killpg(command.pid, signal.SIGKILL)


def user_of(path: Path, command: Any) -> Any:
    """Return the worker that has a file open now, or None."""
    for process in command.children(recursive=True):
        try:
            if any(Path(each.path) == path for each in process.open_files()):
                return process
        except (psutil.Error, OSError):
            # It ended in the meantime.
            continue
    return None


def wait_for_user(path: Path, command: Any) -> Any:
    """Wait until a worker has a file open, and return the worker."""
    limit = time.monotonic() + TIMEOUT
    while time.monotonic() < limit and command.poll() is None:
        process = user_of(path, command)
        if process is not None:
            return process
        time.sleep(0.005)
    pytest.fail(f'no worker opened {path}')


def write_images(folder: Path, count: int) -> None:
    """Write images of a face at different places."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f'{number}.png'), np.roll(HEAD, 5 * number, axis=1))


def write_video(path: Path, frames: int) -> None:
    """Write a video of a face that moves."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10, (200, 200))
    for number in range(frames):
        writer.write(np.roll(HEAD, number, axis=1))
    writer.release()


def write_bag(path: Path, topics: list[str]) -> None:
    """Record two images on each topic."""
    types = get_typestore(Stores.ROS2_JAZZY)
    time_of, header_of, message_of = (
        types.types[name]
        for name in (
            'builtin_interfaces/msg/Time',
            'std_msgs/msg/Header',
            'sensor_msgs/msg/CompressedImage',
        )
    )
    data = cv2.imencode('.jpg', HEAD)[1].ravel()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic in topics:
            connection = writer.add_connection(topic, message_of.__msgtype__, typestore=types)
            for number in (1, 2):
                header = header_of(stamp=time_of(sec=number, nanosec=250_000_000), frame_id='')
                message = message_of(header=header, format='jpeg', data=data)
                serialized = types.serialize_cdr(message, message.__msgtype__)
                writer.write(connection, number * 10**9, serialized)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with images, one of them broken, a video and a recording."""
    folder = tmp_path / 'files'
    write_images(folder / 'a', 10)
    (folder / 'a' / '3b.jpg').write_bytes(b'no image')
    write_video(folder / 'b.mp4', 8)
    write_bag(folder / 'c', ['/image'])
    write_images(folder / 'd', 2)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files below a folder."""
    return {
        str(each.relative_to(folder)): each.read_bytes()
        for each in sorted(folder.rglob('*'))
        if each.is_file()
    }


def test_workers_print_and_write_the_same_as_one_process(files: Path, tmp_path: Path) -> None:
    """Lines, JSON, annotated copies, problems and exit code are equal, and in the same order."""
    results = {}
    for name, options in {'serial': [], 'parallel': ['--workers', 2]}.items():
        output = tmp_path / name
        output.mkdir()
        arguments = ['files', '--json', output / 'a.json', '--output', output / 'copies']
        done = run(*arguments, *options, folder=tmp_path)
        results[name] = (done.returncode, done.stdout, done.stderr, contents(output))
    assert results['serial'][0] == 2, results['serial'][2]
    (line,) = results['serial'][2].splitlines()
    assert line.startswith('face_classification: files/a/3b.jpg ')
    assert len(results['serial'][3]) == 15
    assert results['parallel'] == results['serial']


def test_a_recording_is_classified_like_a_video(files: Path, tmp_path: Path) -> None:
    """Frames are numbered, stamps are those of the headers, the copy is a video."""
    done = run(files / 'c', '--json', 'a.json', '--output', 'copies', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json.loads((tmp_path / 'a.json').read_text())
    assert [(each['frame'], each['stamp']) for each in records] == [(0, 1.25), (1, 2.25)]
    assert all(len(each['faces']) == 1 for each in records)
    copy = cv2.VideoCapture(str(tmp_path / 'copies' / 'c.mp4'))
    assert int(copy.get(cv2.CAP_PROP_FRAME_COUNT)) == 2


def test_a_truncated_recording_is_reported_and_the_others_are_classified(
    files: Path, tmp_path: Path
) -> None:
    """Exit code 2 and one line."""
    (file,) = (files / 'c').glob('*.mcap')
    (tmp_path / 'cut.mcap').write_bytes(file.read_bytes()[:-100])
    done = run('cut.mcap', 'files/c', folder=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith('face_classification: cut.mcap ')
    assert len(done.stdout.splitlines()) == 2


def test_a_topic_is_chosen_by_its_name(tmp_path: Path) -> None:
    """A recording with two topics needs it; a topic that does not exist is reported."""
    write_bag(tmp_path / 'two', ['/left', '/right'])
    none, left, up = (
        run('two', *options, folder=tmp_path)
        for options in ([], ['--topic', '/left'], ['--topic', '/up'])
    )
    assert (none.returncode, left.returncode, up.returncode) == (2, 0, 2)
    assert len(left.stdout.splitlines()) == 2
    for done in (none, up):
        assert '/left, /right' in done.stderr
    assert '/up' in up.stderr


def test_the_files_of_a_killed_worker_are_done_again(tmp_path: Path) -> None:
    """A worker is killed in the middle of a video: nothing is missing or reported."""
    write_video(tmp_path / 'walk.mp4', 150)
    arguments = ['walk.mp4', '--workers', 2, '--json', 'a.json', '--output', 'copies']
    copy = tmp_path / 'copies' / 'walk.mp4'
    with running(*arguments, folder=tmp_path) as command:
        wait_for_user(copy, command).kill()
        _, errors = command.communicate(timeout=TIMEOUT)
    assert (command.returncode, errors) == (0, '')
    records = json.loads((tmp_path / 'a.json').read_text())
    assert [record['frame'] for record in records] == list(range(150))
    assert cv2.VideoCapture(str(copy)).get(cv2.CAP_PROP_FRAME_COUNT) == 150


def test_a_file_that_kills_every_worker_is_skipped(tmp_path: Path) -> None:
    """Whichever worker writes its annotated copy is killed, four times."""
    write_images(tmp_path, 3)
    write_video(tmp_path / 'bad.mp4', 300)
    copy = tmp_path / 'copies' / 'bad.mp4'
    killed = set()
    arguments = ['0.png', 'bad.mp4', '1.png', '2.png', '--workers', 2, '--json', 'a.json']
    arguments += ['--output', 'copies']
    with running(*arguments, folder=tmp_path) as command:

        def kill_writers() -> None:
            while command.poll() is None:
                writer = user_of(copy, command)
                if writer is not None:
                    killed.add(writer.pid)
                    writer.kill()
                time.sleep(0.01)

        killer = threading.Thread(target=kill_writers)
        killer.start()
        _, errors = command.communicate(timeout=TIMEOUT)
        killer.join()
    assert command.returncode == 2, errors
    (line,) = errors.splitlines()
    assert line.startswith('face_classification: bad.mp4 ')
    assert len(killed) == 4
    records = json.loads((tmp_path / 'a.json').read_text())
    assert [record['file'] for record in records] == ['0.png', '1.png', '2.png']


@pytest.fixture
def interrupted(tmp_path: Path) -> tuple[Any, str, list[Any], list[Any]]:
    """Interrupt parallel work; return the process, its stderr, its sockets and its workers."""
    write_video(tmp_path / 'walk.mp4', 1000)
    arguments = ['walk.mp4', '--workers', 2, '--output', 'copies', '--json', 'a.json']
    with running(*arguments, folder=tmp_path) as command:
        wait_for_user(tmp_path / 'copies' / 'walk.mp4', command)
        processes = [psutil.Process(command.pid), *command.children(recursive=True)]
        sockets = [
            each
            for process in processes
            for each in process.net_connections(kind='inet')
            # A bound socket without another end accepts connections.
            if not each.raddr
        ]
        os.killpg(command.pid, signal.SIGINT)
        _, errors = command.communicate(timeout=TIMEOUT)
    return command, errors, sockets, processes


def test_parallel_work_is_local_and_ends_with_ctrl_c(
    interrupted: tuple[Any, str, list[Any], list[Any]], tmp_path: Path
) -> None:
    """All sockets are bound to the loopback, no process is left, and the JSON is complete."""
    command, errors, sockets, processes = interrupted
    assert len(sockets) >= 3
    assert {each.laddr.ip for each in sockets} == {'127.0.0.1'}
    assert command.returncode == 1
    assert errors.count('\n') == 1
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive
    assert json.loads((tmp_path / 'a.json').read_text()) == []


def test_workers_of_a_running_cluster_share_the_files(files: Path, tmp_path: Path) -> None:
    """They run in another folder, yet find relative paths and return the same results."""
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        host='127.0.0.1',
        dashboard_address='127.0.0.1:0',
        local_directory=str(tmp_path / 'scratch'),
    ) as cluster:
        options = ['--cluster', cluster.scheduler_address, '--json', 'cluster.json']
        done = run('files/a', *options, '--output', 'copies', folder=tmp_path)
    serial = run('files/a', '--json', 'serial.json', '--output', 'serial', folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, serial.stdout, serial.stderr)
    assert (tmp_path / 'cluster.json').read_text() == (tmp_path / 'serial.json').read_text()
    assert contents(tmp_path / 'copies') == contents(tmp_path / 'serial')


@pytest.mark.parametrize(
    ('options', 'problem'),
    [
        (['--workers', '0'], '0'),
        (['--cluster', 'nonsense'], "'nonsense'"),
        (['--workers', '2', '--cluster', 'tcp://127.0.0.1:1'], '--cluster'),
        (['--workers', '2', '--models', 'none'], "'none'"),
        (['--workers', '2', '--detection-threshold', '7'], '--detection-threshold'),
    ],
)
def test_wrong_use_is_reported_before_any_work(
    options: list[str], problem: str, tmp_path: Path
) -> None:
    """Exit code 2 and one line."""
    write_images(tmp_path, 1)
    done = run('0.png', *options, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, '')
    (line,) = done.stderr.splitlines()
    assert problem in line


def test_a_scheduler_that_does_not_respond_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens on port 1; the wait for a late scheduler is shortened here."""
    monkeypatch.setattr(parallel, 'CONNECTION_TIMEOUT', 0.5)
    with (
        pytest.raises(OSError, match=r'127\.0\.0\.1:1'),
        parallel.running_workers('tcp://127.0.0.1:1'),
    ):
        pass


@pytest.mark.parametrize(
    ('package', 'arguments'),
    [('distributed', ['0.png', '--workers', '2']), ('rosbags', ['bag'])],
)
def test_a_missing_extra_is_named(package: str, arguments: list[str], tmp_path: Path) -> None:
    """The line shows what to install."""
    write_images(tmp_path, 1)
    write_bag(tmp_path / 'bag', ['/image'])
    program = (
        f'import sys; sys.modules[{package!r}] = None; '
        'from face_classification_ros.commands.main import main; sys.exit(main(sys.argv[1:]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', program, 'classify', *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert install_command([package]) in done.stderr

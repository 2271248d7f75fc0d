"""A node that stops responding ends, so that `ros2 launch` starts it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest
from ros_peers import Camera, HEAD, image_message, Peer, TIMEOUT

# A node that never returns from an image, as one that waits for a lock in shared memory. `PyDLL`
# keeps Python's global lock, so that no other thread of Python runs either.
NODE = """
import ctypes, sys, time
from face_classification_ros.ros.node import main, watchdog
from face_classification_ros.ros.node.frame_processor import FrameProcessor

def never_return(*arguments):
    print('stuck', flush=True)
    if 'with_global_lock' in sys.argv:
        ctypes.PyDLL(None).sleep(1000)
    time.sleep(1000)

watchdog.STALL_TIME = float(sys.argv[1])
if sys.argv[2] != 'responsive':
    FrameProcessor.process = never_return
sys.exit(main.main([]))
"""


class Process:
    """The node in a process, with its log in a file."""

    def __init__(self, domain: int, folder: Path, stall_time: float, kind: str) -> None:
        """Start the node."""
        self._log = folder / 'node.log'
        with self._log.open('w') as file:
            self.popen = subprocess.Popen(
                [sys.executable, '-c', NODE, str(stall_time), kind],
                env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(folder)},
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )

    @property
    def log(self) -> str:
        """What the node has printed."""
        return self._log.read_text()


StartNode = Callable[[float, str], Process]


@pytest.fixture
def start_process(domain: int, peer: Peer, tmp_path: Path) -> Iterator[StartNode]:
    """Return a function that starts a node, and returns when it has received an image."""
    processes: list[Process] = []
    camera = Camera(peer)

    def start(stall_time: float, kind: str) -> Process:
        process = Process(domain, tmp_path, stall_time, kind)
        processes.append(process)
        peer.wait_for(lambda: camera.matches() or process.popen.poll() is not None, 'a node')

        def is_ready() -> bool:
            camera.publish(image_message(HEAD))
            return bool(camera.results) if kind == 'responsive' else 'stuck' in process.log

        peer.wait_for(is_ready, process.log)
        return process

    yield start
    for each in processes:
        each.popen.kill()
        each.popen.wait()


@pytest.mark.parametrize('kind', ['with_global_lock', 'without_global_lock'])
def test_stuck_node_ends(start_process: StartNode, kind: str) -> None:
    """With exit code 1 and the stacks of all threads, also if no code of Python can run."""
    process = start_process(4.0, kind)
    assert process.popen.wait(TIMEOUT) == 1
    assert 'never_return' in process.log


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_stuck_node(start_process: StartNode, how: signal.Signals) -> None:
    """Although its main thread waits for something that never happens."""
    process = start_process(1000.0, 'without_global_lock')
    process.popen.send_signal(how)
    assert process.popen.wait(TIMEOUT) == 1
    assert 'never_return' in process.log


def test_node_without_images_is_not_stuck(start_process: StartNode) -> None:
    """Its timer still runs, and a signal ends it as usual."""
    process = start_process(4.0, 'responsive')
    time.sleep(10)
    assert process.popen.poll() is None, process.log
    process.popen.send_signal(signal.SIGTERM)
    assert process.popen.wait(TIMEOUT) == 0, process.log

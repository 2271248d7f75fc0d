"""Signals after the first one change nothing: a terminal and `ros2 launch` both send one."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from command_process import COMMAND, write_video
import pytest
from ros_peers import NodeProcess, Peer, RELIABLE, TIMEOUT, wait_until_active
from sensor_msgs.msg import Image as ImageMessage

CAMERA = Path(sys.executable).parent / 'face_classification_camera'

StartNode = Callable[..., NodeProcess]

DELAYS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.35, 0.5)
"""Seconds between the two signals."""


@pytest.mark.parametrize('second', [signal.SIGINT, signal.SIGTERM])
def test_second_signal_does_not_disturb_the_end_of_nodes(
    start_node: StartNode, domain: int, second: signal.Signals
) -> None:
    """Several active nodes get both signals: all exit codes are 0, without a traceback."""
    nodes = [
        start_node('-r', f'__ns:=/camera_{number}', until_active=False)
        for number in range(len(DELAYS))
    ]
    for node in nodes:
        wait_until_active(node, domain)
    start = time.monotonic()
    for node in nodes:
        node.send(signal.SIGINT)
    for node, delay in zip(nodes, DELAYS, strict=True):
        time.sleep(max(0.0, start + delay - time.monotonic()))
        node.send(second)
    assert [node.wait() for node in nodes] == [0] * len(nodes), [each.log for each in nodes]
    assert [node.errors for node in nodes] == [[]] * len(nodes)


@pytest.mark.parametrize('delay', [0.0, 0.1, 0.5])
def test_second_signal_does_not_disturb_the_end_of_the_camera(
    domain: int, peer: Peer, tmp_path: Path, delay: float
) -> None:
    """It ends while it publishes a video."""
    write_video(tmp_path / 'walk.mp4', 300)
    images = peer.collect(ImageMessage, '/image', RELIABLE)
    with subprocess.Popen(
        [CAMERA, tmp_path / 'walk.mp4'],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain)},
        stderr=subprocess.PIPE,
        text=True,
    ) as camera:
        peer.wait_for(lambda: images, 'an image')
        camera.send_signal(signal.SIGINT)
        time.sleep(delay)
        camera.send_signal(signal.SIGINT)
        _, errors = camera.communicate(timeout=TIMEOUT)
    assert camera.returncode == 0, errors
    assert 'Traceback' not in errors


@pytest.mark.parametrize('delay', [0.02, 0.25])
def test_second_signal_does_not_disturb_the_end_of_a_demo(
    domain: int, tmp_path: Path, delay: float
) -> None:
    """A terminal sends both to the demo, its node and its camera; the results are written."""
    write_video(tmp_path / 'walk.mp4', 300)
    with subprocess.Popen(
        [COMMAND, 'demo', '--video', tmp_path / 'walk.mp4', '--output', tmp_path / 'demo'],
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'PYTHONUNBUFFERED': '1'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        while '%' not in demo.stdout.readline():
            assert demo.poll() is None
        os.killpg(demo.pid, signal.SIGINT)
        time.sleep(delay)
        os.killpg(demo.pid, signal.SIGINT)
        _, errors = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, errors
    assert 'Traceback' not in errors
    assert (tmp_path / 'demo' / 'faces.json').exists()

"""Provide the fixtures of all tests: a ROS domain, the node as a process, and its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import fcntl
import itertools
import os
from pathlib import Path
import signal
import tempfile
from typing import Any

import pytest
from ros_peers import Camera, NodeProcess, Peer, wait_until_active

DOMAINS = 100
_candidates = itertools.cycle(
    [(os.getpid() * 37 + number) % DOMAINS + 1 for number in range(DOMAINS)]
)

# No packet leaves the loopback, also of processes that a test starts itself.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

# A job in the background of a shell ignores Ctrl+C, and so would every process that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


@contextmanager
def reserved_domain() -> Iterator[int]:
    """Return a ROS_DOMAIN_ID that no other test on this machine uses."""
    folder = Path(tempfile.gettempdir(), f'face_classification_domains_{os.getuid()}')
    folder.mkdir(exist_ok=True)
    for number in itertools.islice(_candidates, DOMAINS):
        with (folder / str(number)).open('w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    pytest.fail(f'all {DOMAINS} ROS domains are used by other tests')


@contextmanager
def running_nodes(domain: int, folder: Path) -> Iterator[StartNode]:
    """Return a function that starts the node with ROS arguments and waits until it is ready.

    A node is ready when it is active. Each node that still runs at the end must stop at SIGINT,
    and none may print a traceback.
    """
    nodes: list[NodeProcess] = []

    def start(*arguments: str, until_active: bool = True) -> NodeProcess:
        node = NodeProcess(folder / f'node_{len(nodes)}.log', domain, arguments)
        nodes.append(node)
        if until_active:
            same = [each for each in nodes if each.running and each.full_name == node.full_name]
            wait_until_active(node, domain, len(same))
        return node

    try:
        yield start
        codes = [node.stop() for node in nodes if node.running]
    finally:
        for node in nodes:
            node.kill()
    logs = '\n'.join(node.log for node in nodes)
    assert not any(codes), f'exit codes {codes}:\n{logs}'
    assert 'Traceback' not in logs, logs


@pytest.fixture
def domain() -> Iterator[int]:
    """Return a ROS_DOMAIN_ID that only this test uses."""
    with reserved_domain() as number:
        yield number


@pytest.fixture
def start_node(domain: int, tmp_path: Path) -> Iterator[StartNode]:
    """Return a function that starts the node, see `running_nodes`."""
    with running_nodes(domain, tmp_path) as start:
        yield start


@pytest.fixture
def peer(domain: int) -> Iterator[Peer]:
    """Return a node of the test, in the domain of the node under test."""
    peer = Peer(domain)
    yield peer
    peer.close()


@pytest.fixture
def camera(start_node: StartNode, peer: Peer) -> Camera:
    """Return a camera that is connected to a node with default parameters."""
    start_node()
    camera = Camera(peer)
    camera.connect()
    return camera


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Return a function that writes a model file, see `write_brightness_model`."""
    pytest.importorskip('onnx', reason='models are written with the Python package onnx')
    from brightness_model import write_brightness_model

    def make(
        labels: Mapping[str, Sequence[str]], *, name: str = 'brightness.onnx', **options: Any
    ) -> Path:
        path = tmp_path / name
        write_brightness_model(path, labels, **options)
        return path

    return make

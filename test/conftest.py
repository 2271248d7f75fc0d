"""Provide the fixtures of all tests: a ROS domain, the node as a process, and its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
import fcntl
import itertools
import json
import os
from pathlib import Path
import tempfile

import numpy as np
import pytest
from ros_peers import Camera, NodeProcess, Peer, wait_until_active

DOMAINS = 100
_candidates = itertools.cycle(
    [(os.getpid() * 37 + number) % DOMAINS + 1 for number in range(DOMAINS)]
)

# No packet leaves the loopback, also of processes that a test starts itself.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

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
    """Return a function that writes a model file with known predictions.

    The probability of the first label is the mean brightness of the crop, 0 to 1; the others have
    equal parts of the rest.
    """
    onnx = pytest.importorskip('onnx', reason='makes its models with the Python package onnx')
    helper, kinds, numpy_helper = onnx.helper, onnx.TensorProto, onnx.numpy_helper

    def make(
        labels: Mapping[str, Sequence[str]],
        *,
        name: str = 'brightness.onnx',
        shape: Sequence[int | str] = ('faces_count', 16, 16, 1),
        kind: int = kinds.UINT8,
        thresholds: Mapping[str, float] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Path:
        operators = [
            helper.make_node('Cast', ['faces'], ['values'], to=kinds.FLOAT),
            helper.make_node('ReduceMean', ['values'], ['mean'], axes=[1, 2, 3], keepdims=0),
            helper.make_node('Div', ['mean', 'white'], ['brightness']),
            helper.make_node('Reshape', ['brightness', 'column'], ['first']),
        ]
        constants = {'white': np.array(255, np.float32), 'column': np.array([-1, 1])}
        for attribute, names in labels.items():
            rest = 1 / max(1, len(names) - 1)
            constants[f'{attribute}_factors'] = np.array(
                [[1] + [-rest] * (len(names) - 1)], np.float32
            )
            constants[f'{attribute}_offsets'] = np.array(
                [0] + [rest] * (len(names) - 1), np.float32
            )
            operators += [
                helper.make_node('MatMul', ['first', f'{attribute}_factors'], [f'{attribute}_m']),
                helper.make_node('Add', [f'{attribute}_m', f'{attribute}_offsets'], [attribute]),
            ]
        graph = helper.make_graph(
            operators,
            'brightness',
            [helper.make_tensor_value_info('faces', kind, list(shape))],
            [
                helper.make_tensor_value_info(attribute, kinds.FLOAT, [None, len(names)])
                for attribute, names in labels.items()
            ],
            [numpy_helper.from_array(v, k) for k, v in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
        if metadata is None:
            content = {attribute: list(names) for attribute, names in labels.items()}
            metadata = {
                'labels': json.dumps(content),
                'color': 'gray',
                'margin': '0.0',
                'thresholds': json.dumps(dict.fromkeys(labels, 0.5) | dict(thresholds or {})),
            }
        helper.set_model_props(model, dict(metadata))
        path = tmp_path / name
        onnx.save(model, str(path))
        return path

    return make

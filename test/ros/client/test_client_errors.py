"""What the client does if the node is missing, inactive or killed, and when ROS ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
import os
from pathlib import Path
import subprocess
import sys
import time

from lifecycle_msgs.srv import GetState
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.task import Future
from ros_peers import NodeProcess, Peer, TIMEOUT

from face_classification_ros.ros.client import (
    ClientClosedError,
    FaceClient,
    FaceClientError,
    RequestRejectedError,
    ResponseTimeoutError,
    ServerUnavailableError,
)
from face_classification_ros.ros.client.service_client import NodeClient
from face_classification_ros.ros.processes import LOCK_LIMIT

NODE = '/face_classification'

StartNode = Callable[..., NodeProcess]


@contextmanager
def behavior_node(domain: int, namespace: str = '/') -> Iterator[Node]:
    """Return a node of a behavior, in a context of its own that is shut down afterwards."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node('behavior', namespace=namespace, context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        context.try_shutdown()


def test_relative_name_is_resolved_in_the_namespace_of_the_behavior(
    start_node: StartNode, domain: int
) -> None:
    """A behavior in the namespace of a robot calls the node of that robot."""
    start_node('-r', '__ns:=/robot/head_cam')
    with behavior_node(domain, '/robot') as node:
        name = 'head_cam/face_classification'
        with FaceClient(name, node=node, server_timeout=TIMEOUT) as client:
            assert client.node_name == '/robot/head_cam/face_classification'
            assert client.state() == 'active'


@pytest.mark.parametrize(
    'name, call',
    [
        ('get_faces', FaceClient.get_faces),
        ('observe', FaceClient.observe),
        ('get_state', FaceClient.state),
    ],
)
def test_missing_node_is_unavailable(
    name: str, call: Callable[[FaceClient], object], peer: Peer
) -> None:
    """The error names the service or action."""
    with (
        FaceClient(NODE, node=peer.node, server_timeout=0.5) as client,
        pytest.raises(ServerUnavailableError) as caught,
    ):
        call(client)
    error = caught.value
    assert (error.server, error.node_state, error.alternatives) == (f'{NODE}/{name}', '', ())


@pytest.mark.parametrize('name', ['/face classification', '', '/', 'a//b', 5])
def test_invalid_name_of_the_node_is_a_value_error(name: str, domain: int) -> None:
    """Of one line, before the client joins ROS."""
    with pytest.raises(ValueError, match='node_name') as caught:
        FaceClient(name)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'name, call',
    [
        ('max_age', lambda client: client.get_faces('x')),
        ('timeout', lambda client: client.get_faces(timeout=None)),
        ('min_confidence', lambda client: client.get_faces(min_confidence=1e300)),
        ('timeout', lambda client: client.wait_for_face('x')),
        ('duration', lambda client: client.observe(duration='x')),
        ('duration', lambda client: client.observe(duration=-1)),
        ('timeout', lambda client: client.observe(timeout='x')),
        ('window', lambda client: client.count_people('x')),
        ('image', lambda client: client.classify_image('group.jpg')),
        ('timeout', lambda client: client.classify_image(b'', timeout='x')),
        ('on', lambda client: client.enable('x')),
        ('looking', lambda client: client.get_faces(looking='x')),
        ('looking', lambda client: client.wait_for_face(1.0, looking='x')),
    ],
)
def test_invalid_argument_is_a_value_error(
    name: str, call: Callable[[FaceClient], object], peer: Peer
) -> None:
    """It names the argument, and nothing is sent."""
    with (
        FaceClient(NODE, node=peer.node, server_timeout=0.1) as client,
        pytest.raises(ValueError, match=name),
    ):
        call(client)


def test_text_of_unavailable_names_server_and_node(peer: Peer) -> None:
    """The error names the node that must be started."""
    with (
        FaceClient('/nowhere', node=peer.node, server_timeout=0.1) as client,
        pytest.raises(ServerUnavailableError) as caught,
    ):
        client.get_faces()
    text = '/nowhere/get_faces is not available: there is no node /nowhere'
    assert str(caught.value) == text


def test_nodes_of_other_names_are_suggested(start_node: StartNode, peer: Peer) -> None:
    """The error of a client without the namespace lists the node that has one."""
    start_node('-r', '__ns:=/head_cam')
    alternatives: tuple[str, ...] = ()
    end = time.monotonic() + TIMEOUT
    with FaceClient(NODE, node=peer.node, server_timeout=0.5) as client:
        # Discovery may take longer than the timeout of the client.
        while not alternatives and time.monotonic() < end:
            with pytest.raises(ServerUnavailableError) as caught:
                client.count_people(1.0)
            alternatives = caught.value.alternatives
    assert alternatives == ('/head_cam/face_classification',)


def test_inactive_node_rejects_queries(start_node: StartNode, peer: Peer) -> None:
    """Services exist in every state; the state can be read."""
    start_node('-p', 'autostart:=false', until_active=False)
    with FaceClient(NODE, node=peer.node, server_timeout=TIMEOUT) as client:
        with pytest.raises(RequestRejectedError) as caught:
            client.get_faces()
        assert caught.value.server == f'{NODE}/get_faces'
        assert (caught.value.code, caught.value.reason) == (
            'unconfigured',
            'the node is unconfigured',
        )
        assert client.state() == 'unconfigured'


def test_observation_of_a_killed_node_times_out(start_node: StartNode, peer: Peer) -> None:
    """Neither canceling nor waiting for the result blocks for longer than its timeout."""
    node = start_node()
    with FaceClient(NODE, node=peer.node, server_timeout=TIMEOUT) as client:
        handle = client.start_observation(duration=TIMEOUT)
        node.kill()
        handle.cancel()
        with pytest.raises(ResponseTimeoutError) as caught:
            handle.result(1.0)
    assert (caught.value.server, caught.value.timeout) == (f'{NODE}/observe', 1.0)
    # Fast DDS needs this long to give up what the killed process may have locked.
    time.sleep(LOCK_LIMIT)


def test_closing_ends_calls_that_wait(start_node: StartNode, domain: int) -> None:
    """A call in another thread raises, and so does every later call."""
    start_node()
    with behavior_node(domain) as node, ThreadPoolExecutor(1) as pool:
        client = FaceClient(NODE, node=node, server_timeout=TIMEOUT)
        assert client.state() == 'active'
        waiting = pool.submit(client.get_faces, 0, TIMEOUT)
        time.sleep(0.3)
        client.close()
        assert isinstance(waiting.exception(TIMEOUT), ClientClosedError)
        with pytest.raises(ClientClosedError):
            client.get_faces()
        client.close()


def test_shutdown_of_ros_ends_calls_that_wait(start_node: StartNode, domain: int) -> None:
    """A client that is not closed does not block when its context ends."""
    start_node()
    with ThreadPoolExecutor(1) as pool:
        with behavior_node(domain) as node:
            client = FaceClient(NODE, node=node, server_timeout=TIMEOUT)
            assert client.state() == 'active'
            waiting = pool.submit(client.get_faces, 0, TIMEOUT)
            time.sleep(0.3)
        assert isinstance(waiting.exception(TIMEOUT), ClientClosedError)
        with pytest.raises(ClientClosedError):
            client.get_faces()
        client.close()


@pytest.mark.filterwarnings('ignore::pytest.PytestUnhandledThreadExceptionWarning')
def test_error_in_the_thread_of_a_client_ends_calls_that_wait(domain: int) -> None:
    """They raise at once instead of after their timeout, and so does every later call."""
    with behavior_node(domain) as node:
        client = NodeClient(NODE, node, TIMEOUT)
        with pytest.raises(ZeroDivisionError):
            client.in_executor(lambda: 1 / 0)
        with pytest.raises(ClientClosedError):
            client.wait(Future(), TIMEOUT)
        with pytest.raises(ClientClosedError):
            client.call(GetState, 'get_state', GetState.Request())
        client.close()


@pytest.mark.parametrize(
    'error',
    [
        ClientClosedError('the client was closed'),
        RequestRejectedError('/n/get_faces', 'inactive', 'the node is inactive'),
        ResponseTimeoutError('/n/get_faces', 2.0),
        ServerUnavailableError('/n/get_faces', 'there is no node /n'),
    ],
)
def test_all_errors_are_of_one_type_and_one_line(error: Exception) -> None:
    """A behavior can catch them all, and log them."""
    assert isinstance(error, FaceClientError)
    assert str(error) and '\n' not in str(error)


def test_timeout_is_also_an_error_of_python() -> None:
    """Code that knows nothing of this package can catch it."""
    assert issubclass(ResponseTimeoutError, TimeoutError)


PROGRAM = """
from face_classification_ros.ros.client import FaceClient

client = FaceClient(server_timeout=60.0)
print(client.state())
"""


def test_script_need_not_start_ros_or_close_the_client(
    start_node: StartNode, domain: int, tmp_path: Path
) -> None:
    """It exits with 0 and prints no error."""
    start_node()
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
        cwd=tmp_path,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, 'active\n', '')

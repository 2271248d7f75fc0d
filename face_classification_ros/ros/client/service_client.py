"""Call services and actions of another node from any thread, each with a timeout."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
import threading
import time
from typing import Any
import uuid
import weakref

from lifecycle_msgs.srv import GetState
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.context import Context
from rclpy.exceptions import InvalidTopicNameException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rclpy.utilities import get_default_context
from rclpy.validate_topic_name import validate_topic_name

from face_classification_ros.ros.client.errors import (
    ClientClosedError,
    ClientStartError,
    ResponseTimeoutError,
    ServerUnavailableError,
)
from face_classification_ros.ros.endpoints import is_node, missing_node_text, similar_nodes
from face_classification_ros.ros.runtime import RosStartError, start_errors

SERVER_TIMEOUT = 5.0
"""Seconds that a server may take to appear, and to respond beyond its own timeout."""

RESEND = 2.0
"""Seconds without a response after which a request is sent again."""

POLL = 0.05
"""Seconds between checks of conditions that cannot be waited for."""


class NodeClient:
    """Calls the services and actions of a node through a ROS node and a thread of its own.

    A request is sent again if its response is lost, so requests must be idempotent.
    """

    def __init__(self, node_name: str, node: Node | None, server_timeout: float) -> None:
        """Join ROS, see `FaceClient`.

        Raises:
            ValueError, ClientStartError: see `FaceClient`.
        """
        _check_name(node_name)
        context = node.context if node else get_default_context()
        is_own_context = node is None and not context.ok()
        if is_own_context:
            context = Context()
            try:
                with start_errors():
                    context.init()
            except RosStartError as error:
                raise ClientStartError(str(error)) from error
        self.server_timeout = server_timeout
        self._context = context
        self._node = Node(
            f'face_client_{uuid.uuid4().hex[:8]}',
            context=context,
            namespace=node.get_namespace() if node else None,
            # Remappings and parameters of the command line belong to the behavior's own node.
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        name = f'{node_name}/get_state'
        self.node_name = self._node.resolve_service_name(name).removesuffix('/get_state')
        stop = Future()
        thread = threading.Thread(target=_spin, args=[self._executor, stop], daemon=True)
        self._thread = thread
        # Also runs at the end of a program that does not close its client: ROS must not be in use
        # when Python ends.
        self.close = weakref.finalize(
            self, _leave, stop, thread, self._executor, self._node, is_own_context
        )
        thread.start()

    def server_name(self, name: str) -> str:
        """Return the full name of a service or action of the node."""
        return f'{self.node_name}/{name}'

    def call(self, kind: type, name: str, request: Any, timeout: float = 0.0) -> Any:
        """Call a service of the node and return its response.

        Args:
            kind: type of the service.
            name: of the service, relative to the node.
            request: of the service.
            timeout: seconds that the server may take beyond `server_timeout`.

        Raises:
            ServerUnavailableError, ResponseTimeoutError, ClientClosedError: see each class.
        """
        client = self._client(Node.create_client, kind, name)
        self._wait_for_server(client.service_is_ready, name)
        end = time.monotonic() + timeout + self.server_timeout
        while True:
            future = client.call_async(request)
            # A response is lost if the server receives the request before it has discovered the
            # reader of this client, which happens to first requests on a busy machine.
            if self.wait(future, min(end - time.monotonic(), timeout + RESEND)):
                return future.result()
            client.remove_pending_request(future)
            if time.monotonic() >= end:
                raise ResponseTimeoutError(self.server_name(name), timeout + self.server_timeout)

    def send_goal(
        self, kind: type, name: str, goal: Any, on_feedback: Callable[[Any], None]
    ) -> ClientGoalHandle:
        """Send a goal to an action of the node and wait until it is accepted or rejected.

        If the response is lost the goal is sent again and preempts the first one.

        Args:
            kind: type of the action.
            name: of the action, relative to the node.
            goal: of the action.
            on_feedback: called with each feedback message, in the thread that spins.

        Raises:
            ServerUnavailableError, ResponseTimeoutError, ClientClosedError: see each class.
        """
        client = self._client(ActionClient, kind, name)
        self._wait_for_server(client.server_is_ready, name)
        end = time.monotonic() + self.server_timeout
        while True:
            sent = self.in_executor(lambda: client.send_goal_async(goal, on_feedback))
            if self.wait(sent, min(RESEND, end - time.monotonic())):
                return sent.result()
            if time.monotonic() >= end:
                raise ResponseTimeoutError(self.server_name(name), self.server_timeout)

    def in_executor(self, function: Callable[[], Any]) -> Any:
        """Call a function in the thread that spins and return its result.

        An action client registers a request only after sending it, so the executor must not
        process the response in between.

        Raises:
            ResponseTimeoutError, ClientClosedError: see each class.
        """
        task = self._executor.create_task(function)
        if not self.wait(task, self.server_timeout):
            raise ResponseTimeoutError(self._node.get_fully_qualified_name(), self.server_timeout)
        return task.result()

    def wait(self, future: Future, timeout: float) -> bool:
        """Wait for a future in the calling thread and return whether it is done.

        Raises:
            ClientClosedError: the client was closed, or ROS was shut down.
        """
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        end = time.monotonic() + timeout
        while not done.wait(max(0.0, min(POLL, end - time.monotonic()))):
            if future.done():
                # Its error has ended the thread before the callback.
                return True
            self.require_ros()
            if time.monotonic() >= end:
                return False
        return True

    def require_ros(self) -> None:
        """Raise a ClientClosedError if no request can be sent any more."""
        # First: it also ends when ROS does.
        is_spinning = self._thread.is_alive()
        if not self.close.alive:
            raise ClientClosedError('the client was closed')
        if not self._context.ok():
            raise ClientClosedError('ROS was shut down')
        if not is_spinning:
            raise ClientClosedError('the thread of the client ended with an error')

    def _client(self, make: Callable[..., Any], kind: type, name: str) -> Any:
        """Return the client of a service or action; it is created on first use.

        By the thread that spins: an action client joins its node before it can be waited for.

        Raises:
            ResponseTimeoutError, ClientClosedError: see there.
        """
        self.require_ros()
        with self._lock:
            if name not in self._clients:
                server = self.server_name(name)
                self._clients[name] = self.in_executor(lambda: make(self._node, kind, server))
            return self._clients[name]

    def _wait_for_server(self, is_ready: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + self.server_timeout
        while not is_ready():
            if time.monotonic() >= end:
                raise self._unavailable(name)
            time.sleep(POLL)
            self.require_ros()

    def _unavailable(self, name: str) -> ServerUnavailableError:
        """Return an error with the state of the node, or with other nodes of the same kind."""
        server, node = self.server_name(name), self.node_name
        if not is_node(self._node, node):
            others = similar_nodes(self._node)
            return ServerUnavailableError(
                server, missing_node_text(node, others), alternatives=others
            )
        if name == 'get_state':
            return ServerUnavailableError(server, f'the node {node} has no life cycle')
        try:
            state = str(self.call(GetState, 'get_state', GetState.Request()).current_state.label)
        except (ServerUnavailableError, ResponseTimeoutError):
            return ServerUnavailableError(server, f'the node {node} does not report its state')
        return ServerUnavailableError(server, f'the node {node} is {state}', node_state=state)


def _check_name(name: str) -> None:
    """Raise a ValueError if a name is none of ROS; its own error has several lines."""
    problem = ValueError(
        f'node_name is {name!r}; expected a name such as /head_cam/face_classification'
    )
    # The check of rclpy accepts // in a relative name.
    if not isinstance(name, str) or '//' in name:
        raise problem
    try:
        validate_topic_name(name)
    except InvalidTopicNameException as error:
        raise problem from error


def _spin(executor: SingleThreadedExecutor, stop: Future) -> None:
    with suppress(ExternalShutdownException):
        executor.spin_until_future_complete(stop)


def _leave(
    stop: Future,
    thread: threading.Thread,
    executor: SingleThreadedExecutor,
    node: Node,
    is_own_context: bool,
) -> None:
    stop.set_result(None)
    thread.join()
    executor.shutdown()
    node.destroy_node()
    if is_own_context:
        node.context.try_shutdown()

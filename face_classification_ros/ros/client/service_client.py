"""Services and actions of another node, asked from any thread, each with a time-out."""

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
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rclpy.utilities import get_default_context

SERVER_TIMEOUT = 5.0
"""Seconds that a server may take to appear, and to answer beyond what it was given to wait."""

RESEND = 2.0
"""Seconds after which a question whose answer must have got lost is asked again."""

POLL = 0.05
"""Seconds between two looks at what cannot be waited for."""


class FaceClientError(RuntimeError):
    """The node gave no answer that could be used; the text is one line that says why."""


class ServerUnavailableError(FaceClientError):
    """The service or action is not there; the text names it and tells the node's state."""


class ResponseTimeoutError(FaceClientError, TimeoutError):
    """The service or action is there and did not answer in time."""


class RequestRejectedError(FaceClientError):
    """The node answered that it cannot; the text is the node's own reason."""


class NodeClient:
    """Asks a node with a ROS node of its own, which spins in a thread of its own.

    A question whose answer gets lost is asked again, so it must do no harm twice.
    """

    def __init__(self, node_name: str, node: Node | None, server_timeout: float) -> None:
        """Join ROS, see `FaceClient`."""
        context = node.context if node else get_default_context()
        is_own_context = node is None and not context.ok()
        if is_own_context:
            context = Context()
            context.init()
        self.server_timeout = server_timeout
        self._context = context
        self._node = Node(
            f'face_client_{uuid.uuid4().hex[:8]}',
            context=context,
            namespace=node.get_namespace() if node else None,
            # The command line's names and parameters are meant for the behavior's own node.
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
        # Called at the end of a program that forgets it, too: ROS must not be in use when Python
        # ends.
        self.close = weakref.finalize(
            self, _leave, stop, thread, self._executor, self._node, is_own_context
        )
        thread.start()

    def _client(self, maker: Callable[..., Any], kind: type, name: str) -> Any:
        """Give the client of a service or an action, made when it is first needed."""
        self.require_ros()
        with self._lock:
            if name not in self._clients:
                self._clients[name] = maker(self._node, kind, f'{self.node_name}/{name}')
            return self._clients[name]

    def call(self, kind: type, name: str, request: Any, timeout: float = 0.0) -> Any:
        """Call a service of the node and give its answer.

        Args:
            kind: of the service.
            name: of the service, without the node's.
            request: what is asked.
            timeout: seconds that the server may take for it.

        Raises:
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        client = self._client(Node.create_client, kind, name)
        self._wait_for_server(client.service_is_ready, 'service', name)
        end = time.monotonic() + timeout + self.server_timeout
        while True:
            future = client.call_async(request)
            # An answer gets lost where the server had the question before it knew of this
            # client's ear, which happens at the first question on a busy machine.
            if self.wait(future, min(end - time.monotonic(), timeout + RESEND)):
                return future.result()
            client.remove_pending_request(future)
            if time.monotonic() >= end:
                raise ResponseTimeoutError(
                    f'no answer of the service {self.node_name}/{name} within '
                    f'{timeout + self.server_timeout:.1f} s'
                )

    def send_goal(
        self, kind: type, name: str, goal: Any, on_feedback: Callable[[Any], None]
    ) -> ClientGoalHandle:
        """Send a goal to an action of the node and wait until it is accepted or rejected.

        Should the node have taken a goal whose answer got lost, the next takes its place.

        Args:
            kind: of the action.
            name: of the action, without the node's.
            goal: what is asked.
            on_feedback: is called with each message, in the thread that spins.

        Raises:
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        client = self._client(ActionClient, kind, name)
        self._wait_for_server(client.server_is_ready, 'action', name)
        end = time.monotonic() + self.server_timeout
        while True:
            sent = self.in_executor(lambda: client.send_goal_async(goal, on_feedback))
            if self.wait(sent, min(RESEND, end - time.monotonic())):
                return sent.result()
            if time.monotonic() >= end:
                raise ResponseTimeoutError(
                    f'no answer of the action {self.node_name}/{name} '
                    f'within {self.server_timeout:.1f} s'
                )

    def _wait_for_server(self, is_ready: Callable[[], bool], sort: str, name: str) -> None:
        end = time.monotonic() + self.server_timeout
        while not is_ready():
            if time.monotonic() >= end:
                raise ServerUnavailableError(
                    f'no {sort} {self.node_name}/{name} within {self.server_timeout:.1f} s: '
                    f'{self._explain_absence(name)}'
                )
            time.sleep(POLL)
            self.require_ros()

    def _explain_absence(self, name: str) -> str:
        """Say in what state the node is, or where there is one that offers what was asked for."""
        namespace, _, base = self.node_name.rpartition('/')
        if (base, namespace or '/') in self._node.get_node_names_and_namespaces():
            if name == 'get_state':
                return f'the node {self.node_name} has no life cycle'
            try:
                return f'the node {self.node_name} is {self._state()}'
            except (ServerUnavailableError, ResponseTimeoutError):
                return f'the node {self.node_name} is there, but does not tell its state'
        wanted = 'face_classification_ros/srv/GetFaces'
        others = sorted(
            service.removesuffix('/get_faces')
            for service, types in self._node.get_service_names_and_types()
            # Those that are only asked for are listed, too.
            if wanted in types and self._node.count_services(service)
        )
        found = f', but {", ".join(others)}' if others else ', nor another that tells of faces'
        return f'there is no node {self.node_name}{found}'

    def _state(self) -> str:
        answer = self.call(GetState, 'get_state', GetState.Request())
        return str(answer.current_state.label)

    def in_executor(self, function: Callable[[], Any]) -> Any:
        """Call what must not run while the executor works, and give what it returns.

        An action client keeps what it asked only after it was sent; the executor must not get the
        answer in between.
        """
        task = self._executor.create_task(function)
        if not self.wait(task, self.server_timeout):
            raise ResponseTimeoutError('ROS does not go on in this process')
        return task.result()

    def wait(self, future: Future, timeout: float) -> bool:
        """Wait in the caller's thread; tell whether the future is done."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        end = time.monotonic() + timeout
        while not done.wait(max(0.0, min(POLL, end - time.monotonic()))):
            self.require_ros()
            if time.monotonic() >= end:
                return False
        return True

    def require_ros(self) -> None:
        """Raise a `FaceClientError` where nothing can be asked any more."""
        if not self.close.alive:
            raise FaceClientError('the client was closed')
        if not self._context.ok():
            raise FaceClientError('ROS was shut down')


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

"""Connect the page with the node, by its public topics and services only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
import threading
from typing import Any
import uuid

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterEvent
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    qos_profile_parameter_events,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.subscription import Subscription
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import LabelInfo

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.client.service_client import NodeClient, SERVER_TIMEOUT
from face_classification_ros.ros.conversions.images import image_from_message
from face_classification_ros.ros.conversions.qos import LATCHED
from face_classification_ros.ros.endpoints import similar_nodes
from face_classification_ros.ros.view.packets import FrameJoiner
from face_classification_ros.ros.view.status import status_record
from face_classification_ros.types import Image

NEWEST = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.BEST_EFFORT
)
"""Of images and faces: the node must never wait for the page."""


@dataclass(frozen=True)
class Listener:
    """What the page does with what comes from the node; called in the thread that spins.

    Attributes:
        on_packet: an image with its faces, see `packets.packet`.
        on_diagnostics: the status of each part of the node.
        on_parameters: parameters have changed.
        on_labels: all classes of the models, such as "gender/woman".
    """

    on_packet: Callable[[bytes], None]
    on_diagnostics: Callable[[list[dict[str, Any]]], None]
    on_parameters: Callable[[], None]
    on_labels: Callable[[list[str]], None]


class BridgeError(OSError):
    """Nothing more is received from the node; the text says why in one line."""


class Bridge:
    """Subscribes to the node and calls its services, through nodes and threads of its own.

    Attributes:
        client: calls the services of the node.
    """

    def __init__(self, node_name: str, listener: Listener) -> None:
        """Join ROS, which runs already.

        Args:
            node_name: full name of the node.
            listener: receives what the node publishes.

        Raises:
            ValueError: `node_name` is not a name of ROS.
        """
        self._listener = listener
        self._node = Node(
            f'face_classification_view_{uuid.uuid4().hex[:8]}',
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self.client = NodeClient(node_name, self._node, SERVER_TIMEOUT)
        self._prefix = f'{self.client.node_name.lstrip("/")}: '
        self._joiner = FrameJoiner()
        self._stream: list[Subscription] = []
        self._is_watched = False
        subscribe = self._node.create_subscription
        subscribe(DiagnosticArray, '/diagnostics', self._receive_diagnostics, 10)
        subscribe(
            ParameterEvent, '/parameter_events', self._receive_event, qos_profile_parameter_events
        )
        subscribe(LabelInfo, self._topic('label_info'), self._receive_labels, LATCHED)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._stop = Future()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    @property
    def node_name(self) -> str:
        """Full name of the node."""
        return self.client.node_name

    def other_nodes(self) -> list[str]:
        """Return the full names of other nodes of the same kind."""
        return [each for each in similar_nodes(self._node) if each != self.node_name]

    def watch(self, *, is_watched: bool) -> None:
        """Subscribe to images and faces, or end that: the node draws only for subscribers."""
        self._is_watched = is_watched
        self._executor.create_task(self._update_stream)

    def explain(self, timeout: float) -> Image | None:
        """Return the next explanation of the node, None if none comes in time.

        The node computes explanations only while this waits.

        Args:
            timeout: seconds to wait.
        """
        received: list[ImageMessage] = []
        arrived = threading.Event()

        def receive(message: ImageMessage) -> None:
            received.append(message)
            arrived.set()

        topic = self._topic('explanation')
        subscription = self._node.create_subscription(ImageMessage, topic, receive, NEWEST)
        arrived.wait(timeout)
        self._executor.create_task(self._node.destroy_subscription, subscription)
        return image_from_message(received[0]) if received else None

    def check(self) -> None:
        """Check that messages of the node are received.

        Raises:
            BridgeError: an error ended the thread that receives them, or ROS was shut down.
        """
        if self._thread.is_alive():
            return
        error = self._failure
        reason = f'{type(error).__name__}: {error}' if error else 'ROS was shut down'
        text = f'the page receives nothing from the node any more: {" ".join(reason.split())}'
        raise BridgeError(text) from error

    def close(self) -> None:
        """Leave ROS; calls that wait raise a `ClientClosedError`."""
        self.client.close()
        self._stop.set_result(None)
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _topic(self, name: str) -> str:
        return f'{self.node_name}/{name}'

    def _update_stream(self) -> None:
        # The executor runs the newest of its waiting tasks first, so a task takes no argument, but
        # reads what is wanted now.
        if self._is_watched and not self._stream:
            self._joiner = FrameJoiner()
            topics: Mapping[str, tuple[type, Callable[[Any], None]]] = {
                'image_annotated/compressed': (CompressedImage, self._receive_image),
                'faces': (FaceAttributesArray, self._receive_faces),
            }
            self._stream = [
                self._node.create_subscription(kind, self._topic(name), receive, NEWEST)
                for name, (kind, receive) in topics.items()
            ]
        elif not self._is_watched:
            for each in self._stream:
                self._node.destroy_subscription(each)
            self._stream = []

    def _receive_image(self, message: CompressedImage) -> None:
        self._pass_on(self._joiner.add_image(message))

    def _receive_faces(self, message: FaceAttributesArray) -> None:
        self._pass_on(self._joiner.add_faces(message))

    def _pass_on(self, packet: bytes | None) -> None:
        if packet is not None:
            self._listener.on_packet(packet)

    def _receive_diagnostics(self, message: DiagnosticArray) -> None:
        statuses = [each for each in message.status if each.name.startswith(self._prefix)]
        if statuses:
            records = [status_record(each, self._prefix) for each in statuses]
            self._listener.on_diagnostics(records)

    def _receive_event(self, event: ParameterEvent) -> None:
        if event.node == self.node_name:
            self._listener.on_parameters()

    def _receive_labels(self, message: LabelInfo) -> None:
        self._listener.on_labels([each.class_name for each in message.class_map])

    def _spin(self) -> None:
        try:
            with suppress(ExternalShutdownException):
                self._executor.spin_until_future_complete(self._stop)
        except Exception as error:
            # For `check`, in the thread of the server.
            self._failure = error

"""Pictures on their way in: the subscription to a camera, up to the pixels of each picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.images import (
    converter,
    image_from_compressed,
    image_from_message,
)
from face_classification_ros.ros.conversions.messages import NANOSECONDS, seconds
from face_classification_ros.ros.node.input_monitor import describe, InputMonitor, LOG_PERIOD
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.ros.node.rate_limit import RateLimit
from face_classification_ros.ros.node.statistics import ImageStatistics, SequenceGaps
from face_classification_ros.types import Image

Process = Callable[[Image, Header, float], None]
"""Takes a picture in BGR, its header, and when it came, as `time.perf_counter` gives it."""


def image_of(message: ImageMessage | CompressedImage) -> Image:
    """Give the pixels of a message of either kind, uint8 H x W x 3 in BGR.

    Raises:
        ValueError: the message is malformed, or its stamp is none.
    """
    stamp = message.header.stamp
    if stamp.nanosec >= NANOSECONDS:
        # Somewhat more, and no message could carry the sum of both.
        raise ValueError(
            f'stamp of {stamp.sec} s and {stamp.nanosec} ns: expected fewer than {NANOSECONDS} ns'
        )
    if isinstance(message, CompressedImage):
        return image_from_compressed(message)
    return image_from_message(message)


class ImageInput:
    """Subscribes to a camera's pictures, and passes on those that are to be worked on.

    Only the newest picture waits while one is worked on, so that results are never older than one
    picture.
    """

    def __init__(self, node: Node, counts: ImageStatistics, process: Process) -> None:
        """Subscribe to nothing yet; what comes later is counted and given to `process`."""
        self._node = node
        self._counts = counts
        self._pass_on = process
        self._watch = InputMonitor(node, counts)
        self._subscription: Subscription | None = None
        self._parameters = NodeConfig()
        self._limit = RateLimit()
        self._gaps = SequenceGaps(self._publishers)

    @property
    def subscribed(self) -> bool:
        """Whether pictures come in."""
        return self._subscription is not None

    def subscribe(self, parameters: NodeConfig) -> None:
        """Take pictures in, as the parameters have it."""
        # rclpy has no image_transport, so its rule for names is kept here: the topic of another
        # transport is the resolved name of the raw topic with the transport's name appended.
        topic = self._node.resolve_topic_name('image')
        message_type: type = ImageMessage
        if parameters.image_transport == 'compressed':
            topic, message_type = f'{topic}/compressed', CompressedImage
        reliable = parameters.image_reliability == 'reliable'
        self._parameters = parameters
        # Jazzy's rclpy takes callbacks with two arguments, too, and its type hints do not say so.
        callback: Any = self._process
        self._subscription = self._node.create_subscription(
            message_type,
            topic,
            callback,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=1,
                reliability=ReliabilityPolicy.RELIABLE
                if reliable
                else ReliabilityPolicy.BEST_EFFORT,
            ),
            event_callbacks=self._watch.events,
        )
        self._gaps = SequenceGaps(self._publishers)
        self._counts.last_arrival = time.monotonic()
        self._watch.start(self._subscription, parameters)
        self._node.get_logger().info(
            f'pictures from {describe(self._subscription, parameters)}, '
            f'converted by {converter().name}'
        )

    def unsubscribe(self) -> None:
        """Leave the camera alone."""
        if self._subscription is not None:
            self._watch.stop()
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def apply(self, parameters: NodeConfig) -> None:
        """Go on with other parameters; the subscription is made anew where they ask for it."""
        before, self._parameters = self._parameters, parameters
        if self.subscribed and (before.image_transport, before.image_reliability) != (
            parameters.image_transport,
            parameters.image_reliability,
        ):
            self.unsubscribe()
            self.subscribe(parameters)

    def _publishers(self) -> frozenset[bytes]:
        assert self._subscription is not None
        publishers = self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        return frozenset(bytes(each.endpoint_gid) for each in publishers)

    def _process(self, message: ImageMessage | CompressedImage, info: Mapping[str, Any]) -> None:
        arrival = time.perf_counter()
        self._counts.record_arrival(self._gaps.before(info['publication_sequence_number']))
        stamp = seconds(message.header.stamp)
        if self._limit.leaves_out(stamp, self._parameters.max_processing_rate):
            self._counts.rate_limited += 1
            return
        try:
            image = image_of(message)
        except ValueError as error:
            self._counts.malformed += 1
            self._node.get_logger().error(
                f'skipped a malformed picture ({self._counts.malformed} so far): {error}',
                throttle_duration_sec=LOG_PERIOD,
            )
            return
        self._limit.note(stamp)
        self._pass_on(image, message.header, arrival)

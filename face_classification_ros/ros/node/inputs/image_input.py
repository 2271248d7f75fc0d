"""Subscribe to the images of a camera, and read those that are to be processed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.conversions.images import converter, image_from_message
from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.ros.node.frame import Frame
from face_classification_ros.ros.node.inputs.input_monitor import (
    describe,
    InputMonitor,
    LOG_PERIOD,
)
from face_classification_ros.ros.node.inputs.rate_limit import RateLimit
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.reason_log import ReasonLog
from face_classification_ros.ros.node.statistics import ImageStatistics, SequenceGaps


class ImageInput:
    """Subscribes to the images of a camera.

    Only the newest image waits while another one is processed, so results are never older than
    one image.

    Attributes:
        monitor: reports problems of the subscription.
    """

    def __init__(
        self,
        node: Node,
        statistics: ImageStatistics,
        reliability: Reliability,
        *,
        process: Callable[[Frame], None],
        resubscribe: Callable[[], None],
    ) -> None:
        """Create the input without a subscription.

        Args:
            node: subscribes.
            statistics: every image is counted in them.
            reliability: of the subscription.
            process: is called with each image that is to be processed.
            resubscribe: is called when the subscriptions need another reliability.
        """
        self._node = node
        self._statistics = statistics
        self._reliability = reliability
        self._process = process
        self.monitor = InputMonitor(node, statistics, reliability, resubscribe)
        self._subscription: Subscription | None = None
        self._config = NodeConfig()
        self._limit = RateLimit()
        self._gaps = SequenceGaps(self._publishers)
        self._malformed_log = ReasonLog(LOG_PERIOD)

    @property
    def is_subscribed(self) -> bool:
        """Whether images are received."""
        return self._subscription is not None

    def subscribe(self, config: NodeConfig) -> None:
        """Subscribe to the topic and with the reliability of the configuration."""
        # rclpy has no image_transport, so its naming rule is implemented here: the topic of a
        # transport is the resolved name of the raw topic with the name of the transport appended.
        topic = self._node.resolve_topic_name('image')
        message_type: type = ImageMessage
        if config.image_transport == 'compressed':
            topic, message_type = f'{topic}/compressed', CompressedImage
        self._config = config
        # rclpy also accepts callbacks with two arguments, which its type hints do not show.
        callback: Any = self._receive
        self._subscription = self._node.create_subscription(
            message_type,
            topic,
            callback,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=1,
                reliability=self._reliability.select(topic, config),
            ),
            event_callbacks=self.monitor.events,
        )
        self._gaps = SequenceGaps(self._publishers)
        self._statistics.record_subscription()
        self.monitor.start(self._subscription, config)
        self._node.get_logger().info(
            f'subscribed to {describe(self._subscription)}, images converted by {converter().name}'
        )

    def unsubscribe(self) -> None:
        """End the subscription."""
        if self._subscription is not None:
            self.monitor.stop()
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def apply(self, config: NodeConfig) -> None:
        """Continue with another configuration, with a new subscription if that is necessary."""
        before, self._config = self._config, config
        if self.is_subscribed and (before.image_transport, before.image_reliability) != (
            config.image_transport,
            config.image_reliability,
        ):
            self.unsubscribe()
            self.subscribe(config)

    def _publishers(self) -> frozenset[bytes]:
        assert self._subscription is not None
        publishers = self._node.get_publishers_info_by_topic(self._subscription.topic_name)
        return frozenset(bytes(each.endpoint_gid) for each in publishers)

    def _receive(self, message: ImageMessage | CompressedImage, info: Mapping[str, Any]) -> None:
        arrival = time.perf_counter()
        self._statistics.record_arrival(self._gaps.before(info['publication_sequence_number']))
        stamp = seconds(message.header.stamp)
        if not self._limit.admit(stamp, self._config.max_processing_rate):
            self._statistics.record_rate_limited()
            return
        try:
            image = image_from_message(message)
        except ValueError as error:
            # The next image takes its place: a camera whose images are malformed at the limited
            # rate has others between them.
            self._limit.cancel()
            self._statistics.record_malformed(str(error))
            if self._malformed_log.admit(str(error), time.monotonic()):
                self._node.get_logger().error(
                    f'ignored a malformed image ({self._statistics.malformed} so far): {error}'
                )
            return
        self._process(Frame(image, message.header, arrival))

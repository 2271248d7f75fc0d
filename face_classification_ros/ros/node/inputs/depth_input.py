"""Subscribe to depth images and calibration, and report why faces have no positions."""

from __future__ import annotations

from dataclasses import dataclass
import math
import time

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.geometry.positions import DepthView, Intrinsics
from face_classification_ros.pipeline import PipelineResult
from face_classification_ros.ros.conversions.depth import (
    depth_from_message,
    intrinsics_from_message,
)
from face_classification_ros.ros.conversions.qos import LATCHED
from face_classification_ros.ros.node.inputs.depth_buffer import BUFFERED, DepthBuffer
from face_classification_ros.ros.node.inputs.input_monitor import LOG_PERIOD
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.statistics import PositionStatistics

PROBLEM_DELAY = 2.0
"""Seconds without any position after which that is reported: one late depth image is normal."""


@dataclass(frozen=True)
class DepthMatch:
    """The depth image for an image.

    Attributes:
        view: the nearest depth image with the calibration, None if there is none.
        problem: why there is none, "" if there is one or depth is not used.
    """

    view: DepthView | None = None
    problem: str = ''


class DepthInput:
    """Subscribes to depth images and calibration while `use_depth` is set.

    Images never wait for depth: the nearest depth image that has arrived is used, which may be the
    one before.

    Attributes:
        statistics: of depth images and positions.
    """

    def __init__(self, node: Node, reliability: Reliability) -> None:
        """Create the input without subscriptions.

        Args:
            node: subscribes.
            reliability: of the subscriptions.
        """
        self._node = node
        self._reliability = reliability
        self._config = NodeConfig()
        self._subscriptions: dict[str, Subscription] = {}
        self._buffer = DepthBuffer()
        self._intrinsics: Intrinsics | None = None
        self._failing_since = math.inf
        self._problem = ''
        # Topic -> why its newest message is not usable.
        self._malformed: dict[str, str] = {}
        self.statistics = PositionStatistics()

    @property
    def is_subscribed(self) -> bool:
        """Whether depth images are received."""
        return bool(self._subscriptions)

    @property
    def _topics(self) -> list[str]:
        return list(dict.fromkeys(each.topic_name for each in self._subscriptions.values()))

    @property
    def problem(self) -> str:
        """Why messages are not usable, or why there have been no positions for a while; or ""."""
        elapsed = time.monotonic() - self._failing_since
        late = self._problem if elapsed >= PROBLEM_DELAY else ''
        return '; '.join(self._malformed.values()) or late

    def subscribe(self, config: NodeConfig) -> None:
        """Subscribe to depth images and calibration if the configuration uses them."""
        self._config = config
        if not config.use_depth:
            return
        create = self._node.create_subscription
        self._subscriptions = {
            'depth': create(ImageMessage, 'depth', self._receive_depth, self._qos('depth')),
            'camera_info': create(
                CameraInfo, 'camera_info', self._receive_calibration, self._qos('camera_info')
            ),
            # A calibration that is published once and latched reaches only a subscription that
            # is latched, too, and the usual volatile publisher only one that is not.
            'latched_camera_info': create(
                CameraInfo,
                'camera_info',
                self._receive_calibration,
                LATCHED,
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            ),
        }
        self._node.get_logger().info(f'positions from {" and ".join(self._topics)}')

    def _qos(self, topic: str) -> QoSProfile:
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=BUFFERED,
            reliability=self._reliability.select(
                self._node.resolve_topic_name(topic), self._config
            ),
        )

    def unsubscribe(self) -> None:
        """End the subscriptions, and forget what arrived."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions = {}
        self._buffer = DepthBuffer()
        self._intrinsics = None
        self._failing_since = math.inf
        self._malformed = {}

    def apply(self, config: NodeConfig, *, is_processing: bool) -> None:
        """Continue with another configuration, with new subscriptions if that is necessary."""
        before, self._config = self._config, config
        if is_processing and (before.use_depth, before.image_reliability) != (
            config.use_depth,
            config.image_reliability,
        ):
            self.unsubscribe()
            self.subscribe(config)

    def match(self, header: Header) -> DepthMatch:
        """Return the depth image nearest to an image with this header."""
        if not self.is_subscribed:
            return DepthMatch()
        self._receive_waiting()
        try:
            if self._intrinsics is None:
                raise LookupError('no calibration has arrived')
            return DepthMatch(DepthView(self._buffer.nearest(header), self._intrinsics))
        except (LookupError, ValueError) as error:
            return DepthMatch(problem=str(error))

    def record(self, match: DepthMatch, result: PipelineResult) -> None:
        """Count the faces with a position in an image, and log why none has one."""
        if not self.is_subscribed or not result.faces:
            return
        located = sum(face.position is not None for face in result.faces)
        self.statistics.record_faces(located, len(result.faces) - located)
        problem = match.problem or result.position_error
        # A person who is too far away is normal, a depth image without any distance is not.
        if not located and match.view is not None and match.view.depth.is_blind:
            problem = problem or 'the depth image has no distance above 0 anywhere'
        if problem:
            self._record_failure(problem)
        else:
            self._failing_since = math.inf

    def _receive_waiting(self) -> None:
        """Read the calibrations and depth images that wait in the middleware.

        The executor would deliver them after the present image, which most often has the stamp of
        one of them.
        """
        for name, receive in (
            ('latched_camera_info', self._receive_calibration),
            ('camera_info', self._receive_calibration),
            ('depth', self._receive_depth),
        ):
            subscription = self._subscriptions[name]
            for _ in range(BUFFERED):
                with subscription.handle:
                    received = subscription.handle.take_message(subscription.msg_type, False)
                if received is None:
                    break
                receive(received[0])

    def _receive_depth(self, message: ImageMessage) -> None:
        self.statistics.record_depth_image()
        try:
            self._buffer.add(message.header, depth_from_message(message))
        except ValueError as error:
            self.statistics.record_malformed()
            self._malformed['depth'] = str(error)
            self._node.get_logger().error(
                f'no positions ({self.statistics.malformed} malformed depth images so far): '
                f'{error}',
                throttle_duration_sec=LOG_PERIOD,
            )
        else:
            self._malformed.pop('depth', None)

    def _receive_calibration(self, message: CameraInfo) -> None:
        try:
            self._intrinsics = intrinsics_from_message(message)
        except ValueError as error:
            self._intrinsics = None
            self._malformed['camera_info'] = str(error)
            self._node.get_logger().error(
                f'no positions: {error}', throttle_duration_sec=LOG_PERIOD
            )
        else:
            self._malformed.pop('camera_info', None)

    def _record_failure(self, problem: str) -> None:
        self._problem = problem
        self._failing_since = min(self._failing_since, time.monotonic())
        # Malformed messages were logged when they arrived, and are the reason.
        if self.problem and not self._malformed:
            self._node.get_logger().warning(
                f'faces have no positions ({", ".join(self._topics)}): {problem}',
                throttle_duration_sec=LOG_PERIOD,
            )

"""Subscribe to depth images, and report why faces have no positions."""

from __future__ import annotations

from dataclasses import dataclass
import math
import time

from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.geometry.positions import DepthView
from face_classification_ros.pipeline import PipelineResult
from face_classification_ros.ros.conversions.depth import depth_from_message
from face_classification_ros.ros.node.inputs.calibration_input import CalibrationInput
from face_classification_ros.ros.node.inputs.depth_buffer import BUFFERED, DepthBuffer
from face_classification_ros.ros.node.inputs.input_monitor import LOG_PERIOD
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.inputs.waiting import waiting_messages
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
    """Subscribes to depth images while `use_depth` is set.

    Images never wait for depth: the nearest depth image that has arrived is used, which may be the
    one before.

    Attributes:
        statistics: of depth images and positions.
    """

    def __init__(
        self, node: Node, reliability: Reliability, calibration: CalibrationInput
    ) -> None:
        """Create the input without a subscription.

        Args:
            node: subscribes.
            reliability: of the subscription.
            calibration: of the camera.
        """
        self._node = node
        self._reliability = reliability
        self._calibration = calibration
        self._config = NodeConfig()
        self._subscription: Subscription | None = None
        self._buffer = DepthBuffer()
        self._failing_since = math.inf
        self._problem = ''
        # Why the newest depth image is not usable.
        self._malformed = ''
        self.statistics = PositionStatistics()

    @property
    def is_subscribed(self) -> bool:
        """Whether depth images are received."""
        return self._subscription is not None

    @property
    def is_missing(self) -> bool:
        """Whether something needs positions although `use_depth` is not set."""
        config = self._config
        return not config.use_depth and bool(config.target_frame or config.publish_tf)

    @property
    def _topics(self) -> tuple[str, str]:
        return self._node.resolve_topic_name('depth'), self._calibration.topic

    @property
    def problem(self) -> str:
        """Why messages are not usable, or why there have been no positions for a while; or ""."""
        if self.is_missing:
            return 'target_frame and publish_tf need use_depth'
        elapsed = time.monotonic() - self._failing_since
        late = self._problem if elapsed >= PROBLEM_DELAY else ''
        malformed = (self._malformed, self._calibration.problem)
        return '; '.join(each for each in malformed if each) or late

    def subscribe(self, config: NodeConfig) -> None:
        """Subscribe to depth images if the configuration uses them."""
        self._config = config
        if not config.use_depth:
            return
        depth, calibration = self._topics
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=BUFFERED,
            reliability=self._reliability.select(depth, config),
        )
        self._subscription = self._node.create_subscription(
            ImageMessage, 'depth', self._receive_depth, qos
        )
        self._node.get_logger().info(f'positions from {depth} and {calibration}')

    def unsubscribe(self) -> None:
        """End the subscription, and forget what arrived."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = None
        self._buffer = DepthBuffer()
        self._failing_since = math.inf
        self._malformed = ''

    def apply(self, config: NodeConfig, *, is_processing: bool) -> None:
        """Continue with another configuration, with a new subscription if that is necessary."""
        before, self._config = self._config, config
        if is_processing and (before.use_depth, before.image_reliability) != (
            config.use_depth,
            config.image_reliability,
        ):
            self.unsubscribe()
            self.subscribe(config)

    def match(self, header: Header) -> DepthMatch:
        """Return the depth image nearest to an image with this header."""
        if self._subscription is None:
            return DepthMatch()
        self._calibration.receive_waiting()
        self._receive_waiting(self._subscription)
        intrinsics = self._calibration.intrinsics
        try:
            if intrinsics is None:
                raise LookupError('no calibration has arrived')
            return DepthMatch(DepthView(self._buffer.nearest(header), intrinsics))
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

    def _receive_waiting(self, subscription: Subscription) -> None:
        """Read the depth images that wait; most often one has the stamp of the present image."""
        for message in waiting_messages(subscription, BUFFERED):
            self._receive_depth(message)

    def _receive_depth(self, message: ImageMessage) -> None:
        self.statistics.record_depth_image()
        try:
            self._buffer.add(message.header, depth_from_message(message))
        except ValueError as error:
            self.statistics.record_malformed()
            self._malformed = str(error)
            self._node.get_logger().error(
                f'no positions ({self.statistics.malformed} malformed depth images so far): '
                f'{error}',
                throttle_duration_sec=LOG_PERIOD,
            )
        else:
            self._malformed = ''

    def _record_failure(self, problem: str) -> None:
        self._problem = problem
        self._failing_since = min(self._failing_since, time.monotonic())
        # Malformed messages were logged when they arrived, and are the reason.
        if self.problem and not (self._malformed or self._calibration.problem):
            self._node.get_logger().warning(
                f'faces have no positions ({", ".join(self._topics)}): {problem}',
                throttle_duration_sec=LOG_PERIOD,
            )

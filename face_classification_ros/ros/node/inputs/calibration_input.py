"""Subscribe to the calibration of the camera, for positions and head poses."""

from __future__ import annotations

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from face_classification_ros.geometry.head_pose import DEFAULT_FIELD_OF_VIEW
from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.ros.conversions.depth import intrinsics_from_message
from face_classification_ros.ros.conversions.qos import LATCHED
from face_classification_ros.ros.node.inputs.input_monitor import LOG_PERIOD
from face_classification_ros.ros.node.inputs.reliability import Reliability
from face_classification_ros.ros.node.inputs.waiting import waiting_messages
from face_classification_ros.ros.node.parameters.node_config import NodeConfig

QUEUE = 5
"""Number of calibrations that wait in the middleware."""


class CalibrationInput:
    """Subscribes to `camera_info` while images are processed.

    Attributes:
        intrinsics: of the newest calibration; None if none has arrived, or if it is not usable.
        problem: why the newest calibration is not usable, "" if it is.
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
        self._subscriptions: list[Subscription] = []
        self._logged = ''
        self.intrinsics: Intrinsics | None = None
        self.problem = ''

    @property
    def topic(self) -> str:
        """Full name of the topic."""
        return self._node.resolve_topic_name('camera_info')

    def subscribe(self, config: NodeConfig) -> None:
        """Subscribe."""
        self._config = config
        create = self._node.create_subscription
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=QUEUE,
            reliability=self._reliability.select(self.topic, config),
        )
        self._subscriptions = [
            # A calibration that is published once and latched reaches only a subscription that
            # is latched, too, and the usual volatile publisher only one that is not.
            create(
                CameraInfo,
                'camera_info',
                self._receive,
                LATCHED,
                event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            ),
            create(CameraInfo, 'camera_info', self._receive, qos),
        ]

    def unsubscribe(self) -> None:
        """End the subscriptions, and forget the calibration."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        self.intrinsics, self.problem = None, ''

    def apply(self, config: NodeConfig, *, is_processing: bool) -> None:
        """Continue with another configuration, with new subscriptions if that is necessary."""
        before, self._config = self._config, config
        if is_processing and before.image_reliability != config.image_reliability:
            self.unsubscribe()
            self.subscribe(config)

    def receive_waiting(self) -> None:
        """Read the calibrations that wait in the middleware."""
        for subscription in self._subscriptions:
            for message in waiting_messages(subscription, QUEUE):
                self._receive(message)

    def intrinsics_for(self, width: int, height: int) -> Intrinsics | None:
        """Return the calibration for images of a size in pixels, None if there is none.

        Why a calibration that has arrived is not used is logged once.
        """
        self.receive_waiting()
        problem = self.problem
        if self.intrinsics is not None:
            try:
                return self.intrinsics.scaled(width, height)
            except ValueError as error:
                problem = str(error)
        if problem and problem != self._logged:
            self._logged = problem
            self._node.get_logger().warning(
                f'head poses assume a field of view of {DEFAULT_FIELD_OF_VIEW:g} degrees '
                f'({self.topic}): {problem}'
            )
        return None

    def _receive(self, message: CameraInfo) -> None:
        try:
            self.intrinsics, self.problem = intrinsics_from_message(message), ''
        except ValueError as error:
            self.intrinsics, self.problem = None, str(error)
            if self._config.use_depth:
                self._node.get_logger().error(
                    f'no positions: {error}', throttle_duration_sec=LOG_PERIOD
                )

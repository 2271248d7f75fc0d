"""Look up the transform to the target frame at the time of each image, without ever waiting."""

from __future__ import annotations

from dataclasses import dataclass
import importlib
import math
import time
from typing import Any

from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from face_classification_ros.config import SettingError
from face_classification_ros.geometry.transforms import IDENTITY, Transform
from face_classification_ros.ros.node.inputs.input_monitor import LOG_PERIOD
from face_classification_ros.ros.node.inputs.waiting import waiting_messages
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.statistics import TransformStatistics

PROBLEM_DELAY = 2.0
"""Seconds without any transform after which that is reported: one late transform is normal."""

MAX_WAITING = 100
"""Number of messages of a topic that are read at once, the length of the listener's queues."""


@dataclass(frozen=True)
class TransformMatch:
    """The transform from the frame of an image to that of the positions.

    Attributes:
        transform: at the stamp of the image; None if it is not known.
        problem: why it is not known, "" if it is.
        is_pending: whether it may arrive later, because the newest transform is older than the
            image.
    """

    transform: Transform | None = None
    problem: str = ''
    is_pending: bool = False


class TransformInput:
    """Listens to TF while there is a target frame.

    A camera that turns at 30 degrees per second is wrong by 5 % of the distance after 0.1 s. So a
    transform is interpolated at the stamp of the image, and neither the newest one is used for an
    image that is newer nor that of another time.

    Attributes:
        statistics: of the images and their transforms.
    """

    def __init__(self, node: Node) -> None:
        """Create the input without subscriptions; `node` subscribes."""
        self._node = node
        self._config = NodeConfig()
        # Of tf2_ros, which is imported only while there is a target frame.
        self._tf2: Any = None
        self._buffer: Any = None
        self._listener: Any = None
        self._failing_since = math.inf
        self._problem = ''
        self.statistics = TransformStatistics()

    @property
    def is_subscribed(self) -> bool:
        """Whether transforms are received."""
        return self._listener is not None

    @property
    def target_frame(self) -> str:
        """Frame of the positions; "" is that of the image."""
        return self._config.target_frame

    @property
    def problem(self) -> str:
        """Which transform has been missing for a while, since when and why; or ""."""
        elapsed = time.monotonic() - self._failing_since
        return f'for {elapsed:.0f} s: {self._problem}' if elapsed >= PROBLEM_DELAY else ''

    @staticmethod
    def check(config: NodeConfig) -> None:
        """Check whether positions can be transformed to the target frame.

        Raises:
            SettingError: it is not the name of a frame, or tf2_ros is not installed.
        """
        frame = config.target_frame
        if not frame:
            return
        if frame.startswith('/') or any(each.isspace() for each in frame):
            reason = f'{frame!r} is not the name of a frame: no leading slash, and no white space'
            raise SettingError('target_frame', reason)
        try:
            importlib.import_module('tf2_ros')
        except ImportError as error:
            raise SettingError(
                'target_frame', f'{frame!r} requires the package tf2_ros: {error}'
            ) from error

    def subscribe(self, config: NodeConfig) -> None:
        """Subscribe to /tf and /tf_static if the configuration has a target frame."""
        self._config = config
        if not config.target_frame:
            return
        self._tf2 = importlib.import_module('tf2_ros')
        # Without the node: in Jazzy the buffer of a node raises an error when its clock jumps.
        self._buffer = self._tf2.Buffer()
        self._listener = self._tf2.TransformListener(self._buffer, self._node)
        self._node.get_logger().info(f'positions in the frame {config.target_frame}')

    def unsubscribe(self) -> None:
        """End the subscriptions, and forget what arrived."""
        if self._listener is not None:
            self._listener.unregister()
        self._tf2 = self._buffer = self._listener = None
        self._failing_since = math.inf

    def apply(self, config: NodeConfig, *, is_processing: bool) -> None:
        """Continue with another configuration, with new subscriptions if that is necessary."""
        before, self._config = self._config, config
        if is_processing and before.target_frame != config.target_frame:
            self.unsubscribe()
            self.subscribe(config)

    def reset(self) -> None:
        """Forget all transforms but static ones, because the stamps jumped back."""
        if self._buffer is not None:
            self._buffer.clear()

    def match(self, header: Header, *, has_stamp: bool) -> TransformMatch:
        """Return the transform for an image.

        Args:
            header: of the image.
            has_stamp: whether the stamp of the image is its time; a stamp of zero would stand for
                the newest transform.
        """
        source, target = header.frame_id, self._config.target_frame
        if not target or source == target:
            return TransformMatch(IDENTITY)
        if self._buffer is None:
            return TransformMatch(problem='no images are processed')
        if not source:
            return TransformMatch(problem='the images have no frame_id')
        if not has_stamp:
            return TransformMatch(problem='the stamps of the images are zero or constant')
        self._receive_waiting()
        stamp = Time.from_msg(header.stamp)
        try:
            found = self._buffer.lookup_transform_core(target, source, stamp).transform
        except self._tf2.TransformException as error:
            problem = f'no transform from {source} to {target}: {error}'
            return TransformMatch(None, problem, self._is_ahead(target, source, stamp))
        shift, turn = found.translation, found.rotation
        return TransformMatch(
            Transform((shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))
        )

    def record(self, match: TransformMatch) -> None:
        """Count an image with or without a transform, and log why it has none."""
        if not self.is_subscribed:
            return
        self.statistics.record_image(is_transformed=match.transform is not None)
        if not match.problem:
            self._failing_since = math.inf
            return
        self._problem = match.problem
        self._failing_since = min(self._failing_since, time.monotonic())
        if self.problem:
            self._node.get_logger().warning(
                f'faces have no positions in {self.target_frame} {self.problem}',
                throttle_duration_sec=LOG_PERIOD,
            )

    def _is_ahead(self, target: str, source: str, stamp: Time) -> bool:
        """Return whether an image is newer than the newest transform."""
        try:
            newest = self._buffer.get_latest_common_time(target, source)
            return bool(newest.nanoseconds < stamp.nanoseconds)
        except self._tf2.TransformException:
            return False

    def _receive_waiting(self) -> None:
        """Read the transforms that wait in the middleware."""
        for subscription in (self._listener.tf_static_sub, self._listener.tf_sub):
            for message in waiting_messages(subscription, MAX_WAITING):
                subscription.callback(message)

"""Depth pictures and calibration on their way in, and the positions that faces get from them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
import math
import statistics
import time

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.geometry.positions import DepthImage, DepthView, Intrinsics
from face_classification_ros.pipeline import PipelineResult
from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.ros.node.input_monitor import LOG_PERIOD
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.ros.node.statistics import PositionStatistics

BUFFERED = 5
"""Depth pictures that are kept, so that a picture that took long finds its own."""

NOMINAL_FRAME_TIME = 1 / 15
"""Seconds between two depth pictures, until two have come."""

LONGEST_FRAME_TIME = 1.0
"""Seconds; a depth camera that is slower is not waited for that long."""

JITTER = 0.1
"""Share of a frame time by which stamps may be late."""

PATIENCE = 2.0
"""Seconds without any position after which that is told: one late depth picture is no news."""

FOCAL_LENGTHS = (0.01, 100.0)
"""Of a camera that can be, in longer sides of its picture: views of 179 to half a degree."""

# Encoding -> how a value lies in memory, and what a value of one meter is, after REP-118.
_ENCODINGS = {'16UC1': ('u2', 1000.0), '32FC1': ('f4', 1.0)}


def depth_from_message(message: ImageMessage) -> DepthImage:
    """Give the distances of a message without a copy.

    Args:
        message: 16UC1 in millimeters or 32FC1 in meters, any step, either byte order.

    Raises:
        ValueError: the message is malformed or no depth picture; the text is one line that names
            encoding, size, step and bytes, and what was expected.
    """
    size = len(message.data)
    refusal = (
        f'depth picture of encoding {message.encoding!r}, {message.width} x {message.height}, '
        f'step {message.step}, {size} bytes: '
    )
    if message.encoding not in _ENCODINGS:
        raise ValueError(refusal + f'expected {" or ".join(_ENCODINGS)}')
    kind, meter = _ENCODINGS[message.encoding]
    value = int(kind[1:])
    if message.width == 0 or message.height == 0:
        raise ValueError(refusal + 'is empty, expected at least 1 x 1')
    if message.step < message.width * value:
        raise ValueError(refusal + f'expected a step of at least {message.width * value}')
    if size < message.step * message.height:
        raise ValueError(refusal + f'expected at least {message.step * message.height} bytes')
    values: np.ndarray = np.ndarray(
        (message.height, message.width),
        ('>' if message.is_bigendian else '<') + kind,
        buffer=message.data,
        strides=(message.step, value),
    )
    return DepthImage(values, meter)


def intrinsics_from_message(message: CameraInfo) -> Intrinsics:
    """Give the pinhole camera of a calibration, for the picture as binning and roi leave it.

    P, the camera of the rectified picture, is taken; where it is 0, K. Its fourth column, the
    place of the second camera of a stereo pair, has no part in it: positions are in the frame of
    the picture's own camera.

    Raises:
        ValueError: there is no usable calibration; the text is one line that says why.
    """
    refusal = f'camera_info of {message.width} x {message.height}: '
    if message.width == 0 or message.height == 0:
        raise ValueError(refusal + 'the size of the picture is missing')
    p, k = message.p, message.k
    fx, fy, cx, cy = (p[0], p[5], p[2], p[6]) if p[0] else (k[0], k[4], k[2], k[5])
    longer = max(message.width, message.height)
    shortest, longest = (share * longer for share in FOCAL_LENGTHS)
    # No number compares with NaN.
    if not (
        shortest <= fx <= longest
        and shortest <= fy <= longest
        and abs(cx) <= longest
        and abs(cy) <= longest
    ):
        raise ValueError(
            refusal + f'the camera is not calibrated, fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}'
        )
    # Calibration and roi are in pixels of the full resolution, sensor_msgs/CameraInfo says.
    roi = message.roi
    width, height = roi.width or message.width, roi.height or message.height
    if roi.x_offset + width > message.width or roi.y_offset + height > message.height:
        raise ValueError(
            refusal + f'its roi reaches over the edge: {roi.width} x {roi.height} at '
            f'{roi.x_offset}, {roi.y_offset}'
        )
    x, y = 1 / (message.binning_x or 1), 1 / (message.binning_y or 1)
    return Intrinsics(
        width * x,
        height * y,
        fx * x,
        fy * y,
        (cx - roi.x_offset + 0.5) * x - 0.5,
        (cy - roi.y_offset + 0.5) * y - 0.5,
    )


@dataclass(frozen=True)
class _Stamped:
    stamp: float
    frame_id: str
    depth: DepthImage


class DepthBuffer:
    """The newest depth pictures, to be found by their stamps."""

    def __init__(self) -> None:
        """Make an empty one."""
        self._pictures: deque[_Stamped] = deque(maxlen=BUFFERED)

    def add(self, header: Header, depth: DepthImage) -> None:
        """Keep a depth picture; a stamp before the last one means that time was set back."""
        stamp = seconds(header.stamp)
        if self._pictures and stamp < self._pictures[-1].stamp:
            self._pictures.clear()
        self._pictures.append(_Stamped(stamp, header.frame_id, depth))

    @property
    def frame_time(self) -> float:
        """Seconds between two depth pictures, by their stamps."""
        stamps = [each.stamp for each in self._pictures]
        gaps = [after - before for before, after in pairwise(stamps) if after > before]
        return min(statistics.median(gaps), LONGEST_FRAME_TIME) if gaps else NOMINAL_FRAME_TIME

    def nearest(self, header: Header) -> DepthImage:
        """Give the depth picture whose stamp is nearest to that of a picture.

        Raises:
            LookupError: none is within one frame time, and a tenth of it for jitter.
            ValueError: it is in another frame than the picture, so not registered to it.
        """
        if not self._pictures:
            raise LookupError('no depth picture has come')
        stamp = seconds(header.stamp)
        # Of those that are equally near, as where all stamps are zero, the newest.
        found = min(reversed(self._pictures), key=lambda each: abs(each.stamp - stamp))
        distance = abs(found.stamp - stamp)
        if distance > self.frame_time * (1 + JITTER):
            raise LookupError(
                f'the stamp of the nearest depth picture is {distance:.3f} s away, expected at '
                f'most one frame time, {self.frame_time:.3f} s'
            )
        if found.frame_id and header.frame_id and found.frame_id != header.frame_id:
            raise ValueError(
                f'the depth picture is in frame {found.frame_id}, the picture in '
                f'{header.frame_id}: expected depth that is registered to the picture'
            )
        return found.depth


class DepthInput:
    """Subscribes to depth pictures and calibration while they are wanted, and places faces.

    Faces never wait for a depth picture: what has come by the time they are found is used, and
    that may be the one before.

    Attributes:
        counts: what came, and what came of it.
    """

    def __init__(self, node: Node) -> None:
        """Subscribe to nothing yet."""
        self._node = node
        self._parameters = NodeConfig()
        self._subscriptions: dict[str, Subscription] = {}
        self._buffer = DepthBuffer()
        self._intrinsics: Intrinsics | None = None
        self._failing_since = math.inf
        self._reason = ''
        self._view: DepthView | None = None
        self._lookup_error = ''
        # Topic -> why its newest message cannot be used.
        self._refusals: dict[str, str] = {}
        self.counts = PositionStatistics()

    @property
    def subscribed(self) -> bool:
        """Whether depth pictures are wanted and come in."""
        return bool(self._subscriptions)

    @property
    def problem(self) -> str:
        """Why what came cannot be used, or faces have had no positions for some time; or ""."""
        waited = time.monotonic() - self._failing_since
        return '; '.join(self._refusals.values()) or (self._reason if waited >= PATIENCE else '')

    def subscribe(self, parameters: NodeConfig) -> None:
        """Take depth pictures and calibration in, where the parameters want them."""
        self._parameters = parameters
        if not parameters.use_depth:
            return
        reliable = parameters.image_reliability == 'reliable'
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=BUFFERED,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        create = self._node.create_subscription
        self._subscriptions = {
            'depth': create(ImageMessage, 'depth', self._note_depth, qos),
            'camera_info': create(CameraInfo, 'camera_info', self._note_calibration, qos),
        }
        topics = [each.topic_name for each in self._subscriptions.values()]
        self._node.get_logger().info(f'positions by {" and ".join(topics)}')

    def unsubscribe(self) -> None:
        """Leave the depth camera alone, and forget what came."""
        for subscription in self._subscriptions.values():
            self._node.destroy_subscription(subscription)
        self._subscriptions = {}
        self._buffer = DepthBuffer()
        self._intrinsics = None
        self._failing_since = math.inf
        self._refusals = {}

    def apply(self, parameters: NodeConfig, *, wanted: bool) -> None:
        """Go on with other parameters; `wanted` says whether pictures come in at all."""
        before, self._parameters = self._parameters, parameters
        if wanted and (before.use_depth, before.image_reliability) != (
            parameters.use_depth,
            parameters.image_reliability,
        ):
            self.unsubscribe()
            self.subscribe(parameters)

    def view(self, header: Header) -> DepthView | None:
        """Return the depth image nearest to an image with this header, None if there is none."""
        self._view = None
        if not self.subscribed:
            return None
        self._take_what_came()
        try:
            if self._intrinsics is None:
                raise LookupError('no calibration has come')
            self._view = DepthView(self._buffer.nearest(header), self._intrinsics)
        except (LookupError, ValueError) as error:
            self._lookup_error = str(error)
        return self._view

    def record(self, result: PipelineResult) -> None:
        """Count the located faces of an image, and log why there is none."""
        if not self.subscribed or not result.faces:
            return
        located = sum(face.position is not None for face in result.faces)
        self.counts.located += located
        self.counts.unlocated += len(result.faces) - located
        reason = result.position_error
        if self._view is None:
            reason = self._lookup_error
        elif not located and self._view.depth.is_blind:
            reason = 'the depth image has no distance above 0 anywhere'
        if reason:
            self._note_failure(reason)
        else:
            self._failing_since = math.inf

    def _take_what_came(self) -> None:
        """Read the depth pictures that came while this one was worked on.

        The executor would hand them over afterwards, and most often one of them has the very
        stamp of the picture.
        """
        subscription = self._subscriptions['depth']
        for _ in range(BUFFERED):
            with subscription.handle:
                capture_time = subscription.handle.take_message(subscription.msg_type, False)
            if capture_time is None:
                return
            self._note_depth(capture_time[0])

    def _note_depth(self, message: ImageMessage) -> None:
        self.counts.depths += 1
        try:
            self._buffer.add(message.header, depth_from_message(message))
        except ValueError as error:
            self.counts.malformed += 1
            self._refusals['depth'] = str(error)
            self._node.get_logger().error(
                f'no position ({self.counts.malformed} malformed depth pictures so far): {error}',
                throttle_duration_sec=LOG_PERIOD,
            )
        else:
            self._refusals.pop('depth', None)

    def _note_calibration(self, message: CameraInfo) -> None:
        try:
            self._intrinsics = intrinsics_from_message(message)
        except ValueError as error:
            self._intrinsics = None
            self._refusals['camera_info'] = str(error)
            self._node.get_logger().error(
                f'no position: {error}', throttle_duration_sec=LOG_PERIOD
            )
        else:
            self._refusals.pop('camera_info', None)

    def _note_failure(self, reason: str) -> None:
        self._reason = reason
        self._failing_since = min(self._failing_since, time.monotonic())
        # What was refused was told as it came, and is the reason.
        if self.problem and not self._refusals:
            topics = ', '.join(each.topic_name for each in self._subscriptions.values())
            self._node.get_logger().warning(
                f'faces have no positions ({topics}): {reason}',
                throttle_duration_sec=LOG_PERIOD,
            )

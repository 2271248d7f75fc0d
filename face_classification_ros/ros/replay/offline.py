"""Process the images of a recording in this process, with the pipeline of the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from face_classification_ros.config import SettingError
from face_classification_ros.geometry.positions import DepthView, Intrinsics
from face_classification_ros.io.bag_messages import (
    CAMERA_INFO,
    MessageError,
    read_image_message,
    RecordedMessage,
)
from face_classification_ros.io.bags import Recording
from face_classification_ros.io.image_encodings import NANOSECONDS
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.pipeline import create_pipeline, FacePipeline
from face_classification_ros.ros.conversions.depth import (
    depth_from_message,
    intrinsics_from_message,
)
from face_classification_ros.ros.conversions.messages import faces_message
from face_classification_ros.ros.node.inputs.depth_buffer import DepthBuffer
from face_classification_ros.ros.node.inputs.frame_clock import FrameClock
from face_classification_ros.ros.node.inputs.rate_limit import RateLimit
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.replay.outcome import FrameOutcome, FrameStatus


class OfflineReplay:
    """Processes the images of a recording like the node, with the same parameters and results."""

    def __init__(self, config: NodeConfig) -> None:
        """Load the pipeline.

        Raises:
            FileNotFoundError, ImportError, ValueError: see `create_pipeline`.
            SettingError: there is a target frame.
        """
        if config.target_frame:
            raise SettingError('target_frame', 'an offline replay has no transforms')
        self._config = config
        self._pipeline: FacePipeline = create_pipeline(config)
        self._limit = RateLimit()
        self._clock = FrameClock()
        self._depth = RecordedDepth()

    def play(self, recording: Recording) -> Iterator[FrameOutcome]:
        """Yield what happens to each image of a recording, as fast as possible."""
        number = 0
        for message in recording.messages:
            if message.topic != recording.topic:
                self._depth.add(message)
                continue
            yield self._process(number, message)
            number += 1

    def _process(self, number: int, message: RecordedMessage) -> FrameOutcome:
        try:
            image = read_image_message(message)
        except MessageError as error:
            return FrameOutcome(number, message.time, FrameStatus.INVALID, error=str(error))
        if image.image is None:
            return FrameOutcome(number, message.time, FrameStatus.INVALID, error=str(image.error))
        if not self._limit.admit(image.stamp, self._config.max_processing_rate):
            return FrameOutcome(number, message.time, FrameStatus.RATE_LIMITED)
        view = self._depth.view(image.header) if self._config.use_depth else None
        frame_time = self._clock.time_of(image.stamp, message.time / NANOSECONDS)
        height, width = image.image.shape[:2]
        faces = self._pipeline.process_frame(
            image.image,
            frame_time.seconds,
            view,
            intrinsics=self._depth.intrinsics_for(width, height),
        ).faces
        # The processing time, which differs from run to run, stays 0.
        result = faces_message(faces, _ros_header(image.header), width, height, 0.0)
        # With the precision of the message, as a subscriber receives it.
        result = deserialize_message(serialize_message(result), FaceAttributesArray)
        return FrameOutcome(number, message.time, FrameStatus.PROCESSED, result)


class RecordedDepth:
    """Finds the depth image of each image among those that were recorded before it."""

    def __init__(self) -> None:
        """Start without depth images and calibration."""
        self._buffer = DepthBuffer()
        self._intrinsics: Intrinsics | None = None

    def add(self, message: RecordedMessage) -> None:
        """Add a depth image or a calibration; invalid ones are ignored, as in the node."""
        try:
            content = message.decode()
        except MessageError:
            return
        if message.msgtype == CAMERA_INFO:
            self._intrinsics = _valid_intrinsics(content)
            return
        try:
            self._buffer.add(content.header, depth_from_message(content))
        except ValueError:
            return

    def intrinsics_for(self, width: int, height: int) -> Intrinsics | None:
        """Return the calibration for images of a size in pixels, None if there is none."""
        if self._intrinsics is None:
            return None
        try:
            return self._intrinsics.scaled(width, height)
        except ValueError:
            return None

    def view(self, header: Any) -> DepthView | None:
        """Return depth and calibration for an image with this header, None if unknown."""
        if self._intrinsics is None:
            return None
        try:
            return DepthView(self._buffer.nearest(header), self._intrinsics)
        except (LookupError, ValueError):
            return None


def _valid_intrinsics(message: Any) -> Intrinsics | None:
    try:
        return intrinsics_from_message(message)
    except ValueError:
        return None


def _ros_header(header: Any) -> Header:
    """Return a header of rosbags as a message of ROS."""
    stamp = Time(sec=header.stamp.sec, nanosec=header.stamp.nanosec)
    return Header(stamp=stamp, frame_id=header.frame_id)

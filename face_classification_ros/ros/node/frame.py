"""Define what the node passes on for each image of the camera."""

from __future__ import annotations

from dataclasses import dataclass

from std_msgs.msg import Header

from face_classification_ros.geometry.transforms import Transform
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.types import Face, Image


@dataclass(frozen=True, slots=True)
class Frame:
    """An image of the camera.

    Attributes:
        image: uint8 H x W x 3 in BGR.
        header: of its message.
        arrival: when it arrived, in seconds of `time.perf_counter`.
    """

    image: Image
    header: Header
    arrival: float


@dataclass(frozen=True, slots=True)
class FrameResult:
    """The faces of an image of the camera, without the image itself.

    Attributes:
        faces: largest first.
        message: the same faces as they are published, with the header of the image.
        transform: from the frame of the image to that of the published positions; None if it is
            not known at the time of the image.
        stamp: time of the image in seconds, see `FrameClock`.
        capture_time: in seconds of the clock of the node: the stamp of the image, or its arrival
            where stamps are zero or constant.
    """

    faces: list[Face]
    message: FaceAttributesArray
    transform: Transform | None
    stamp: float
    capture_time: float

    @property
    def header(self) -> Header:
        """The header of the image."""
        return self.message.header

    @property
    def position_header(self) -> Header:
        """The header of what is published in the frame of the positions."""
        return Header(stamp=self.header.stamp, frame_id=self.message.position_frame_id)

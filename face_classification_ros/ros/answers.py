"""What the node found in a picture, for all parts that tell of it."""

from __future__ import annotations

from dataclasses import dataclass

from std_msgs.msg import Header

from face_classification_ros.face import Face, Image
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.messages import seconds


@dataclass(frozen=True)
class Answer:
    """A picture with its faces.

    Attributes:
        image: uint8 H x W x 3 in BGR; may share memory with the camera's message.
        faces: largest first.
        message: the same faces as they are published, with the picture's header.
    """

    image: Image
    faces: list[Face]
    message: FaceAttributesArray

    @property
    def header(self) -> Header:
        """The header of the picture."""
        return self.message.header

    @property
    def stamp(self) -> float:
        """The stamp of the picture in seconds."""
        return seconds(self.message.header.stamp)

"""Serialize and deserialize the messages of recordings without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.inference.model_zoo import PACKAGE
from face_classification_ros.io.image_encodings import (
    check_stamp,
    decode_compressed_image,
    decode_image,
    ImageError,
    NANOSECONDS,
)
from face_classification_ros.types import Image

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
"""The types of messages that contain an image."""

CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
FACES = f'{PACKAGE}/msg/FaceAttributesArray'

_DECODERS: dict[str, Any] = {RAW: decode_image, COMPRESSED: decode_compressed_image}

# These messages are the same in all distributions of ROS 2; old bags do not define them.
_TYPES = get_typestore(Stores.ROS2_JAZZY)


class MessageError(ValueError):
    """The bytes of a message are not a message of its type."""


class RecordedMessage(NamedTuple):
    """A message of a recording.

    Attributes:
        topic: its name.
        msgtype: its type, such as `RAW`.
        time: when it was recorded, in nanoseconds.
        data: serialized, CDR.
    """

    topic: str
    msgtype: str
    time: int
    data: bytes

    def decode(self) -> Any:
        """Return the message as an object with the fields of its type.

        Raises:
            MessageError: the bytes are not a message of this type.
        """
        # Invalid bytes raise several kinds of exceptions in the library.
        try:
            return _TYPES.deserialize_cdr(self.data, self.msgtype)
        except Exception as error:
            raise MessageError(one_line(error)) from error


@dataclass(frozen=True)
class RecordedImage:
    """The content of a message of type `RAW` or `COMPRESSED`.

    Attributes:
        header: std_msgs/Header of the message.
        image: uint8 H x W x 3 in BGR; None if it is invalid.
        error: why the image is invalid, None if it is valid.
    """

    header: Any
    image: Image | None
    error: ImageError | None

    @property
    def stamp(self) -> float:
        """Stamp of the header in seconds."""
        stamp = self.header.stamp
        return float(stamp.sec + stamp.nanosec / NANOSECONDS)


def read_image_message(message: RecordedMessage) -> RecordedImage:
    """Return the header and image of a message of type `RAW` or `COMPRESSED`.

    Raises:
        MessageError: not even its header can be read.
    """
    content = message.decode()
    stamp = content.header.stamp
    try:
        check_stamp(stamp.sec, stamp.nanosec)
        return RecordedImage(content.header, _DECODERS[message.msgtype](content), None)
    except ImageError as error:
        return RecordedImage(content.header, None, error)


def serialize_image(image: Image, stamp: int, frame_id: str, *, compressed: bool) -> bytes:
    """Return a serialized message of an image.

    Args:
        image: uint8 H x W x 3 in BGR.
        stamp: stamp of its header, in nanoseconds.
        frame_id: frame of its header.
        compressed: as a JPEG in a message of type `COMPRESSED`, or as bgr8 in one of type `RAW`.
    """
    types = _TYPES.types
    seconds, nanoseconds = divmod(stamp, NANOSECONDS)
    time = types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds)
    header = types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)
    if compressed:
        _, encoded = cv2.imencode('.jpg', image)
        message = types[COMPRESSED](
            header=header, format='bgr8; jpeg compressed bgr8', data=encoded.ravel()
        )
        return bytes(_TYPES.serialize_cdr(message, COMPRESSED))
    height, width = image.shape[:2]
    message = types[RAW](
        header=header,
        height=height,
        width=width,
        encoding='bgr8',
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(image).ravel(),
    )
    return bytes(_TYPES.serialize_cdr(message, RAW))


def one_line(error: Exception) -> str:
    """Return the text of an exception in one line."""
    return ' '.join(str(error).split()) or type(error).__name__

"""Make messages of depth images and calibrations."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.geometry.positions import Intrinsics

Message = TypeVar('Message')

# The face in `HEAD` is 90 pixels wide, which is 15 cm at 1.2 m with this focal length.
CAMERA = Intrinsics(200, 200, 720.0, 720.0, 101.0, 97.0)


def depth_message(
    values: NDArray[np.float32],
    encoding: str = '32FC1',
    *,
    big_endian: bool = False,
    padding: int = 0,
) -> ImageMessage:
    """Return a message of distances in meters, with some bytes after each row."""
    kind, factor = {'16UC1': ('u2', 1000), '32FC1': ('f4', 1)}[encoding]
    pixels = np.ascontiguousarray((values * factor).astype(('>' if big_endian else '<') + kind))
    rows = pixels.view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    height, width = values.shape
    message = ImageMessage(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.is_bigendian = int(big_endian)
    message.data.frombytes(np.ascontiguousarray(rows))
    return message


def wall(height: int, width: int, distance: float = 1.2) -> ImageMessage:
    """Return a depth image of a wall."""
    return depth_message(np.full((height, width), distance, np.float32))


def camera_info(intrinsics: Intrinsics = CAMERA) -> CameraInfo:
    """Return the calibration of a rectified image."""
    message = CameraInfo(width=int(intrinsics.width), height=int(intrinsics.height))
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    message.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    # Different, as that of the image before rectification.
    message.k = [fx * 2, 0.0, cx, 0.0, fy * 2, cy, 0.0, 0.0, 1.0]
    return message


def changed(message: Message, **values: object) -> Message:
    """Change fields of a message, and return it."""
    for name, value in values.items():
        setattr(message, name, value)
    return message

"""Convert images between ROS messages and BGR arrays, with cv_bridge where it works."""

from __future__ import annotations

from dataclasses import dataclass
import functools
import importlib.util
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.io.image_encodings import (
    check_stamp,
    convert_with_opencv,
    decode_compressed_image,
    decode_image,
    Layout,
    ToBgr,
)
from face_classification_ros.types import Image

# With the youngest encoding that cv_bridge has to know.
_PROBE = """
import cv2, numpy
from cv_bridge import CvBridge
message = CvBridge().cv2_to_imgmsg(numpy.zeros((1, 2, 2), numpy.uint8), 'yuv422_yuy2')
CvBridge().imgmsg_to_cv2(message, 'bgr8')
"""


@dataclass(frozen=True, slots=True)
class Converter:
    """Converts encodings to BGR; all converters return equal images.

    Attributes:
        name: `cv_bridge` or `OpenCV`.
        to_bgr: see `decode_image`.
        cv_bridge_error: why an installed cv_bridge is not used, "" otherwise.
    """

    name: str
    to_bgr: ToBgr
    cv_bridge_error: str = ''


@functools.cache
def converter() -> Converter:
    """Return the converter of this machine: cv_bridge if it is installed and works, or OpenCV.

    A cv_bridge built against numpy 1 can be imported next to numpy 2, but its first conversion
    crashes the process, so it is tried in a child process.
    """
    if importlib.util.find_spec('cv_bridge') is None:
        return Converter('OpenCV', convert_with_opencv)
    probe = subprocess.run([sys.executable, '-c', _PROBE], capture_output=True, text=True)
    if probe.returncode == 0:
        return Converter('cv_bridge', convert_with_cv_bridge)
    lines = probe.stderr.strip().splitlines() or [f'exit code {probe.returncode}']
    return Converter('OpenCV', convert_with_opencv, lines[-1])


def convert_with_cv_bridge(pixels: NDArray[Any], layout: Layout) -> Image:
    """Return pixels as uint8 H x W x 3 in BGR, see `decode_image`."""
    from cv_bridge import CvBridge

    # cv_bridge gets packed pixels in native byte order under a name that it knows: it shears rows
    # whose step is not a multiple of a pixel, needs numpy 1 for the other byte order, and does not
    # know uyvy, yuyv and the colors of 8UC1 and 8UC4.
    height, width = pixels.shape[:2]
    message = ImageMessage(height=height, width=width, encoding=layout.name)
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = width * layout.channels * layout.bytes_per_value
    message.data.frombytes(np.ascontiguousarray(pixels).view(np.uint8))
    return np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding='bgr8'), np.uint8)


def image_from_message(message: ImageMessage | CompressedImage) -> Image:
    """Return the image of a message, uint8 H x W x 3 in BGR.

    Raises:
        ImageError: see `check_stamp`, `decode_image` and `decode_compressed_image`.
    """
    stamp = message.header.stamp
    check_stamp(stamp.sec, stamp.nanosec)
    if isinstance(message, CompressedImage):
        return decode_compressed_image(message)
    return decode_image(message, converter().to_bgr)


def image_to_message(image: Image, header: Header) -> ImageMessage:
    """Return a bgr8 message with a copy of an image.

    Args:
        image: uint8 H x W x 3 in BGR; need not be contiguous.
        header: of the message.
    """
    height, width = image.shape[:2]
    message = ImageMessage(header=header, height=height, width=width)
    message.encoding = 'bgr8'
    message.step = width * 3
    # One copy of memory. Assigning to `data` copies a second time, and older distributions check
    # each byte of anything that is not an array.array, which takes 100 ms.
    message.data.frombytes(np.ascontiguousarray(image))
    return message


def image_to_compressed(image: Image, header: Header, quality: int = 80) -> CompressedImage:
    """Return a JPEG message of an image.

    Args:
        image: uint8 H x W x 3 in BGR.
        header: of the message.
        quality: of the JPEG, 0 to 100.
    """
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    _, encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message.data.frombytes(encoded)
    return message

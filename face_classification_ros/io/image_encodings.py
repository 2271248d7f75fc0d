"""Decode the images of messages, raw or compressed, into BGR without ROS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import struct
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros import MAX_PIXELS
from face_classification_ros.types import Image

NANOSECONDS = 1_000_000_000
"""Nanoseconds in a second."""

DEPTH_ENCODINGS = ('16UC1', '32FC1')

ImageErrorCode = Literal[
    'unknown_encoding',
    'depth_image',
    'empty',
    'step_too_small',
    'data_too_short',
    'odd_width',
    'not_jpeg_or_png',
    'invalid_size',
    'corrupt',
    'invalid_stamp',
]
"""The kinds of problems of a message."""


class ImageError(ValueError):
    """A message contains no valid image.

    The text is one line with the fields of the message, the problem and what is expected.

    Attributes:
        code: the kind of problem.
    """

    def __init__(self, message: str, code: ImageErrorCode, problem: str) -> None:
        """Combine a description of the message with its problem."""
        super().__init__(f'{message}: {problem}')
        self.code = code


class RawMessage(Protocol):
    """The fields of a sensor_msgs/Image that are decoded.

    Attributes:
        data: any object with a buffer of bytes.
    """

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedMessage(Protocol):
    """The fields of a sensor_msgs/CompressedImage that are decoded.

    Attributes:
        data: any object with a buffer of bytes.
    """

    format: str
    data: Any


@dataclass(frozen=True, slots=True)
class Layout:
    """The memory layout of an encoding.

    Attributes:
        name: name of the encoding as every version of cv_bridge knows it.
        channels: values per pixel.
        to_bgr: OpenCV's conversion to BGR; None if the bytes are BGR.
        bytes_per_value: 1 or 2.
    """

    name: str
    channels: int
    to_bgr: int | None
    bytes_per_value: int = 1


# ROS names a Bayer pattern by the first two pixels of its first two rows, OpenCV by the second
# and third pixel of its second row: rggb in ROS is BG in OpenCV. The encodings 8UC1, 8UC3 and 8UC4
# do not define their colors; programs that use OpenCV publish them, so they are read in its order:
# gray, BGR, BGRA.
_LAYOUTS = {
    'bgr8': Layout('bgr8', 3, None),
    'rgb8': Layout('rgb8', 3, cv2.COLOR_RGB2BGR),
    'bgra8': Layout('bgra8', 4, cv2.COLOR_BGRA2BGR),
    'rgba8': Layout('rgba8', 4, cv2.COLOR_RGBA2BGR),
    'mono8': Layout('mono8', 1, cv2.COLOR_GRAY2BGR),
    'mono16': Layout('mono16', 1, cv2.COLOR_GRAY2BGR, bytes_per_value=2),
    'yuv422': Layout('yuv422', 2, cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': Layout('yuv422', 2, cv2.COLOR_YUV2BGR_UYVY),
    'yuv422_yuy2': Layout('yuv422_yuy2', 2, cv2.COLOR_YUV2BGR_YUY2),
    'yuyv': Layout('yuv422_yuy2', 2, cv2.COLOR_YUV2BGR_YUY2),
    'bayer_rggb8': Layout('bayer_rggb8', 1, cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': Layout('bayer_bggr8', 1, cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': Layout('bayer_gbrg8', 1, cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': Layout('bayer_grbg8', 1, cv2.COLOR_BayerGB2BGR),
    '8UC1': Layout('mono8', 1, cv2.COLOR_GRAY2BGR),
    '8UC3': Layout('bgr8', 3, None),
    '8UC4': Layout('bgra8', 4, cv2.COLOR_BGRA2BGR),
}

ENCODINGS = tuple(_LAYOUTS)
"""The encodings that `decode_image` reads."""

ToBgr = Callable[[NDArray[Any], Layout], Image]
"""Converts pixels, H x W or H x W x channels, of a layout that is not BGR."""


def convert_with_opencv(pixels: NDArray[Any], layout: Layout) -> Image:
    """Return pixels as uint8 H x W x 3 in BGR; 16 bits are scaled to 8 and rounded."""
    assert layout.to_bgr is not None
    if pixels.dtype == np.uint16:
        pixels = _to_8_bit(pixels)
    return np.asarray(cv2.cvtColor(pixels, layout.to_bgr), np.uint8)


def decode_image(message: RawMessage, to_bgr: ToBgr = convert_with_opencv) -> Image:
    """Return the image of a message in BGR.

    Args:
        message: any of `ENCODINGS`, any `step`, either byte order; not changed.
        to_bgr: converts the pixels of encodings that are not BGR.

    Returns:
        uint8 H x W x 3. For bgr8 and 8UC3 a read-only view of the memory of the message, with the
        step of the message between its rows; otherwise a new array. mono16 is scaled from 0..65535
        to 0..255 and rounded, as cv_bridge does.

    Raises:
        ImageError: the message is invalid, has an unknown encoding or is a depth image.
    """
    layout = _checked_layout(message)
    pixels = _pixels(message, layout)
    return pixels if layout.to_bgr is None else to_bgr(pixels, layout)


def decode_compressed_image(message: CompressedMessage) -> Image:
    """Return the JPEG or PNG of a message, 8 or 16 bits, gray, color or with alpha, in BGR.

    The pixels stay as they are stored, as in image_transport: a rotation in EXIF data is not
    applied, since the calibration of the camera refers to the stored pixels. Alpha is dropped.

    Args:
        message: its `format` is "jpeg" or "png", or as image_transport writes it, such as
            "rgb8; jpeg compressed bgr8".

    Returns:
        uint8 H x W x 3; 16 bits are scaled as in `decode_image`.

    Raises:
        ImageError: a depth image, neither JPEG nor PNG, truncated, corrupt, or of more than
            `MAX_PIXELS` pixels, which is checked in its header before memory is allocated.
    """
    data = bytes(message.data)
    source, _, stored = message.format.partition(';')
    text = f'compressed image with format {message.format!r}, {len(data)} bytes'
    if 'compressedDepth' in stored or source.strip() in DEPTH_ENCODINGS:
        raise ImageError(text, 'depth_image', 'is a depth image, expected a color or gray image')
    width, height = _compressed_size(data, text)
    size = f'{width} x {height} in its header'
    if not 0 < width * height <= MAX_PIXELS:
        raise ImageError(text, 'invalid_size', f'{size}, expected 1 to {MAX_PIXELS} pixels')
    corrupt = ImageError(text, 'corrupt', f'is corrupt, {size}')
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    except cv2.error as error:
        raise corrupt from error
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16):
        raise corrupt
    image = _to_8_bit(decoded) if decoded.dtype == np.uint16 else np.asarray(decoded, np.uint8)
    # The encoder of OpenCV expects BGR. Publishers before 2013 passed RGB and wrote so.
    if 'compressed rgb' in stored:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    return image


def check_stamp(sec: int, nanosec: int) -> None:
    """Check the stamp of a message.

    Raises:
        ImageError: it has more nanoseconds than a second, so the sum might not fit into a message.
    """
    if nanosec >= NANOSECONDS:
        text = f'stamp of {sec} s and {nanosec} ns'
        raise ImageError(text, 'invalid_stamp', f'expected fewer than {NANOSECONDS} ns')


def _checked_layout(message: RawMessage) -> Layout:
    """Return the layout of a message, or raise an ImageError if the message does not match it."""
    size = len(message.data)
    text = (
        f'image with encoding {message.encoding!r}, {message.width} x {message.height}, '
        f'step {message.step}, {size} bytes'
    )
    layout = _LAYOUTS.get(message.encoding)
    if message.encoding in DEPTH_ENCODINGS:
        raise ImageError(text, 'depth_image', 'is a depth image, expected a color or gray image')
    if layout is None:
        expected = ', '.join(ENCODINGS)
        raise ImageError(text, 'unknown_encoding', f'unknown encoding, expected one of {expected}')
    if message.width == 0 or message.height == 0:
        raise ImageError(text, 'empty', 'is empty, expected at least 1 x 1')
    row = message.width * layout.channels * layout.bytes_per_value
    if message.step < row:
        raise ImageError(text, 'step_too_small', f'expected a step of at least {row}')
    expected_size = message.step * message.height
    if size < expected_size:
        raise ImageError(text, 'data_too_short', f'expected at least {expected_size} bytes')
    if layout.name.startswith('yuv422') and message.width % 2:
        raise ImageError(text, 'odd_width', 'expected an even width: two pixels share their color')
    return layout


def _pixels(message: RawMessage, layout: Layout) -> NDArray[Any]:
    """Return the pixels of a valid message in native byte order, H x W (x channels).

    8-bit pixels are a read-only view with the step between rows, 16-bit ones a copy, since OpenCV
    accepts neither the other byte order nor an odd step.
    """
    shape: tuple[int, ...] = (message.height, message.width)
    strides: tuple[int, ...] = (message.step, layout.channels * layout.bytes_per_value)
    if layout.channels > 1:
        shape += (layout.channels,)
        strides += (layout.bytes_per_value,)
    order = '>' if message.is_bigendian else '<'
    pixels: NDArray[Any] = np.ndarray(
        shape, f'{order}u{layout.bytes_per_value}', buffer=message.data, strides=strides
    )
    if layout.bytes_per_value == 2:
        return pixels.astype(np.uint16)
    pixels.flags.writeable = False
    return pixels


def _to_8_bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16 bits, 0..65535, to 0..255 and round."""
    return np.asarray(cv2.convertScaleAbs(image, alpha=255 / 65535), np.uint8)


def _compressed_size(data: bytes, text: str) -> tuple[int, int]:
    """Return width and height from the header of a complete JPEG or PNG.

    Args:
        data: the file.
        text: describes the message in an ImageError.
    """
    if data.startswith(b'\x89PNG\r\n\x1a\n') and len(data) >= 24:
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    if not data.startswith(b'\xff\xd8'):
        raise ImageError(text, 'not_jpeg_or_png', 'expected a JPEG or a PNG')
    # A JPEG is a sequence of segments, each with ff, marker and length; c0 to cf contain the size
    # of the image, except for c4, c8 and cc. ff may be repeated as padding.
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            # OpenCV before 4.11 fills a truncated JPEG with gray.
            if data.find(b'\xff\xd9', at) < 0:
                break
            height, width = struct.unpack_from('>HH', data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from('>H', data, at + 2)[0]
    raise ImageError(text, 'corrupt', 'is a JPEG that is truncated or corrupt')

"""Convert images between ROS messages and BGR arrays; a malformed one is a ValueError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
import functools
import importlib.util
import struct
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros import MAX_PIXELS
from face_classification_ros.types import Image

_DEPTH_ENCODINGS = ('16UC1', '32FC1')


@dataclass(frozen=True, slots=True)
class _Layout:
    """The memory layout of the pixels of an encoding.

    Attributes:
        name: of the encoding, as every version of cv_bridge knows it.
        channels: values per pixel.
        to_bgr: code of the conversion to BGR in OpenCV, None if the bytes are BGR already.
        bytes_per_value: 1 or 2.
    """

    name: str
    channels: int
    to_bgr: int | None
    bytes_per_value: int = 1


# ROS names a Bayer pattern by the first two pixels of its first two rows, OpenCV by the second
# and third pixel of its second row: rggb of ROS is BG of OpenCV. The encodings 8UC1, 8UC3 and 8UC4
# do not define a color; OpenCV programs use them by default, so they have the order of OpenCV:
# gray, BGR, BGRA.
_LAYOUTS = {
    'bgr8': _Layout('bgr8', 3, None),
    'rgb8': _Layout('rgb8', 3, cv2.COLOR_RGB2BGR),
    'bgra8': _Layout('bgra8', 4, cv2.COLOR_BGRA2BGR),
    'rgba8': _Layout('rgba8', 4, cv2.COLOR_RGBA2BGR),
    'mono8': _Layout('mono8', 1, cv2.COLOR_GRAY2BGR),
    'mono16': _Layout('mono16', 1, cv2.COLOR_GRAY2BGR, bytes_per_value=2),
    'yuv422': _Layout('yuv422', 2, cv2.COLOR_YUV2BGR_UYVY),
    'uyvy': _Layout('yuv422', 2, cv2.COLOR_YUV2BGR_UYVY),
    'yuv422_yuy2': _Layout('yuv422_yuy2', 2, cv2.COLOR_YUV2BGR_YUY2),
    'yuyv': _Layout('yuv422_yuy2', 2, cv2.COLOR_YUV2BGR_YUY2),
    'bayer_rggb8': _Layout('bayer_rggb8', 1, cv2.COLOR_BayerBG2BGR),
    'bayer_bggr8': _Layout('bayer_bggr8', 1, cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg8': _Layout('bayer_gbrg8', 1, cv2.COLOR_BayerGR2BGR),
    'bayer_grbg8': _Layout('bayer_grbg8', 1, cv2.COLOR_BayerGB2BGR),
    '8UC1': _Layout('mono8', 1, cv2.COLOR_GRAY2BGR),
    '8UC3': _Layout('bgr8', 3, None),
    '8UC4': _Layout('bgra8', 4, cv2.COLOR_BGRA2BGR),
}

ENCODINGS = tuple(_LAYOUTS)
"""The encodings that `image_from_message` reads."""


@dataclass(frozen=True, slots=True)
class Converter:
    """A conversion of pixels to BGR; all converters return equal images.

    Attributes:
        name: for the log.
        to_bgr: function of the pixels, H x W or H x W x channels, and their layout.
    """

    name: str
    to_bgr: Callable[[NDArray[Any], _Layout], Image]


def _convert_with_opencv(pixels: NDArray[Any], layout: _Layout) -> Image:
    assert layout.to_bgr is not None
    if pixels.dtype == np.uint16:
        pixels = _to_8_bit(pixels)
    return np.asarray(cv2.cvtColor(pixels, layout.to_bgr), np.uint8)


def _convert_with_cv_bridge(pixels: NDArray[Any], layout: _Layout) -> Image:
    from cv_bridge import CvBridge

    # cv_bridge gets packed pixels in the byte order of this machine and with a name that it knows:
    # it distorts rows whose step is not a multiple of a pixel, needs a numpy below 2 for the other
    # byte order, and does not know uyvy, yuyv and the colors of 8UC1 and 8UC4.
    height, width = pixels.shape[:2]
    message = ImageMessage(height=height, width=width, encoding=layout.name)
    message.is_bigendian = int(sys.byteorder == 'big')
    message.step = width * layout.channels * layout.bytes_per_value
    message.data.frombytes(np.ascontiguousarray(pixels).view(np.uint8))
    return np.asarray(CvBridge().imgmsg_to_cv2(message, desired_encoding='bgr8'), np.uint8)


OWN = Converter('own', _convert_with_opencv)
CV_BRIDGE = Converter('cv_bridge', _convert_with_cv_bridge)

# Uses the newest of the encodings that cv_bridge converts, so that an old cv_bridge fails, too.
_PROBE = """
import array
import cv2
from cv_bridge import CvBridge
from sensor_msgs.msg import Image
black = array.array('B', [16, 128, 16, 128])
message = Image(height=1, width=2, encoding='yuv422_yuy2', step=4, data=black)
raise SystemExit(CvBridge().imgmsg_to_cv2(message, 'bgr8').tolist() != [[[0] * 3] * 2])
"""


@functools.cache
def converter() -> Converter:
    """Return cv_bridge if it is installed and works, else the conversion of this module.

    A cv_bridge that was built for numpy 1 can be imported together with numpy 2, and its first
    conversion ends the process with a segmentation fault, which cannot be caught. If cv_bridge is
    installed, a child process therefore converts two pixels first.

    Returns:
        A converter whose name includes the reason why an installed cv_bridge is not used.
    """
    if importlib.util.find_spec('cv_bridge') is None:
        return OWN
    probe = subprocess.run([sys.executable, '-c', _PROBE], capture_output=True, text=True)
    if probe.returncode == 0:
        return CV_BRIDGE
    reason = (probe.stderr.strip().splitlines() or [f'exit code {probe.returncode}'])[-1]
    return replace(OWN, name=f'{OWN.name}, cv_bridge does not work here: {reason}')


def image_from_message(message: ImageMessage, using: Converter | None = None) -> Image:
    """Return the image of a message in BGR.

    Args:
        message: any of `ENCODINGS`, any `step`, either byte order; not changed.
        using: converter; by default the one that `converter` returns.

    Returns:
        uint8, H x W x 3. For bgr8 and 8UC3 a read-only view of the memory of the message, with its
        step between the rows; otherwise a new array. mono16 is scaled from 0..65535 to 0..255 and
        rounded, as cv_bridge does.

    Raises:
        ValueError: the message is malformed, of an unknown encoding or a depth image; the text is
            one line that names encoding, size, step, number of bytes and what was expected.
    """
    layout = _validated_layout(message)
    pixels = _pixels(message, layout)
    if layout.to_bgr is None:
        return pixels
    return (using or converter()).to_bgr(pixels, layout)


def image_from_compressed(message: CompressedImage) -> Image:
    """Decode a JPEG or PNG message, of 8 or 16 bits, gray, color or with alpha, to BGR.

    A rotation in EXIF data is not applied, so that the pixels agree with the calibration of the
    camera; image_transport does the same. Alpha is dropped.

    Args:
        message: its `format` is "jpeg", "png" or that of image_transport, such as
            "rgb8; jpeg compressed bgr8".

    Returns:
        uint8, H x W x 3; 16 bits are scaled as in `image_from_message`.

    Raises:
        ValueError: a depth image, neither JPEG nor PNG, truncated, corrupt, or of more than
            `MAX_PIXELS` pixels, which its header says before memory is allocated.
    """
    data = bytes(message.data)
    source, _, stored = message.format.partition(';')
    problem = f'compressed image of format {message.format!r}, {len(data)} bytes: '
    if 'compressedDepth' in stored or source.strip() in _DEPTH_ENCODINGS:
        raise ValueError(problem + 'is a depth image, expected a color or gray one')
    width, height = _compressed_size(data, problem)
    if not 0 < width * height <= MAX_PIXELS:
        raise ValueError(
            problem + f'its header says {width} x {height}, expected 1 to {MAX_PIXELS} pixels'
        )
    corrupt = problem + f'is corrupt, its header says {width} x {height}'
    try:
        decoded = cv2.imdecode(
            np.frombuffer(data, np.uint8),
            cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION,
        )
    except cv2.error as error:
        raise ValueError(corrupt) from error
    if decoded is None or decoded.dtype not in (np.uint8, np.uint16):
        raise ValueError(corrupt)
    image = _to_8_bit(decoded) if decoded.dtype == np.uint16 else np.asarray(decoded, np.uint8)
    # Senders before 2013 stored RGB although the encoder of OpenCV expects BGR, and declared it.
    if 'compressed rgb' in stored:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
    return image


def image_to_message(image: Image, header: Header) -> ImageMessage:
    """Return a bgr8 message with a copy of an image.

    Args:
        image: uint8, H x W x 3, in BGR; need not be contiguous.
        header: of the message.
    """
    height, width = image.shape[:2]
    message = ImageMessage(header=header, height=height, width=width)
    message.encoding = 'bgr8'
    message.step = width * 3
    # One copy of memory. Assigning to `data` copies twice, and older distributions check each byte
    # of anything but an array.array, which takes 100 ms.
    message.data.frombytes(np.ascontiguousarray(image))
    return message


def image_to_compressed(image: Image, header: Header, quality: int = 80) -> CompressedImage:
    """Return a JPEG message of an image.

    Args:
        image: uint8, H x W x 3, in BGR.
        header: of the message.
        quality: of the JPEG, 0 to 100.
    """
    message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
    _, encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    message.data.frombytes(encoded)
    return message


def _validated_layout(message: ImageMessage) -> _Layout:
    """Return the layout of the pixels of a message; a ValueError says why it is malformed."""
    size = len(message.data)
    problem = (
        f'image of encoding {message.encoding!r}, {message.width} x {message.height}, '
        f'step {message.step}, {size} bytes: '
    )
    layout = _LAYOUTS.get(message.encoding)
    if message.encoding in _DEPTH_ENCODINGS:
        raise ValueError(problem + 'is a depth image, expected a color or gray one')
    if layout is None:
        raise ValueError(problem + f'unknown encoding, expected one of {", ".join(ENCODINGS)}')
    if message.width == 0 or message.height == 0:
        raise ValueError(problem + 'is empty, expected at least 1 x 1')
    row = message.width * layout.channels * layout.bytes_per_value
    if message.step < row:
        raise ValueError(problem + f'expected a step of at least {row}')
    if size < message.step * message.height:
        raise ValueError(problem + f'expected at least {message.step * message.height} bytes')
    if layout.name.startswith('yuv422') and message.width % 2:
        raise ValueError(problem + 'expected an even width, two pixels share their color')
    return layout


def _pixels(message: ImageMessage, layout: _Layout) -> NDArray[Any]:
    """Return the pixels of a valid message in the byte order of this machine, H x W (x channels).

    8-bit pixels are a read-only view with the step between rows, 16-bit ones a copy: OpenCV
    supports neither the other byte order nor an odd step.
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


def _compressed_size(data: bytes, problem: str) -> tuple[int, int]:
    """Read width and height from the header of a complete JPEG or PNG.

    `problem` is the beginning of the text of a ValueError.
    """
    if data.startswith(b'\x89PNG\r\n\x1a\n') and len(data) >= 24:
        width, height = struct.unpack_from('>II', data, 16)
        return width, height
    if not data.startswith(b'\xff\xd8'):
        raise ValueError(problem + 'expected a JPEG or a PNG')
    # A JPEG is a sequence of segments, each of ff, marker, length; c0 to cf have the size of the
    # image, except for c4, c8 and cc. ff may be repeated as padding.
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            # OpenCV before 4.11 pads a truncated JPEG with gray.
            if data.find(b'\xff\xd9', at) < 0:
                break
            height, width = struct.unpack_from('>HH', data, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from('>H', data, at + 2)[0]
    raise ValueError(problem + 'is a truncated or corrupt JPEG')

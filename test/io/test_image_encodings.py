"""Images of messages are decoded: every encoding at any step, compressed and invalid ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
import tracemalloc
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.io.image_encodings import (
    decode_compressed_image,
    decode_image,
    ENCODINGS,
    ImageError,
)

HEIGHT, WIDTH = 6, 8
BGR = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GRAY = BGR[..., 0]
ALPHA = BGR[..., 1:2]
SAME_GRAY = np.repeat(GRAY[..., None], 3, axis=2)

# Encoding, published pixels, decoded pixels.
PLAIN = [
    ('bgr8', BGR, BGR),
    ('8UC3', BGR, BGR),
    ('rgb8', BGR[..., ::-1], BGR),
    ('bgra8', np.dstack([BGR, ALPHA]), BGR),
    ('8UC4', np.dstack([BGR, ALPHA]), BGR),
    ('rgba8', np.dstack([BGR[..., ::-1], ALPHA]), BGR),
    ('mono8', GRAY, SAME_GRAY),
    ('8UC1', GRAY, SAME_GRAY),
]
PLAIN_IDS = [case[0] for case in PLAIN]

# The first 2 x 2 pixels of each pattern.
BAYER = {
    'bayer_rggb8': ('rg', 'gb'),
    'bayer_bggr8': ('bg', 'gr'),
    'bayer_gbrg8': ('gb', 'rg'),
    'bayer_grbg8': ('gr', 'bg'),
}

# Order of luminance, blue and red difference of two pixels in four bytes.
YUV = {'yuv422': 'uyvy', 'uyvy': 'uyvy', 'yuv422_yuy2': 'yuyv', 'yuyv': 'yuyv'}

COLORS = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0), 'skin': (140, 170, 224)}


@dataclass
class RawImage:
    """A sensor_msgs/Image without ROS."""

    encoding: str = 'bgr8'
    height: int = HEIGHT
    width: int = WIDTH
    step: int = 0
    is_bigendian: int = 0
    data: Any = b''


@dataclass
class CompressedImage:
    """A sensor_msgs/CompressedImage without ROS."""

    format: str
    data: Any = field(repr=False)


def message_of(
    pixels: NDArray[np.uint8], encoding: str, *, width: int = WIDTH, padding: int = 0
) -> RawImage:
    """Return a message whose rows end in `padding` random bytes."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    noise = np.random.default_rng(1).integers(0, 256, (len(rows), padding), dtype=np.uint8)
    data = bytearray(np.hstack([rows, noise]).tobytes())
    return RawImage(encoding, len(rows), width, rows.shape[1] + padding, data=data)


def yuv_message(color: tuple[int, int, int], encoding: str, padding: int = 0) -> RawImage:
    """Return a message of one color in YUV 4:2:2 by the formula of BT.601."""
    blue, green, red = color
    values = {
        'y': 16 + 0.257 * red + 0.504 * green + 0.098 * blue,
        'u': 128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        'v': 128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    }
    pair = np.array([round(values[letter]) for letter in YUV[encoding]], np.uint8)
    return message_of(np.tile(pair, (HEIGHT, WIDTH // 2)), encoding, padding=padding)


def bayer_message(color: tuple[int, int, int], encoding: str, padding: int = 0) -> RawImage:
    """Return a message of one color from a sensor with a color mosaic."""
    value = dict(zip('bgr', color, strict=True))
    tile = np.array([[value[letter] for letter in row] for row in BAYER[encoding]], np.uint8)
    return message_of(np.tile(tile, (HEIGHT // 2, WIDTH // 2)), encoding, padding=padding)


def mono16_message(values: NDArray[np.int64], *, is_bigendian: bool, padding: int = 0) -> RawImage:
    """Return a message of 16-bit values in one byte order."""
    raw = values.astype('>u2' if is_bigendian else '<u2').view(np.uint8)
    message = message_of(raw, 'mono16', width=values.shape[1], padding=padding)
    return replace(message, is_bigendian=int(is_bigendian))


# Raw images


@pytest.mark.parametrize('padding', [0, 1, 7, 24])
@pytest.mark.parametrize(('encoding', 'published', 'expected'), PLAIN, ids=PLAIN_IDS)
def test_plain_encodings_are_decoded_at_any_step(
    encoding: str, published: NDArray[np.uint8], expected: NDArray[np.uint8], padding: int
) -> None:
    """Channels are in the order blue, green, red, and padding does not count as pixels."""
    image = decode_image(message_of(published, encoding, padding=padding))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(('encoding', 'published', 'expected'), PLAIN, ids=PLAIN_IDS)
def test_byte_order_is_ignored_for_8_bits(
    encoding: str, published: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> None:
    """The 8-bit image of a big-endian camera is decoded like any other."""
    message = replace(message_of(published, encoding), is_bigendian=1)
    np.testing.assert_array_equal(decode_image(message), expected)


@pytest.mark.parametrize('padding', [0, 1, 2, 5])
@pytest.mark.parametrize('is_bigendian', [False, True])
def test_mono16_is_scaled_and_rounded(is_bigendian: bool, padding: int) -> None:
    """All 65536 values become value / 257, rounded, in both byte orders."""
    values = np.arange(65536).reshape(256, 256)
    image = decode_image(mono16_message(values, is_bigendian=is_bigendian, padding=padding))
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], (values + 128) // 257)


@pytest.mark.parametrize('padding', [0, 1, 4])
@pytest.mark.parametrize('color', COLORS.values(), ids=COLORS)
@pytest.mark.parametrize('encoding', YUV)
def test_yuv422_keeps_its_colors(encoding: str, color: tuple[int, int, int], padding: int) -> None:
    """Both byte orders, under their old and new names."""
    image = decode_image(yuv_message(color, encoding, padding))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


@pytest.mark.parametrize('padding', [0, 1, 3])
@pytest.mark.parametrize('color', COLORS.values(), ids=COLORS)
@pytest.mark.parametrize('encoding', BAYER)
def test_bayer_keeps_its_colors(encoding: str, color: tuple[int, int, int], padding: int) -> None:
    """Red stays red, although ROS and OpenCV name the patterns differently."""
    image = decode_image(bayer_message(color, encoding, padding))
    np.testing.assert_array_equal(image, np.broadcast_to(color, (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize('padding', [0, 1, 3])
def test_bgr8_is_a_read_only_view_of_the_message(padding: int) -> None:
    """BGR is not copied, and the view cannot change the message."""
    message = message_of(BGR, 'bgr8', padding=padding)
    image = decode_image(message)
    assert np.shares_memory(image, np.frombuffer(message.data, np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0] = 0


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_message_is_not_changed(encoding: str) -> None:
    """Decoding leaves every byte and field of the message as it is."""
    pixel_bytes = {'yuv': 2, 'uyv': 2, 'yuy': 2}.get(encoding[:3], 4)
    noise = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH * pixel_bytes), np.uint8)
    message, same = message_of(noise, encoding), message_of(noise, encoding)
    decode_image(message)
    assert message == same


def test_twelve_megapixels() -> None:
    """An image of 4000 x 3000 is decoded like a small one."""
    message = message_of(np.full((3000, 4000, 3), (30, 20, 10), np.uint8), 'rgb8', width=4000)
    image = decode_image(message)
    assert image.shape == (3000, 4000, 3)
    assert image[2999, 3999].tolist() == [10, 20, 30]


@pytest.mark.parametrize(
    ('fields', 'code', 'expected'),
    [
        ({'encoding': 'h264'}, 'unknown_encoding', 'bgr8, rgb8, '),
        ({'encoding': ''}, 'unknown_encoding', 'bgr8, rgb8, '),
        ({'encoding': '16UC1'}, 'depth_image', 'color or gray'),
        ({'encoding': '32FC1'}, 'depth_image', 'color or gray'),
        ({'step': 0}, 'step_too_small', '24'),
        ({'step': 23}, 'step_too_small', '24'),
        ({'height': 7}, 'data_too_short', '168 bytes'),
        ({'data': BGR.tobytes()[:-1]}, 'data_too_short', '144 bytes'),
        ({'data': b''}, 'data_too_short', '144 bytes'),
        ({'width': 0}, 'empty', '1 x 1'),
        ({'height': 0}, 'empty', '1 x 1'),
        ({'encoding': 'mono16', 'width': 13}, 'step_too_small', '26'),
        ({'encoding': 'yuv422', 'width': 7}, 'odd_width', 'even'),
        ({'encoding': 'yuyv', 'width': 7}, 'odd_width', 'even'),
        (
            {'width': 100_000, 'height': 100_000, 'step': 300_000},
            'data_too_short',
            '30000000000 bytes',
        ),
        (
            {'width': 2**32 - 1, 'height': 2**32 - 1, 'step': 2**32 - 1},
            'step_too_small',
            str(3 * (2**32 - 1)),
        ),
    ],
    ids=str,
)
def test_invalid_message_is_rejected(fields: dict[str, Any], code: str, expected: str) -> None:
    """In one line with what is expected, and without allocating memory."""
    message = replace(message_of(BGR, 'bgr8'), **fields)
    tracemalloc.start()
    with pytest.raises(ImageError) as caught:
        decode_image(message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == code
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert peak < 1_000_000


def test_error_names_encoding_size_step_and_bytes() -> None:
    """Everything needed to find the wrong field."""
    with pytest.raises(ImageError) as caught:
        decode_image(replace(message_of(BGR, 'bgr8'), step=23))
    assert str(caught.value) == (
        "image with encoding 'bgr8', 8 x 6, step 23, 144 bytes: expected a step of at least 24"
    )


# Compressed images


def smooth(dtype: type = np.uint8) -> NDArray[Any]:
    """Return a color gradient of 48 x 64 that JPEG hardly changes."""
    y, x = np.mgrid[0:48, 0:64]
    scale = np.iinfo(dtype).max // 255
    return (np.dstack([x * 3, y * 4, 255 - x * 3]) * scale).astype(dtype)


def compressed(
    pixels: NDArray[Any], kind: str, message_format: str | None = None
) -> CompressedImage:
    """Return a JPEG or PNG message of pixels in the order of OpenCV."""
    text = kind if message_format is None else message_format
    return CompressedImage(text, cv2.imencode('.' + kind, pixels)[1])


@pytest.mark.parametrize(
    'message_format',
    [
        'jpeg',
        'jpg',
        '',
        'bgr8; jpeg compressed bgr8',
        'rgb8; jpeg compressed bgr8',
        'bayer_rggb8; jpeg compressed bgr8',
        'bgr8; jpeg compressed ',
    ],
)
def test_jpeg_is_decoded_with_any_format(message_format: str) -> None:
    """The encoding of the camera in the format does not swap the colors."""
    image = decode_compressed_image(compressed(smooth(), 'jpeg', message_format))
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - smooth()).max() < 25


@pytest.mark.parametrize(
    ('pixels', 'message_format'),
    [
        (smooth(), 'png'),
        (smooth(), 'rgb8; png compressed bgr8'),
        (smooth(np.uint16), 'rgb16; png compressed bgr16'),
        (np.dstack([smooth(), smooth()[..., 0]]), 'bgra8; png compressed '),
        (smooth()[..., ::-1], 'rgb8; png compressed rgb8'),
    ],
    ids=['plain', 'image_transport', '16 bits', 'alpha', 'publisher before 2013'],
)
def test_png_is_decoded_exactly(pixels: NDArray[np.uint8], message_format: str) -> None:
    """8 and 16 bits, without alpha; a publisher that stored RGB wrote so in the format."""
    image = decode_compressed_image(compressed(pixels, 'png', message_format))
    np.testing.assert_array_equal(image, smooth())


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
def test_gray_compressed_image_becomes_bgr(kind: str) -> None:
    """A gray file has three equal channels."""
    gray = smooth()[..., 0]
    image = decode_compressed_image(compressed(gray, kind, f'mono8; {kind} compressed '))
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - gray[..., None]).max() < 10


def test_16_bit_png_is_scaled_like_mono16() -> None:
    """The raw and the compressed topic of a camera result in the same image."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = decode_compressed_image(compressed(values, 'png', 'mono16; png compressed '))
    raw = decode_image(mono16_message(values.astype(np.int64), is_bigendian=False))
    np.testing.assert_array_equal(image, raw)


def test_exif_rotation_is_not_applied() -> None:
    """Pixels stay where the calibration of the camera expects them."""
    data = bytes(compressed(smooth(), 'jpeg').data)
    rotated = (
        b'\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01'
        b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00'
    )
    message = CompressedImage('jpeg', data[:2] + rotated + data[2:])
    assert decode_compressed_image(message).shape == (48, 64, 3)


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG or PNG with another size in its header."""
    if data.startswith(b'\x89PNG'):
        return data[:16] + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + data[24:]
    at = data.index(b'\xff\xc0') + 5
    return data[:at] + height.to_bytes(2, 'big') + width.to_bytes(2, 'big') + data[at + 4 :]


def error_of(message_format: str, data: bytes) -> ImageError:
    """Return the error of an invalid compressed image, which is one line."""
    with pytest.raises(ImageError) as caught:
        decode_compressed_image(CompressedImage(message_format, data))
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
@pytest.mark.parametrize(('width', 'height'), [(65_000, 65_000), (64_001, 1_000), (0, 48)])
def test_impossible_size_in_a_compressed_header_is_rejected(
    kind: str, width: int, height: int
) -> None:
    """A few bytes that promise gigabytes are rejected before memory is allocated."""
    data = with_size(bytes(compressed(smooth(), kind).data), width, height)
    error = error_of(kind, data)
    assert error.code == 'invalid_size'
    assert f'{width} x {height}' in str(error)


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
@pytest.mark.parametrize('kept', [3, 20, 150, -3])
def test_truncated_compressed_image_is_rejected(kind: str, kept: int) -> None:
    """No part of an image is decoded, wherever the transport lost the rest."""
    data = bytes(compressed(smooth(), kind).data)[:kept]
    assert error_of(kind, data).code in {'corrupt', 'not_jpeg_or_png'}


@pytest.mark.parametrize('data', [b'', b'\xff', b'GIF89a and so on'])
def test_other_file_formats_are_rejected(data: bytes) -> None:
    """The error names the format and size of the message."""
    error = error_of('jpeg', data)
    assert error.code == 'not_jpeg_or_png'
    assert f"format 'jpeg', {len(data)} bytes" in str(error)


@pytest.mark.parametrize(
    'message_format',
    [
        '16UC1; compressedDepth png',
        '16UC1; compressedDepth',
        '32FC1; compressedDepth rvl',
        '16UC1; png compressed ',
    ],
)
def test_compressed_depth_image_is_rejected(message_format: str) -> None:
    """Its format distinguishes it from a color image."""
    data = bytes(compressed(smooth()[..., 0].astype(np.uint16), 'png').data)
    assert error_of(message_format, data).code == 'depth_image'

"""Images are converted from every encoding and step, compressed, and rejected if malformed."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import sys
import tracemalloc
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from face_classification_ros.ros.conversions import images

HEIGHT, WIDTH = 6, 8
BGR = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
GRAY = BGR[..., 0]
ALPHA = BGR[..., 1:2]
SAME_GRAY = np.repeat(GRAY[..., None], 3, axis=2)

# Encoding, pixels in the message, expected image.
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

# Colors of the first 2 x 2 pixels of each pattern.
BAYER = {
    'bayer_rggb8': ('rg', 'gb'),
    'bayer_bggr8': ('bg', 'gr'),
    'bayer_gbrg8': ('gb', 'rg'),
    'bayer_grbg8': ('gr', 'bg'),
}

# Order of luminance, blue and red difference of two pixels in four bytes.
YUV = {'yuv422': 'uyvy', 'uyvy': 'uyvy', 'yuv422_yuy2': 'yuyv', 'yuyv': 'yuyv'}

COLORS = {'red': (0, 0, 255), 'green': (0, 255, 0), 'blue': (255, 0, 0), 'skin': (140, 170, 224)}

HEADER = Header(frame_id='head_cam_optical_frame')


def message_of(
    pixels: NDArray[np.uint8], encoding: str, *, width: int = WIDTH, padding: int = 0
) -> Image:
    """Return a message whose rows end in `padding` bytes of noise."""
    rows = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
    noise = np.random.default_rng(1).integers(0, 256, (len(rows), padding), dtype=np.uint8)
    message = Image(height=len(rows), width=width, encoding=encoding)
    message.step = rows.shape[1] + padding
    message.data.frombytes(np.hstack([rows, noise]).tobytes())
    return message


def yuv_message(color: tuple[int, int, int], encoding: str, padding: int = 0) -> Image:
    """Return a message of one color in YUV 4:2:2 by the formula of BT.601."""
    blue, green, red = color
    values = {
        'y': 16 + 0.257 * red + 0.504 * green + 0.098 * blue,
        'u': 128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        'v': 128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    }
    pair = np.array([round(values[letter]) for letter in YUV[encoding]], np.uint8)
    return message_of(np.tile(pair, (HEIGHT, WIDTH // 2)), encoding, padding=padding)


def bayer_message(color: tuple[int, int, int], encoding: str, padding: int = 0) -> Image:
    """Return a message of one color as a sensor with a Bayer filter sends it."""
    value = dict(zip('bgr', color, strict=True))
    tile = np.array([[value[letter] for letter in row] for row in BAYER[encoding]], np.uint8)
    return message_of(np.tile(tile, (HEIGHT // 2, WIDTH // 2)), encoding, padding=padding)


def mono16_message(values: NDArray[np.int64], *, big: bool, padding: int = 0) -> Image:
    """Return a message of 16-bit values in one byte order."""
    raw = values.astype('>u2' if big else '<u2').view(np.uint8)
    message = message_of(raw, 'mono16', width=values.shape[1], padding=padding)
    message.is_bigendian = int(big)
    return message


@pytest.mark.parametrize('padding', [0, 1, 7, 24])
@pytest.mark.parametrize(('encoding', 'sent', 'expected'), PLAIN, ids=PLAIN_IDS)
def test_plain_encodings_become_bgr_at_any_step(
    encoding: str, sent: NDArray[np.uint8], expected: NDArray[np.uint8], padding: int
) -> None:
    """Channels are in the order blue, green, red, and padding is ignored."""
    image = images.image_from_message(message_of(sent, encoding, padding=padding))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(('encoding', 'sent', 'expected'), PLAIN, ids=PLAIN_IDS)
def test_byte_order_is_ignored_for_8_bits(
    encoding: str, sent: NDArray[np.uint8], expected: NDArray[np.uint8]
) -> None:
    """An 8-bit image of a big-endian camera is read like any other."""
    message = message_of(sent, encoding)
    message.is_bigendian = 1
    np.testing.assert_array_equal(images.image_from_message(message), expected)


@pytest.mark.parametrize('padding', [0, 1, 2, 5])
@pytest.mark.parametrize('big', [False, True], ids=['little', 'big'])
def test_mono16_is_scaled_and_rounded_in_both_byte_orders(big: bool, padding: int) -> None:
    """All 65536 values become value / 257, rounded."""
    values = np.arange(65536).reshape(256, 256)
    image = images.image_from_message(mono16_message(values, big=big, padding=padding))
    for channel in range(3):
        np.testing.assert_array_equal(image[..., channel], (values + 128) // 257)


@pytest.mark.parametrize('padding', [0, 1, 4])
@pytest.mark.parametrize('color', COLORS.values(), ids=COLORS)
@pytest.mark.parametrize('encoding', YUV)
def test_yuv422_keeps_its_colors(encoding: str, color: tuple[int, int, int], padding: int) -> None:
    """In both byte orders, with their old and new names."""
    image = images.image_from_message(yuv_message(color, encoding, padding))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(image.astype(int) - color).max() <= 3


@pytest.mark.parametrize('padding', [0, 1, 3])
@pytest.mark.parametrize('color', COLORS.values(), ids=COLORS)
@pytest.mark.parametrize('encoding', BAYER)
def test_bayer_keeps_its_colors(encoding: str, color: tuple[int, int, int], padding: int) -> None:
    """Red remains red although ROS and OpenCV name the patterns differently."""
    image = images.image_from_message(bayer_message(color, encoding, padding))
    np.testing.assert_array_equal(image, np.broadcast_to(color, (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize('padding', [0, 1, 3])
def test_bgr8_is_a_read_only_view_of_the_message(padding: int) -> None:
    """An image that is BGR already is not copied, and the message cannot be changed."""
    message = message_of(BGR, 'bgr8', padding=padding)
    image = images.image_from_message(message)
    assert np.shares_memory(image, np.frombuffer(message.data, np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        image[0, 0] = 0


@pytest.mark.parametrize('encoding', images.ENCODINGS)
def test_message_is_not_changed(encoding: str) -> None:
    """Every byte and field of the message is the same after the conversion."""
    pixel_bytes = {'yuv': 2, 'uyv': 2, 'yuy': 2}.get(encoding[:3], 4)
    noise = np.random.default_rng(2).integers(0, 256, (HEIGHT, WIDTH * pixel_bytes), np.uint8)
    message, same = message_of(noise, encoding), message_of(noise, encoding)
    images.image_from_message(message)
    assert message == same


def test_twelve_megapixels() -> None:
    """An image of 4000 x 3000 pixels is converted like a small one."""
    message = message_of(np.full((3000, 4000, 3), (30, 20, 10), np.uint8), 'rgb8', width=4000)
    image = images.image_from_message(message)
    assert image.shape == (3000, 4000, 3)
    assert image[2999, 3999].tolist() == [10, 20, 30]


def malformed(**fields: object) -> Image:
    """Return a bgr8 message with other values of some fields."""
    message = message_of(BGR, 'bgr8')
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('fields', 'expected'),
    [
        ({'encoding': 'h264'}, 'unknown encoding, expected one of bgr8, rgb8, '),
        ({'encoding': ''}, 'unknown encoding, expected one of bgr8, rgb8, '),
        ({'encoding': '16UC1'}, 'is a depth image, expected a color or gray one'),
        ({'encoding': '32FC1'}, 'is a depth image, expected a color or gray one'),
        ({'step': 0}, 'expected a step of at least 24'),
        ({'step': 23}, 'expected a step of at least 24'),
        ({'height': 7}, 'expected at least 168 bytes'),
        ({'data': BGR.tobytes()[:-1]}, 'expected at least 144 bytes'),
        ({'data': b''}, 'expected at least 144 bytes'),
        ({'width': 0}, 'is empty, expected at least 1 x 1'),
        ({'height': 0}, 'is empty, expected at least 1 x 1'),
        ({'encoding': 'mono16', 'width': 13}, 'expected a step of at least 26'),
        ({'encoding': 'yuv422', 'width': 7}, 'expected an even width'),
        ({'encoding': 'yuyv', 'width': 7}, 'expected an even width'),
        ({'width': 100_000, 'height': 100_000, 'step': 300_000}, 'at least 30000000000 bytes'),
        (
            {'width': 2**32 - 1, 'height': 2**32 - 1, 'step': 2**32 - 1},
            'expected a step of at least',
        ),
    ],
    ids=str,
)
def test_malformed_message_is_rejected_in_one_line(
    fields: dict[str, object], expected: str
) -> None:
    """The line names encoding, size, step, bytes and expectation; no memory is allocated."""
    message = malformed(**fields)
    tracemalloc.start()
    with pytest.raises(ValueError) as rejected:
        images.image_from_message(message)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    text = str(rejected.value)
    assert text.startswith(
        f'image of encoding {message.encoding!r}, {message.width} x {message.height}, '
        f'step {message.step}, {len(message.data)} bytes: '
    )
    assert expected in text
    assert '\n' not in text
    assert peak < 1_000_000


def smooth(dtype: type = np.uint8) -> NDArray[Any]:
    """Return a color gradient that JPEG hardly changes: 48 x 64."""
    y, x = np.mgrid[0:48, 0:64]
    scale = np.iinfo(dtype).max // 255
    return (np.dstack([x * 3, y * 4, 255 - x * 3]) * scale).astype(dtype)


def compressed(
    pixels: NDArray[Any], kind: str, message_format: str | None = None
) -> CompressedImage:
    """Return pixels in the order of OpenCV as a JPEG or PNG message."""
    message = CompressedImage(format=message_format or kind)
    message.data.frombytes(cv2.imencode('.' + kind, pixels)[1])
    return message


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
def test_jpeg_is_decoded_with_every_name_of_the_format(message_format: str) -> None:
    """The encoding of the camera in the format does not change the colors."""
    image = images.image_from_compressed(compressed(smooth(), 'jpeg', message_format))
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
    ids=['plain', 'image_transport', '16 bits', 'alpha', 'sender before 2013'],
)
def test_png_is_decoded_without_loss(pixels: NDArray[np.uint8], message_format: str) -> None:
    """With 8 and 16 bits, without alpha; an old sender declares RGB in the format."""
    image = images.image_from_compressed(compressed(pixels, 'png', message_format))
    np.testing.assert_array_equal(image, smooth())


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
def test_gray_compressed_image_becomes_bgr(kind: str) -> None:
    """The three channels are equal."""
    gray = smooth()[..., 0]
    image = images.image_from_compressed(compressed(gray, kind, f'mono8; {kind} compressed '))
    assert image.shape == (48, 64, 3)
    assert np.abs(image.astype(int) - gray[..., None]).max() < 10


def test_16_bit_png_is_scaled_like_mono16() -> None:
    """Raw and compressed topic of one camera have equal images."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = images.image_from_compressed(compressed(values, 'png', 'mono16; png compressed '))
    raw = images.image_from_message(mono16_message(values.astype(np.int64), big=False))
    np.testing.assert_array_equal(image, raw)


def test_exif_rotation_is_not_applied() -> None:
    """Pixels agree with the calibration of the camera."""
    message = compressed(smooth(), 'jpeg')
    rotated = (
        b'\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01'
        b'\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00'
    )
    data = bytes(message.data)
    message.data = data[:2] + rotated + data[2:]
    assert images.image_from_compressed(message).shape == (48, 64, 3)


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG or PNG with another size in its header."""
    if data.startswith(b'\x89PNG'):
        return data[:16] + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + data[24:]
    at = data.index(b'\xff\xc0') + 5
    return data[:at] + height.to_bytes(2, 'big') + width.to_bytes(2, 'big') + data[at + 4 :]


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
@pytest.mark.parametrize(('width', 'height'), [(65_000, 65_000), (64_001, 1_000), (0, 48)])
def test_absurd_size_in_a_compressed_header_is_rejected(kind: str, width: int, height: int) -> None:
    """A few bytes that declare gigabytes are rejected before memory is allocated."""
    message = compressed(smooth(), kind)
    message.data = with_size(bytes(message.data), width, height)
    expected = f'header says {width} x {height}, expected 1 to 64000000 pixels'
    with pytest.raises(ValueError, match=expected):
        images.image_from_compressed(message)


@pytest.mark.parametrize('kind', ['jpeg', 'png'])
@pytest.mark.parametrize('kept', [0, 1, 3, 20, 150, -3])
def test_truncated_compressed_image_is_rejected(kind: str, kept: int) -> None:
    """No incomplete image is returned, wherever it is truncated."""
    message = compressed(smooth(), kind)
    message.data = bytes(message.data)[:kept]
    with pytest.raises(ValueError, match=f"^compressed image of format '{kind}', .* bytes: "):
        images.image_from_compressed(message)


def test_other_file_format_is_rejected() -> None:
    """The error names the expected formats."""
    message = CompressedImage(format='jpeg', data=b'GIF89a and so on')
    with pytest.raises(ValueError, match="format 'jpeg', 16 bytes: expected a JPEG or a PNG"):
        images.image_from_compressed(message)


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
    message = compressed(smooth()[..., 0].astype(np.uint16), 'png', message_format)
    with pytest.raises(ValueError, match='is a depth image, expected a color or gray one'):
        images.image_from_compressed(message)


def test_image_survives_the_way_through_a_message() -> None:
    """Size, step, encoding and header are set, and the pixels are the same."""
    message = images.image_to_message(BGR, HEADER)
    assert (message.height, message.width, message.step) == (HEIGHT, WIDTH, WIDTH * 3)
    assert (message.encoding, message.is_bigendian) == ('bgr8', 0)
    assert message.header == HEADER
    np.testing.assert_array_equal(images.image_from_message(message), BGR)


def test_part_of_an_image_can_be_sent() -> None:
    """Rows of a view are packed."""
    message = images.image_to_message(BGR[1:4, 2:5], HEADER)
    np.testing.assert_array_equal(images.image_from_message(message), BGR[1:4, 2:5])


def test_message_does_not_share_the_memory_of_its_image() -> None:
    """Later changes of the image do not change the message."""
    image = BGR.copy()
    message = images.image_to_message(image, HEADER)
    image[:] = 0
    np.testing.assert_array_equal(images.image_from_message(message), BGR)


def test_image_survives_the_way_through_a_compressed_message() -> None:
    """The format is that of image_transport, and a higher quality takes more bytes."""
    message = images.image_to_compressed(smooth(), HEADER)
    assert message.format == 'bgr8; jpeg compressed bgr8'
    assert message.header == HEADER
    image = images.image_from_compressed(message)
    assert np.abs(image.astype(int) - smooth()).max() < 25
    best = images.image_to_compressed(smooth(), HEADER, quality=100)
    assert len(best.data) > len(message.data)


CASES = {
    **{encoding: message_of(sent, encoding, padding=1) for encoding, sent, _ in PLAIN},
    **{encoding: yuv_message(COLORS['skin'], encoding, padding=1) for encoding in YUV},
    **{encoding: message_of(GRAY, encoding, padding=1) for encoding in BAYER},
    'mono16': mono16_message(np.arange(48).reshape(6, 8) * 1365, big=False, padding=1),
    'mono16 big': mono16_message(np.arange(48).reshape(6, 8) * 1365, big=True, padding=1),
}


@pytest.mark.skipif(
    images.converter() is not images.CV_BRIDGE,
    reason=f'conversion of images is {images.converter().name}: no cv_bridge that '
    'works in this environment to compare with',
)
@pytest.mark.parametrize('case', CASES)
def test_cv_bridge_returns_equal_images(case: str) -> None:
    """Both converters agree in every pixel."""
    np.testing.assert_array_equal(
        images.image_from_message(CASES[case], using=images.CV_BRIDGE),
        images.image_from_message(CASES[case], using=images.OWN),
    )


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the file of a cv_bridge that is imported before any other, also by processes."""
    inherited = os.environ.get('PYTHONPATH', '')
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{inherited}')
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop('cv_bridge', None)
    images.converter.cache_clear()
    yield tmp_path / 'cv_bridge.py'
    sys.modules.pop('cv_bridge', None)
    images.converter.cache_clear()


@pytest.mark.parametrize(
    ('source', 'reason'),
    [
        ('raise ImportError("numpy.core.multiarray failed to import")', 'failed to import'),
        (
            'class CvBridge:\n'
            '    def imgmsg_to_cv2(self, message, desired_encoding):\n'
            '        raise AttributeError("_ARRAY_API not found")',
            '_ARRAY_API not found',
        ),
        (
            'class CvBridge:\n'
            '    def imgmsg_to_cv2(self, message, desired_encoding):\n'
            '        import os; os.abort()',
            'exit code -6',
        ),
    ],
    ids=['import fails', 'conversion fails', 'conversion kills the process'],
)
def test_broken_cv_bridge_is_not_used(stand_in: Path, source: str, reason: str) -> None:
    """The node uses its own conversion, and the name of the converter has the reason."""
    stand_in.write_text(source)
    chosen = images.converter()
    assert chosen.to_bgr is images.OWN.to_bgr
    assert chosen.name.startswith('own, cv_bridge does not work here: ')
    assert reason in chosen.name


def test_cv_bridge_that_works_is_used(stand_in: Path) -> None:
    """It receives packed rows and a name that it knows."""
    stand_in.write_text(
        'import numpy as np\n'
        'class CvBridge:\n'
        '    def imgmsg_to_cv2(self, message, desired_encoding):\n'
        '        if message.encoding == "yuv422_yuy2":\n'
        '            return np.zeros((1, 2, 3), np.uint8)\n'
        '        assert (message.encoding, desired_encoding) == ("rgb8", "bgr8")\n'
        '        shape = message.height, message.step // 3, 3\n'
        '        return np.frombuffer(message.data, np.uint8).reshape(shape)[..., ::-1]\n'
    )
    assert images.converter() is images.CV_BRIDGE
    image = images.image_from_message(message_of(BGR[..., ::-1], 'rgb8', padding=5))
    np.testing.assert_array_equal(image, BGR)

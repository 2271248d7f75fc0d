"""Images, videos and image messages of absurd size or content are rejected."""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import struct
import zlib

import cv2
from fuzz_targets import FUZZ_TARGETS
from hypothesis import given, settings, strategies
import numpy as np
import pytest
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros import create_pipeline, FacePipeline, MAX_PIXELS, PipelineConfig
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.image_encodings import (
    decode_image,
    DEPTH_ENCODINGS,
    ENCODINGS,
    ImageError,
)
from face_classification_ros.io.images import read_image
from face_classification_ros.io.videos import read_video


@given(
    encoding=strategies.one_of(
        strategies.sampled_from([*ENCODINGS, *DEPTH_ENCODINGS]), strategies.text(max_size=9)
    ),
    height=strategies.one_of(strategies.integers(0, 9), strategies.integers(0, 2**32 - 1)),
    width=strategies.one_of(strategies.integers(0, 9), strategies.integers(0, 2**32 - 1)),
    step=strategies.one_of(strategies.integers(0, 40), strategies.integers(0, 2**32 - 1)),
    is_bigendian=strategies.integers(0, 255),
    data=strategies.binary(max_size=400),
)
def test_an_image_message_is_decoded_or_rejected(
    encoding: str, height: int, width: int, step: int, is_bigendian: int, data: bytes
) -> None:
    """Any encoding, size, step, byte order and bytes."""
    message = ImageMessage(height=height, width=width, step=step, is_bigendian=is_bigendian)
    message.encoding = encoding
    message.data.frombytes(data)
    try:
        image = decode_image(message)
    except ImageError as error:
        assert '\n' not in str(error)
    else:
        assert image.shape == (height, width, 3) and image.dtype == np.uint8


@pytest.fixture(scope='module')
def pipeline() -> FacePipeline:
    """Return a pipeline that takes everything for a face."""
    return create_pipeline(PipelineConfig(detection_threshold=0.0))


@settings(max_examples=30)
@given(
    height=strategies.one_of(strategies.integers(1, 3), strategies.integers(1, 5000)),
    width=strategies.one_of(strategies.integers(1, 3), strategies.integers(1, 5000)),
    seed=strategies.integers(0, 9),
)
def test_images_of_any_size_are_processed(
    pipeline: FacePipeline, height: int, width: int, seed: int
) -> None:
    """A row or a column of pixels, tiny and large images, of noise that resembles faces."""
    tile = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8)
    image = np.tile(tile, (-(-height // 64), -(-width // 64), 1))[:height, :width]
    for face in pipeline.process_still(image)[:50]:
        box = face.detection.box.clipped(width, height)
        assert 0 <= box.x <= width and 0 <= box.y <= height
        assert face.attributes
        for estimate in face.attributes.values():
            assert np.isfinite(estimate.probabilities).all()


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body))


def png(width: int, height: int) -> bytes:
    """Return a PNG with correct checksums, of a size that its few bytes cannot fill."""
    header = _chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + header + _chunk(b'IDAT', zlib.compress(bytes(9999)))


def bmp(width: int, height: int) -> bytes:
    """Return the start of a bitmap."""
    return b'BM' + struct.pack('<IIIIiiHHIIiiII', 99, 0, 54, 40, width, height, 1, 24, *[0] * 6)


def tiff(width: int, height: int) -> bytes:
    """Return a TIFF of one strip."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 9}
    entries = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in tags.items())
    return b'II*\0' + struct.pack('<IH', 8, len(tags)) + entries + bytes(99)


def webp(width: int, height: int) -> bytes:
    """Return the header of a lossless WebP; its sides have 14 bits."""
    bits = struct.pack('<I', (width - 1 & 0x3FFF) | (height - 1 & 0x3FFF) << 14)
    body = b'WEBPVP8L' + struct.pack('<I', 5 + 99) + b'\x2f' + bits + bytes(99)
    return b'RIFF' + struct.pack('<I', len(body)) + body


def ppm(width: int, height: int) -> bytes:
    """Return the start of a portable pixmap."""
    return f'P6 {width} {height} 255\n'.encode() + bytes(99)


@pytest.mark.parametrize(
    ('make', 'side'),
    [(png, 100_000), (bmp, 100_000), (tiff, 100_000), (webp, 16_000), (ppm, 100_000)],
)
def test_an_image_file_of_absurd_size_is_rejected(
    tmp_path: Path, make: Callable[[int, int], bytes], side: int
) -> None:
    """No memory is allocated for a file of a hundred bytes that claims 100,000 x 100,000."""
    path = tmp_path / 'huge'
    path.write_bytes(make(side, side))
    with pytest.raises(UnreadableError) as caught:
        read_image(path)
    assert caught.value.code == 'too_large'
    assert '64 megapixels' in str(caught.value)


def test_an_image_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    """Large cameras exist."""
    path = tmp_path / 'large.jpg'
    cv2.imwrite(str(path), np.zeros((4000, 6000, 3), np.uint8))
    assert read_image(path).shape == (4000, 6000, 3)


def test_a_video_of_absurd_size_is_rejected(tmp_path: Path) -> None:
    """Its frames claim to be larger than the limit, in the container and in the codec."""
    good = FUZZ_TARGETS['video'].samples()[0]
    bad = good.replace(struct.pack('<II', 64, 48), struct.pack('<II', 16_000, 4_100))
    # A JPEG has the size after the marker of the frame, its length and the depth.
    size = struct.pack('>HH', 48, 64)
    bad = bad.replace(b'\x08' + size, b'\x08' + struct.pack('>HH', 4_100, 16_000))
    path = tmp_path / 'huge.avi'
    path.write_bytes(bad)
    with (
        pytest.raises(UnreadableError, match='16000 x 4100'),
        read_video(path) as frames,
    ):
        list(frames.frames)


@pytest.mark.parametrize(
    'content',
    [
        'ffconcat version 1.0\nfile good.avi\n',
        '#EXTM3U\n#EXTINF:1,\ngood.avi\n#EXT-X-ENDLIST\n',
        'v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
    ],
    ids=['concat', 'playlist', 'session'],
)
@pytest.mark.parametrize('suffix', ['.ffconcat', '.m3u8', '.mp4', '.sdp'])
def test_a_video_that_names_other_files_is_rejected(
    tmp_path: Path, content: str, suffix: str
) -> None:
    """The library FFmpeg would read what a list names, on this machine or another."""
    (tmp_path / 'good.avi').write_bytes(FUZZ_TARGETS['video'].samples()[0])
    path = tmp_path / f'list{suffix}'
    path.write_text(content)
    with pytest.raises(UnreadableError) as caught, read_video(path):
        pass
    assert (caught.value.path, caught.value.code) == (path, 'invalid')


def test_opencv_has_the_same_limit() -> None:
    """Also OpenCV does not decode a larger image, regardless of its source."""
    assert os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'] == str(MAX_PIXELS)

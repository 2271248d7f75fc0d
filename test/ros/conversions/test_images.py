"""Images are converted to messages and back, with cv_bridge where it works."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import sys

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.io.image_encodings import (
    convert_with_opencv,
    decode_image,
    ENCODINGS,
)
from face_classification_ros.ros.conversions import images
from face_classification_ros.types import Image

HEADER = Header(frame_id='head_camera_optical_frame')
BGR: Image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def test_image_comes_back_from_its_message() -> None:
    """Size, step, encoding and header are set, and the pixels are the same."""
    message = images.image_to_message(BGR, HEADER)
    assert (message.height, message.width, message.step) == (6, 8, 24)
    assert (message.encoding, message.is_bigendian) == ('bgr8', 0)
    assert message.header == HEADER
    np.testing.assert_array_equal(images.image_from_message(message), BGR)


def test_part_of_an_image_can_be_published() -> None:
    """A view with gaps between its rows is packed."""
    message = images.image_to_message(BGR[1:4, 2:5], HEADER)
    np.testing.assert_array_equal(images.image_from_message(message), BGR[1:4, 2:5])


def test_message_does_not_share_the_memory_of_its_image() -> None:
    """Drawing on the image later does not change the message."""
    image = BGR.copy()
    message = images.image_to_message(image, HEADER)
    image[:] = 0
    np.testing.assert_array_equal(images.image_from_message(message), BGR)


def test_image_comes_back_from_its_compressed_message() -> None:
    """The format is that of image_transport, and quality costs bytes."""
    image = cv2.GaussianBlur(cv2.resize(BGR, (64, 48)), (0, 0), 3).astype(np.uint8)
    message = images.image_to_compressed(image, HEADER)
    assert message.format == 'bgr8; jpeg compressed bgr8'
    assert message.header == HEADER
    decoded = images.image_from_message(message)
    assert np.abs(decoded.astype(int) - image).max() < 25
    best = images.image_to_compressed(image, HEADER, quality=100)
    assert len(best.data) > len(message.data)


# cv_bridge


@pytest.mark.skipif(
    images.converter().name != 'cv_bridge',
    reason=f'without cv_bridge, {images.converter().cv_bridge_error or "which is not installed"}',
)
@pytest.mark.parametrize('is_bigendian', [0, 1])
@pytest.mark.parametrize('encoding', ENCODINGS)
def test_cv_bridge_and_opencv_return_equal_images(encoding: str, is_bigendian: int) -> None:
    """Which one converts an image does not change it."""
    noise = np.random.default_rng(1).integers(0, 256, (6, 33), dtype=np.uint8)
    message = ImageMessage(height=6, width=8, encoding=encoding, is_bigendian=is_bigendian)
    message.step = noise.shape[1]
    message.data.frombytes(noise.tobytes())
    np.testing.assert_array_equal(
        decode_image(message, images.convert_with_cv_bridge),
        decode_image(message, convert_with_opencv),
    )


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the path of a cv_bridge that is found before any other, also by child processes."""
    inherited = os.environ.get('PYTHONPATH', '')
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}{os.pathsep}{inherited}')
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop('cv_bridge', None)
    images.converter.cache_clear()
    yield tmp_path / 'cv_bridge.py'
    sys.modules.pop('cv_bridge', None)
    images.converter.cache_clear()


BROKEN = """
class CvBridge:
    def cv2_to_imgmsg(self, image, encoding):
        pass

    def imgmsg_to_cv2(self, message, desired_encoding):
        {statement}
"""


@pytest.mark.parametrize(
    ('source', 'error'),
    [
        ('raise ImportError("numpy.core.multiarray failed to import")', 'failed to import'),
        (BROKEN.format(statement='raise AttributeError("_ARRAY_API not found")'), '_ARRAY_API'),
        (BROKEN.format(statement='import os; os.abort()'), 'exit code -6'),
    ],
    ids=['import fails', 'conversion fails', 'conversion crashes the process'],
)
def test_broken_cv_bridge_is_not_used(stand_in: Path, source: str, error: str) -> None:
    """Our own conversion is used instead, and the reason is known."""
    stand_in.write_text(source)
    chosen = images.converter()
    assert chosen.name == 'OpenCV'
    assert chosen.to_bgr is convert_with_opencv
    assert error in chosen.cv_bridge_error


WORKING = """
import numpy as np

class CvBridge:
    def cv2_to_imgmsg(self, image, encoding):
        pass

    def imgmsg_to_cv2(self, message, desired_encoding):
        if message is None:
            return None
        assert (message.encoding, desired_encoding) == ('rgb8', 'bgr8')
        shape = message.height, message.step // 3, 3
        return np.frombuffer(message.data, np.uint8).reshape(shape)[..., ::-1]
"""


def test_working_cv_bridge_is_used(stand_in: Path) -> None:
    """It gets packed rows under an encoding that it knows."""
    stand_in.write_text(WORKING)
    assert images.converter() == images.Converter('cv_bridge', images.convert_with_cv_bridge)
    message = images.image_to_message(np.pad(BGR[..., ::-1], ((0, 0), (0, 2), (0, 0))), HEADER)
    message.encoding, message.width = 'rgb8', 8
    np.testing.assert_array_equal(images.image_from_message(message), BGR)

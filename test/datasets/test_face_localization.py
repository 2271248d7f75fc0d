"""Localization of the main face in tightly cropped images."""

import numpy as np
import pytest

from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.types import BoundingBox, Detection, Image


class Known:
    """A detector with fixed boxes, the most confident first."""

    def __init__(self, *boxes: BoundingBox) -> None:
        """Set the boxes in pixels of the searched image."""
        self._boxes = boxes

    @property
    def full_frame(self) -> 'Known':
        """Itself."""
        return self

    def detect(self, image: Image) -> list[Detection]:
        """Return the boxes for an image of 150 pixels with a border of 75."""
        assert image.shape == (300, 300, 3)
        eye = (120.0, 135.0)
        return [
            Detection(box, 0.9 - 0.1 * number, (eye,)) for number, box in enumerate(self._boxes)
        ]


def test_face_is_in_pixels_of_the_image() -> None:
    """Not of the searched one, which is three times as large."""
    (face,) = find_faces(Known(BoundingBox(80, 86, 140, 134)), [np.zeros((50, 50, 1), np.uint8)])
    assert face is not None
    box = face.box
    assert (box.x, box.y, box.width, box.height) == pytest.approx(
        (5 / 3, 11 / 3, 140 / 3, 134 / 3)
    )
    assert face.landmarks[0] == pytest.approx((15, 20))


def test_largest_overlap_with_the_image_is_chosen() -> None:
    """A mouth that is detected as a face has a smaller box, even if it is more confident."""
    mouth, whole = BoundingBox(140, 140, 30, 30), BoundingBox(80, 86, 140, 134)
    (face,) = find_faces(Known(mouth, whole), [np.zeros((150, 150, 3), np.uint8)])
    assert face is not None and face.box == BoundingBox(5, 11, 140, 134)


@pytest.mark.parametrize(
    'box',
    [BoundingBox(80, 80, 60, 60), BoundingBox(160, 100, 60, 90), BoundingBox(100, 160, 90, 60)],
)
def test_face_off_the_center_is_ignored(box: BoundingBox) -> None:
    """The center of the image, at 150 pixels, is outside of its box."""
    assert find_faces(Known(box), [np.zeros((150, 150, 3), np.uint8)]) == [None]

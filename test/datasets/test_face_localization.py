"""The face that a tightly cut picture of a data set shows is found, and no other."""

import numpy as np
import pytest

from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.types import BoundingBox, Detection, Image


class Known:
    """A detector that gives boxes one knows, the most confident first."""

    def __init__(self, *boxes: BoundingBox) -> None:
        """Take boxes in pixels of the picture that is searched."""
        self._boxes = boxes

    def detect(self, image: Image) -> list[Detection]:
        """Give them for a picture of 150 pixels with 75 around it, and for no other."""
        assert image.shape == (300, 300, 3)
        eye = (120.0, 135.0)
        return [
            Detection(box, 0.9 - 0.1 * number, (eye,)) for number, box in enumerate(self._boxes)
        ]


def test_a_face_is_in_pixels_of_the_picture() -> None:
    """Not of the one that is searched, which is three times as large here."""
    (face,) = find_faces(Known(BoundingBox(80, 86, 140, 134)), [np.zeros((50, 50, 1), np.uint8)])
    assert face is not None
    box = face.box
    assert (box.x, box.y, box.width, box.height) == pytest.approx(
        (5 / 3, 11 / 3, 140 / 3, 134 / 3)
    )
    assert face.landmarks[0] == pytest.approx((15, 20))


def test_of_two_boxes_the_one_that_fills_the_picture_is_meant() -> None:
    """A mouth that is taken for a face has a box, too, and a more confident one."""
    mouth, whole = BoundingBox(140, 140, 30, 30), BoundingBox(80, 86, 140, 134)
    (face,) = find_faces(Known(mouth, whole), [np.zeros((150, 150, 3), np.uint8)])
    assert face is not None and face.box == BoundingBox(5, 11, 140, 134)


@pytest.mark.parametrize(
    'box',
    [BoundingBox(80, 80, 60, 60), BoundingBox(160, 100, 60, 90), BoundingBox(100, 160, 90, 60)],
)
def test_a_face_beside_the_middle_is_another_one(box: BoundingBox) -> None:
    """The picture's center, at 150 pixels, is not in its box."""
    assert find_faces(Known(box), [np.zeros((150, 150, 3), np.uint8)]) == [None]

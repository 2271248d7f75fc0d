"""The appearance of a person is similar in all images, and differs from that of others."""

import cv2
import numpy as np
import pytest

from face_classification_ros.tracking.appearance import compute_appearance, differences
from face_classification_ros.tracking.tracker import MARGIN, SAME_APPEARANCE
from face_classification_ros.types import BoundingBox, Image

RED, BLUE, BLACK = (40, 40, 200), (200, 60, 40), (25, 25, 25)


def draw(image: Image, face: BoundingBox, clothes: tuple[int, int, int]) -> None:
    """Draw a person with brown hair around and below a face."""
    x, y = (round(each) for each in face.center)
    side = round(face.width)
    cv2.rectangle(image, (x - 3 * side // 2, y + side), (x + 3 * side // 2, 480), clothes, -1)
    cv2.circle(image, (x, y), round(0.8 * side), (30, 50, 80), -1)
    cv2.circle(image, (x, y), side // 2, (130, 160, 210), -1)


def scene(*people: tuple[BoundingBox, tuple[int, int, int]], wall: int = 120) -> Image:
    """Return an image of people in front of a wall, the farthest first."""
    image = np.full((480, 640, 3), wall, np.uint8)
    for face, clothes in people:
        draw(image, face, clothes)
    return image


def difference(one: Image, face: BoundingBox, other: Image, other_face: BoundingBox) -> float:
    """Return the difference in appearance of the people with these faces."""
    appearances = [
        compute_appearance(image, [box])[0] for image, box in ((one, face), (other, other_face))
    ]
    return float(differences(appearances[:1], appearances[1:])[0, 0])


NEAR, FAR = BoundingBox(200, 120, 100, 100), BoundingBox(480, 180, 50, 50)


@pytest.mark.parametrize('light', [0.6, 1.0, 1.3])
def test_appearance_does_not_depend_on_place_and_light(light: float) -> None:
    """Place, size and exposure hardly change the appearance of a person."""
    before = scene((NEAR, RED))
    after = cv2.convertScaleAbs(scene((FAR, RED)), alpha=light)
    assert difference(before, NEAR, np.asarray(after), FAR) < SAME_APPEARANCE


@pytest.mark.parametrize('clothes', [BLUE, BLACK])
@pytest.mark.parametrize('light', [0.6, 1.0, 1.3])
def test_other_clothes_are_another_appearance(clothes: tuple[int, int, int], light: float) -> None:
    """A person in other clothes differs more than the same person can."""
    before = scene((NEAR, RED))
    after = cv2.convertScaleAbs(scene((NEAR, clothes)), alpha=light)
    assert difference(before, NEAR, np.asarray(after), NEAR) > SAME_APPEARANCE + MARGIN


def test_light_and_dark_clothes_differ_in_gray_images() -> None:
    """Without color there is less information, but still some."""
    light, dark = (
        np.repeat(image.mean(2, keepdims=True).astype(np.uint8), 3, 2)
        for image in (scene((NEAR, (200, 200, 200))), scene((NEAR, BLACK)))
    )
    assert difference(light, NEAR, light, NEAR) == 0
    assert difference(light, NEAR, dark, NEAR) > SAME_APPEARANCE + MARGIN


def test_occluded_part_of_a_person_is_ignored() -> None:
    """Only the visible part of a person behind another one is compared."""
    behind = BoundingBox(290, 110, 50, 50)
    image = scene((behind, RED), (NEAR, BLUE))
    near, far = compute_appearance(image, [NEAR, behind])
    assert not np.isnan(near).any()
    assert 0.3 < np.isnan(far).mean() < 1
    alone = compute_appearance(scene((behind, RED)), [behind])
    assert differences([far], list(alone))[0, 0] < SAME_APPEARANCE
    # Without the face in front, the clothes of that person are taken for those of the other.
    assert (
        differences(list(compute_appearance(image, [behind])), list(alone))[0, 0] > SAME_APPEARANCE
    )


def test_too_little_in_common_is_not_compared() -> None:
    """The appearance of a person mostly outside the image is unknown."""
    image = scene((NEAR, RED))
    visible, partial, outside = compute_appearance(
        image, [NEAR, BoundingBox(-80, 120, 100, 100), BoundingBox(-400, 0, 100, 100)]
    )
    assert 0 < np.isnan(partial).mean() < 1
    assert np.isnan(outside).all()
    assert np.isnan(differences([visible], [outside])).all()


def test_no_faces_have_no_appearance() -> None:
    """An image without faces gives an empty array."""
    assert compute_appearance(scene(), []).shape[0] == 0

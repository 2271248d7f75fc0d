"""Drawing glasses on faces."""

from dataclasses import replace

import numpy as np
import pytest

from face_classification_ros.training.glasses import (
    draw_glasses,
    random_glasses,
    READING_GLASSES,
    SUNGLASSES,
)

EYES = ((30.0, 40.0), (66.0, 40.0))


def skin(channels: int = 1) -> np.ndarray:
    """Return an image of one bright color."""
    return np.full((96, 96, channels), 200, np.uint8)


def darkened(face: np.ndarray) -> np.ndarray:
    """Return which pixels are darker than skin."""
    return face[..., 0] < 190


@pytest.mark.parametrize('channels', [1, 3])
def test_clear_lenses_do_not_change_the_eyes(channels: int) -> None:
    """Only the frame is drawn: around both eyes, between them and towards the ears."""
    face = draw_glasses(skin(channels), EYES, READING_GLASSES)
    assert face.shape == (96, 96, channels)
    for x in (30, 66):
        np.testing.assert_array_equal(face[38:43, x - 2 : x + 3], 200)
        # Above and below an eye.
        assert darkened(face)[20:39, x].any() and darkened(face)[42:60, x].any()
    assert darkened(face)[30:45, 48].any() and darkened(face)[30:45, 5].any()
    assert not darkened(face)[62:].any() and not darkened(face)[:20].any()


def test_sunglasses_hide_the_eyes() -> None:
    """The pixels behind the lenses are nearly black."""
    face = draw_glasses(skin(), EYES, SUNGLASSES)
    assert face[36:45, 26:35].max() < 60


def test_glasses_rotate_and_scale_with_the_face() -> None:
    """Eyes on a vertical line, and eyes at twice the distance."""
    upright = draw_glasses(skin(), ((48.0, 30.0), (48.0, 66.0)), READING_GLASSES)
    lying = draw_glasses(skin(), ((30.0, 47.0), (66.0, 47.0)), READING_GLASSES)
    # Lines are drawn in whole quarters of a pixel.
    np.testing.assert_allclose(np.rot90(lying, -1).astype(int), upright.astype(int), atol=50)
    small = draw_glasses(skin(), ((39.0, 40.0), (57.0, 40.0)), SUNGLASSES)
    large = draw_glasses(skin(), EYES, SUNGLASSES)
    assert darkened(large).sum() == pytest.approx(4 * darkened(small).sum(), rel=0.15)


def test_thin_rim_darkens_pixels_partially() -> None:
    """On a face of 24 pixels it is thinner than a pixel."""
    tiny = np.full((24, 24, 1), 200, np.uint8)
    face = draw_glasses(tiny, ((7.0, 10.0), (16.0, 10.0)), replace(READING_GLASSES, rim=0.03))
    assert 60 < face.min() < 190


def test_original_image_is_not_modified() -> None:
    """Glasses are drawn on a copy."""
    face = skin()
    draw_glasses(face, EYES, SUNGLASSES)
    assert (face == 200).all()


def test_a_quarter_of_random_glasses_are_sunglasses() -> None:
    """The same seed gives the same glasses, another seed others."""
    pairs = [random_glasses(np.random.default_rng(number)) for number in range(200)]
    assert pairs[0] == random_glasses(np.random.default_rng(0)) != pairs[1]
    assert 30 < sum(pair.tint >= 0.5 for pair in pairs) < 70

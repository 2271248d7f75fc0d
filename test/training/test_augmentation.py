"""Augmentation of training faces."""

import numpy as np
import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.training.augmentation import Augmentation
from face_classification_ros.types import BoundingBox

WHOLE = BoundingBox(0, 0, 48, 48)


def gradient(size: int) -> np.ndarray:
    """Return an image that is dark on the left and bright on the right."""
    row = np.linspace(0, 255, size).astype(np.uint8)
    return np.repeat(row[np.newaxis], size, axis=0)[..., np.newaxis]


def test_defaults_leave_a_face_unchanged() -> None:
    """All ranges are zero."""
    face = gradient(48)
    np.testing.assert_array_equal(
        Augmentation().apply(face, WHOLE, 48, np.random.default_rng(0)), face
    )


def test_large_image_is_downscaled_completely() -> None:
    """Both edges of the image are in the result."""
    face = Augmentation().apply(
        gradient(96), BoundingBox(0, 0, 96, 96), 48, np.random.default_rng(0)
    )
    assert face.shape == (48, 48, 1)
    np.testing.assert_allclose(face[..., 0], gradient(48)[..., 0], atol=4)


def test_every_second_face_is_mirrored() -> None:
    """Half of the results are bright on the left, without a shift."""
    random = np.random.default_rng(0)
    faces = [Augmentation(mirror=True).apply(gradient(48), WHOLE, 48, random) for _ in range(200)]
    mirrored = [face for face in faces if face[0, 0, 0] > 128]
    assert 70 < len(mirrored) < 130
    np.testing.assert_array_equal(mirrored[0], gradient(48)[:, ::-1])


def test_same_seed_gives_the_same_face() -> None:
    """Runs are reproducible."""
    augmentation = Augmentation(rotation=10, shift=0.1, scale=0.1, contrast=0.2, brightness=0.1)
    one, other = (
        augmentation.apply(gradient(48), WHOLE, 48, np.random.default_rng(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, gradient(48))


def test_square_beyond_the_edge_repeats_the_last_pixels() -> None:
    """The part of a crop outside of the image repeats its edge, without scaling."""
    face = Augmentation().apply(
        gradient(48), BoundingBox(12, 0, 48, 48), 48, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(face[:, :36], gradient(48)[:, 12:])
    assert (face[:, 36:] == 255).all()


def many(augmentation: Augmentation, face: np.ndarray) -> list[np.ndarray]:
    """Return 200 random versions of a face of 48 pixels."""
    random = np.random.default_rng(0)
    eyes = ((16.0, 18.0), (32.0, 18.0))
    return [augmentation.apply(face, WHOLE, 48, random, eyes) for _ in range(200)]


def changed_fraction(augmentation: Augmentation, face: np.ndarray) -> float:
    """Return the fraction of 200 random versions that differ from a face."""
    return float(np.mean([(changed != face).any() for changed in many(augmentation, face)]))


def test_some_faces_get_glasses() -> None:
    """A fifth of them, at the eyes; none if the position of the eyes is unknown."""
    face, random = gradient(48), np.random.default_rng(0)
    assert changed_fraction(Augmentation(glasses=0.2), face) == pytest.approx(0.2, abs=0.08)
    worn = Augmentation(glasses=1).apply(face, WHOLE, 48, random, ((16.0, 18.0), (32.0, 18.0)))
    assert (worn != face)[10:30].any()
    assert not (worn != face)[32:].any()
    np.testing.assert_array_equal(Augmentation(glasses=1).apply(face, WHOLE, 48, random), face)


def test_some_faces_lose_resolution() -> None:
    """A third of them lose their fine lines."""
    lines = np.tile(np.array([[0], [255]], np.uint8), (24, 48))[..., np.newaxis]
    faces = many(Augmentation(downscale=0.33), lines)
    blurred = [face for face in faces if face.std() < 0.7 * lines.std()]
    assert len(blurred) / len(faces) == pytest.approx(0.33, abs=0.1)


def test_some_faces_are_occluded() -> None:
    """One gray level over a tenth to a half of the face; the original is not modified."""
    face = gradient(48)
    before = face.copy()
    changed = [each for each in many(Augmentation(occlusion=0.5), face) if (each != face).any()]
    assert len(changed) == pytest.approx(100, abs=25)
    assert all(0.05 < (each != face).mean() <= 0.5 for each in changed)
    np.testing.assert_array_equal(face, before)


def test_exposure_is_reduced_by_up_to_the_given_stops() -> None:
    """With 3 stops a white face keeps an eighth to all of its brightness."""
    white = np.full((48, 48, 1), 255, np.uint8)
    values = [face.max() for face in many(Augmentation(exposure=3), white)]
    assert 255 / 8 <= min(values) < 40 and 230 < max(values) <= 255


def test_gamma_changes_gray_levels_and_keeps_black_and_white() -> None:
    """With 1 a half becomes a value between a quarter and the square root of a half."""
    faces = many(Augmentation(gamma=1), gradient(48))
    assert {int(face.min()) for face in faces} == {0}
    assert {int(face.max()) for face in faces} == {255}
    middle = [int(face[0, 24, 0]) for face in faces]
    assert 63 <= min(middle) < 75 and 170 < max(middle) <= 185


def test_some_faces_are_blurred() -> None:
    """A quarter of them lose local contrast, the others stay unchanged."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 1)).astype(np.uint8)
    faces = np.stack([noise] * 200)
    Augmentation(blur=0.25).blur_some(faces, np.random.default_rng(1))
    blurred = [face for face in faces if not np.array_equal(face, noise)]
    assert 30 < len(blurred) < 70
    assert all(face.std() < 0.8 * noise.std() for face in blurred)
    # The strongest blur, 4 % of the size, leaves 15 % of the contrast.
    assert 0.12 < min(face.std() for face in blurred) / noise.std() < 0.25

"""Augmentation changes a face, never its answer."""

import numpy as np
import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.training.augmentation import Augmentation
from face_classification_ros.types import BoundingBox

WHOLE = BoundingBox(0, 0, 48, 48)


def gradient(side: int) -> np.ndarray:
    """Make a picture that is dark on the left and bright on the right."""
    row = np.linspace(0, 255, side).astype(np.uint8)
    return np.repeat(row[np.newaxis], side, axis=0)[..., np.newaxis]


def test_no_change_is_the_same_picture() -> None:
    """All ranges at zero leave a face as it is."""
    face = gradient(48)
    np.testing.assert_array_equal(
        Augmentation().apply(face, WHOLE, 48, np.random.default_rng(0)), face
    )


def test_a_larger_picture_is_shrunk_as_a_whole() -> None:
    """Both edges of the picture are still there after a change of size."""
    face = Augmentation().apply(
        gradient(96), BoundingBox(0, 0, 96, 96), 48, np.random.default_rng(0)
    )
    assert face.shape == (48, 48, 1)
    np.testing.assert_allclose(face[..., 0], gradient(48)[..., 0], atol=4)


def test_every_second_face_is_mirrored() -> None:
    """Half of the copies are bright on the left, and none is shifted by it."""
    random = np.random.default_rng(0)
    faces = [Augmentation(mirror=True).apply(gradient(48), WHOLE, 48, random) for _ in range(200)]
    mirrored = [face for face in faces if face[0, 0, 0] > 128]
    assert 70 < len(mirrored) < 130
    np.testing.assert_array_equal(mirrored[0], gradient(48)[:, ::-1])


def test_the_same_seed_gives_the_same_face() -> None:
    """A run can be repeated."""
    augmentation = Augmentation(rotation=10, shift=0.1, scale=0.1, contrast=0.2, brightness=0.1)
    one, other = (
        augmentation.apply(gradient(48), WHOLE, 48, np.random.default_rng(3)) for _ in range(2)
    )
    np.testing.assert_array_equal(one, other)
    assert not np.array_equal(one, gradient(48))


def test_a_square_beyond_the_edge_repeats_the_last_pixels() -> None:
    """What a crop shows beyond the picture is what its edge shows; nothing is scaled by it."""
    face = Augmentation().apply(
        gradient(48), BoundingBox(12, 0, 48, 48), 48, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(face[:, :36], gradient(48)[:, 12:])
    assert (face[:, 36:] == 255).all()


def many(augmentation: Augmentation, face: np.ndarray) -> list[np.ndarray]:
    """Change a face of 48 pixels 200 times."""
    random = np.random.default_rng(0)
    eyes = ((16.0, 18.0), (32.0, 18.0))
    return [augmentation.apply(face, WHOLE, 48, random, eyes) for _ in range(200)]


def share_changed(augmentation: Augmentation, face: np.ndarray) -> float:
    """Give the share of the faces that are not as they were."""
    return float(np.mean([(changed != face).any() for changed in many(augmentation, face)]))


def test_some_faces_get_glasses() -> None:
    """A fifth of them, between the ears; nobody does where the eyes are not known."""
    face, random = gradient(48), np.random.default_rng(0)
    assert share_changed(Augmentation(glasses=0.2), face) == pytest.approx(0.2, abs=0.08)
    worn = Augmentation(glasses=1).apply(face, WHOLE, 48, random, ((16.0, 18.0), (32.0, 18.0)))
    assert (worn != face)[10:30].any()
    assert not (worn != face)[32:].any()
    np.testing.assert_array_equal(Augmentation(glasses=1).apply(face, WHOLE, 48, random), face)


def test_some_faces_are_shown_as_if_they_were_small() -> None:
    """A third of them lose their fine lines."""
    lines = np.tile(np.array([[0], [255]], np.uint8), (24, 48))[..., np.newaxis]
    faces = many(Augmentation(small=0.33), lines)
    blurred = [face for face in faces if face.std() < 0.7 * lines.std()]
    assert len(blurred) / len(faces) == pytest.approx(0.33, abs=0.1)


def test_some_faces_are_half_covered() -> None:
    """One gray from one side over a tenth to a half; the given picture stays as it is."""
    face = gradient(48)
    before = face.copy()
    changed = [each for each in many(Augmentation(cover=0.5), face) if (each != face).any()]
    assert len(changed) == pytest.approx(100, abs=25)
    assert all(0.05 < (each != face).mean() <= 0.5 for each in changed)
    np.testing.assert_array_equal(face, before)


def test_light_is_halved_as_often_as_allowed() -> None:
    """With darkness 3 a white face has from an eighth of its brightness to all of it."""
    white = np.full((48, 48, 1), 255, np.uint8)
    values = [face.max() for face in many(Augmentation(exposure=3), white)]
    assert 255 / 8 <= min(values) < 40 and 230 < max(values) <= 255


def test_gamma_bends_the_grays_and_keeps_black_and_white() -> None:
    """With 1 a half becomes anything from a quarter to the root of a half."""
    faces = many(Augmentation(gamma=1), gradient(48))
    assert {int(face.min()) for face in faces} == {0}
    assert {int(face.max()) for face in faces} == {255}
    middle = [int(face[0, 24, 0]) for face in faces]
    assert 63 <= min(middle) < 75 and 170 < max(middle) <= 185


def test_some_faces_are_blurred() -> None:
    """A quarter of them lose contrast between neighbors, the others stay as they are."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 1)).astype(np.uint8)
    faces = np.stack([noise] * 200)
    Augmentation(blur=0.25).blur_some(faces, np.random.default_rng(1))
    blurred = [face for face in faces if not np.array_equal(face, noise)]
    assert 30 < len(blurred) < 70
    assert all(face.std() < 0.8 * noise.std() for face in blurred)
    # By 4 % of the side at most, which leaves 15 % of the contrast.
    assert 0.12 < min(face.std() for face in blurred) / noise.std() < 0.25

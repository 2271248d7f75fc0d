"""Augmentation changes a face, never its answer."""

import numpy as np
import pytest

pytest.importorskip('pydantic', reason='needs the extra [train]')

from face_classification_ros.face import Box
from face_classification_ros.training.augmentation import Augmentation

WHOLE = Box(0, 0, 48, 48)


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
    face = Augmentation().apply(gradient(96), Box(0, 0, 96, 96), 48, np.random.default_rng(0))
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
    face = Augmentation().apply(gradient(48), Box(12, 0, 48, 48), 48, np.random.default_rng(0))
    np.testing.assert_array_equal(face[:, :36], gradient(48)[:, 12:])
    assert (face[:, 36:] == 255).all()

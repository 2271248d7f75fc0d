"""A classifier that can also follow faces, here by a movement that is known."""

from collections.abc import Callable
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from small_models import following_classifier, tiny_classifier

from face_classification_ros.classification.classifier import Classifier, ModelFileError
from face_classification_ros.classification.predictions import (
    classify_faces,
    follow_faces,
    follower_of,
    moved,
)
from face_classification_ros.types import BoundingBox, Detection

Save = Callable[[Any], Path]

BRIGHT = np.full((100, 160, 3), 255, np.uint8)
FACES = [
    Detection(BoundingBox(20, 10, 20, 40), 0.9, ((25.0, 20.0),)),
    Detection(BoundingBox(90, 30, 30, 30), 0.8),
]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Return a function that writes an ONNX model."""

    def write(model: Any) -> Path:
        path = tmp_path / f'model_{len(list(tmp_path.iterdir()))}.onnx'
        onnx.save(model, path)
        return path

    return write


def test_faces_are_followed_and_classified_by_one_call(save: Save) -> None:
    """Boxes and landmarks move by shares of the longer side; predictions are of the old places."""
    follower = Classifier(save(following_classifier(0.1, -0.05, math.log(1.5))))
    followed = follow_faces(BRIGHT, FACES, follower)
    assert followed is not None
    (first, second), predictions = followed
    # The center (30, 30) moves by 4 and -2, and 20 x 40 pixels grow to 30 x 60.
    box = first.box
    assert np.allclose([box.x, box.y, box.width, box.height], [19, -2, 30, 60], atol=1e-4)
    assert np.allclose(first.landmarks, [[26.5, 13.0]], atol=1e-4)
    assert (first.confidence, second.confidence, second.landmarks) == (0.9, 0.8, ())
    expected = classify_faces(BRIGHT, FACES, {'gender': follower})
    for values, others in zip(predictions['gender'], expected['gender'], strict=True):
        assert np.array_equal(values, others)


@pytest.mark.parametrize(
    ('row', 'gray'),
    [((0, 0, 0), 150), ((1.1, 0, 0), 255), ((0, 0, 9), 255), ((np.nan, 0, 0), 255)],
)
def test_face_without_a_believable_movement_is_lost(
    save: Save, row: tuple[float, ...], gray: int
) -> None:
    """One that is probably none, here a dark one, or that would be far away or a giant."""
    follower = Classifier(save(following_classifier(*row)))
    image = BRIGHT.copy()
    image[:, 80:] = gray
    assert follow_faces(image, FACES, follower) is None


def test_moved_face_comes_back() -> None:
    """Movement and scale are relative to the box before."""
    away = moved(FACES[0], 0.2, -0.1, 2.0)
    back = moved(away, -0.1, 0.05, 0.5)
    box, expected = back.box, FACES[0].box
    assert (box.x, box.y, box.width, box.height) == pytest.approx(
        (expected.x, expected.y, expected.width, expected.height)
    )
    assert np.allclose(back.landmarks, FACES[0].landmarks)


def test_only_a_single_model_follows(save: Save) -> None:
    """Several models, or one whose file cannot, leave it to the detector."""
    following = Classifier(save(following_classifier(0, 0, 0)))
    plain = Classifier(save(tiny_classifier()))
    assert follower_of({'gender': following, 'age': following}) is following
    assert follower_of({'gender': following, 'age': plain}) is None
    assert follower_of({'gender': plain}) is None
    assert follower_of({}) is None


@pytest.mark.parametrize('threshold', ['', 'high', '1.5', 'nan'])
def test_invalid_threshold_is_rejected(save: Save, threshold: str) -> None:
    """The error names the part of the file."""
    with pytest.raises(ModelFileError) as error:
        Classifier(save(following_classifier(0, 0, 0, follow_threshold=threshold)))
    assert error.value.part == 'follow_threshold'


@pytest.mark.parametrize(
    'model',
    [tiny_classifier(follow_threshold='0.5'), following_classifier(0, 0)],
    ids=['missing', 'three values'],
)
def test_movement_that_is_not_as_described_is_rejected(save: Save, model: Any) -> None:
    """A file with a threshold must have the output, of four values for each face."""
    with pytest.raises(ModelFileError) as error:
        Classifier(save(model))
    assert error.value.part == 'output'

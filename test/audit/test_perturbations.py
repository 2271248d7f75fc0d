"""Perturbations of faces, and the predictions that they change."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.audit.perturbations import (
    measure_perturbations,
    PERTURBATIONS,
)
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.metrics import wilson_interval
from face_classification_ros.types import BoundingBox, Detection

MakeModel = Callable[..., Path]


def face(scale: float = 1.0) -> Detection:
    """Return a face of 80 x 80 pixels in the center of an image of 100, or both scaled."""
    points = ((35, 40), (65, 40), (50, 55), (38, 70), (62, 70))
    landmarks = tuple((scale * x, scale * y) for x, y in points)
    return Detection(BoundingBox(10, 10, 80, 80).scaled(scale), 0.9, landmarks)


def stripes(size: int = 100, channels: int = 1) -> NDArray[np.uint8]:
    """Return an image of ten gray stripes, each brighter than the one above it."""
    rows = (20 + 20 * (np.arange(size) * 10 // size)).astype(np.uint8)
    return np.repeat(np.repeat(rows[:, None, None], size, 1), channels, 2)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', PERTURBATIONS)
def test_perturbed_image_is_a_copy_of_the_same_shape(name: str, channels: int) -> None:
    """In gray and in color; every perturbation changes something."""
    image = stripes(channels=channels)
    changed = PERTURBATIONS[name](image, face())
    assert changed.shape == (100, 100, channels)
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    np.testing.assert_array_equal(image, stripes(channels=channels))


@pytest.mark.parametrize('name', PERTURBATIONS)
def test_perturbation_is_independent_of_the_size(name: str) -> None:
    """An image with three times the resolution has the same result."""
    small = PERTURBATIONS[name](stripes(), face())
    large = PERTURBATIONS[name](stripes(300), face(3))
    shrunk = large.reshape(100, 3, 100, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small[..., 0]).mean() < 3


def test_brightness_is_scaled_and_saturates() -> None:
    """200 becomes 50 or white, and 100 becomes 150."""
    image = np.full((100, 100, 1), 200, np.uint8)
    assert (PERTURBATIONS['darker'](image, face()) == 50).all()
    assert (PERTURBATIONS['brighter'](image, face()) == 255).all()
    assert (PERTURBATIONS['brighter'](image // 2, face()) == 150).all()


def test_glasses_are_on_the_eyes() -> None:
    """Clear ones do not change the pupils, sunglasses do; the mouth is unchanged."""
    image = np.full((100, 100, 1), 200, np.uint8)
    for name, pupils in (('glasses', 200), ('sunglasses', 38)):
        changed = PERTURBATIONS[name](image, face())
        assert [changed[40, x, 0] for x in (35, 65)] == [pupils, pupils]
        # The bridge is slightly above the pupils.
        assert changed[37, 50, 0] < 200
        assert (changed[60:] == 200).all()


def test_face_is_rotated_around_its_center() -> None:
    """Counter-clockwise for a positive angle: what is right of the center moves up."""
    image = np.zeros((100, 100, 1), np.uint8)
    image[48:52, 76:84] = 255
    for angle in (-20, -10, 10, 20):
        changed = PERTURBATIONS[f'rotated by {angle:+d}'](image, face())[..., 0]
        y, x = (values.mean() for values in np.nonzero(changed > 128))
        radians = np.radians(angle)
        assert x == pytest.approx(49.5 + 30 * np.cos(radians), abs=0.5)
        assert y == pytest.approx(49.5 - 30 * np.sin(radians), abs=0.5)


def test_rotation_repeats_the_edge() -> None:
    """There are no black corners."""
    image = np.full((100, 100, 1), 200, np.uint8)
    assert (PERTURBATIONS['rotated by +20'](image, face()) == 200).all()


def test_half_of_the_box_is_occluded() -> None:
    """The lower half, or the left one in the image; all else is unchanged."""
    image = np.full((100, 100, 1), 200, np.uint8)
    for name, part in (
        ('lower half occluded', (slice(50, 90), slice(10, 90))),
        ('one side occluded', (slice(10, 90), slice(10, 50))),
    ):
        changed = PERTURBATIONS[name](image, face())
        assert (changed[part] == 128).all()
        assert (changed == 128).sum() == 40 * 80


def test_face_is_downscaled_to_20_pixels() -> None:
    """From 80: lines of 4 pixels and less are blurred; a face of 16 is unchanged."""
    image = np.zeros((100, 100, 1), np.uint8)
    image[:, ::2] = 200
    assert np.ptp(PERTURBATIONS['downscaled'](image, face()).astype(int)) <= 1
    tiny = image[:20, :20]
    np.testing.assert_array_equal(PERTURBATIONS['downscaled'](tiny, face(0.2)), tiny)


def women_and_men(*brightness: int) -> FaceDataset:
    """Return faces of uniform brightness, those above 127 women."""
    y_true = np.array([0 if value > 127 else 1 for value in brightness])
    images = [np.full((100, 100, 1), value, np.uint8) for value in brightness]
    return FaceDataset('gender', 'plain', images, y_true, np.eye(2, dtype=np.float32)[y_true])


def test_changed_predictions_are_counted(make_model: MakeModel) -> None:
    """A classifier that predicts women for bright faces predicts men for darkened ones.

    Two women of 90 % become men of 78 %, and two of 59 % become men of 85 %: with a threshold of
    70 % only the first two are known before.
    """
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    dataset = women_and_men(230, 230, 150, 150, 26, 26, 26, 200)
    detections = [*[face()] * 7, None]
    measured = measure_perturbations(classifier, dataset, detections, threshold=0.7)
    assert (measured['faces'], measured['of'], measured['accuracy']) == (7, 8, 1)
    assert list(measured['perturbations']) == list(PERTURBATIONS)
    dark = measured['perturbations']['darker']
    changed = np.arange(7) < 4
    assert dark['changed'] == pytest.approx(4 / 7)
    assert dark['changed_interval'] == wilson_interval(changed)
    assert dark['accuracy'] == pytest.approx(3 / 7)
    assert dark['difference'] == pytest.approx(-4 / 7)
    assert dark['p_value'] == pytest.approx(2 / 2**4)
    assert dark['known'] == 1
    assert dark['certain_changes'] == pytest.approx(2 / 7)
    assert (dark['certain_mistakes_before'], dark['certain_mistakes']) == (0, 4 / 7)
    assert dark['winner'] == 'man'
    assert dark['labels']['man']['before'] == pytest.approx(3 / 7)
    assert dark['labels']['man']['difference'] == pytest.approx(4 / 7)
    assert dark['changes'] == [{'from': 'woman', 'to': 'man', 'count': 4}]


def test_perturbation_without_effect_has_no_winner(make_model: MakeModel) -> None:
    """A uniform image does not change when it is rotated."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    measured = measure_perturbations(classifier, women_and_men(230, 26), [face()] * 2)
    rotated = measured['perturbations']['rotated by +20']
    assert (rotated['changed'], rotated['difference'], rotated['p_corrected']) == (0, 0, 1)
    assert (rotated['winner'], rotated['changes']) == (None, [])


def test_example_is_the_face_that_changes_most_often(make_model: MakeModel) -> None:
    """The second detected face is just bright enough for a woman."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    dataset = women_and_men(250, 250, 130)
    measured = measure_perturbations(classifier, dataset, [None, face(), face()])
    assert measured['example'] == 2


def test_random_change_among_many_is_not_significant(make_model: MakeModel) -> None:
    """All of 6 predictions change in the dark: p is 1/32, but there are 12 perturbations."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    measured = measure_perturbations(classifier, women_and_men(*[200] * 6), [face()] * 6)
    dark = measured['perturbations']['darker']
    assert dark['p_value'] == pytest.approx(1 / 32)
    assert dark['p_corrected'] > 0.1


def test_faces_without_landmarks_are_refused(make_model: MakeModel) -> None:
    """Such as those of the detector haar."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    detections = [Detection(BoundingBox(10, 10, 80, 80), 0.9), None]
    with pytest.raises(ValueError, match='landmarks'):
        measure_perturbations(classifier, women_and_men(200, 20), detections)

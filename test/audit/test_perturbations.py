"""Faces are changed as their names say, and changed answers are counted."""

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
    """Give a face of 80 x 80 pixels in the middle of a picture of 100, or a larger one of both."""
    points = ((35, 40), (65, 40), (50, 55), (38, 70), (62, 70))
    landmarks = tuple((scale * x, scale * y) for x, y in points)
    return Detection(BoundingBox(10, 10, 80, 80).scaled(scale), 0.9, landmarks)


def stripes(side: int = 100, channels: int = 1) -> NDArray[np.uint8]:
    """Give a picture of ten gray stripes, each one brighter than the one above it."""
    rows = (20 + 20 * (np.arange(side) * 10 // side)).astype(np.uint8)
    return np.repeat(np.repeat(rows[:, None, None], side, 1), channels, 2)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('name', PERTURBATIONS)
def test_a_changed_picture_is_a_copy_of_the_same_shape(name: str, channels: int) -> None:
    """In gray and in color; every one changes something."""
    picture = stripes(channels=channels)
    changed = PERTURBATIONS[name](picture, face())
    assert changed.shape == (100, 100, channels)
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, picture)
    np.testing.assert_array_equal(picture, stripes(channels=channels))


@pytest.mark.parametrize('name', PERTURBATIONS)
def test_a_change_means_the_same_for_a_face_of_any_size(name: str) -> None:
    """A picture of three times as many pixels comes out as the small one does."""
    small = PERTURBATIONS[name](stripes(), face())
    large = PERTURBATIONS[name](stripes(300), face(3))
    shrunk = large.reshape(100, 3, 100, 3).mean(axis=(1, 3))
    assert np.abs(shrunk - small[..., 0]).mean() < 3


def test_light_is_halved_twice_or_cut_off_at_white() -> None:
    """200 becomes 50 or white, and 100 becomes 150."""
    picture = np.full((100, 100, 1), 200, np.uint8)
    assert (PERTURBATIONS['darker'](picture, face()) == 50).all()
    assert (PERTURBATIONS['lighter'](picture, face()) == 255).all()
    assert (PERTURBATIONS['lighter'](picture // 2, face()) == 150).all()


def test_glasses_lie_over_the_eyes() -> None:
    """Clear ones leave the pupils alone, sunglasses do not; the mouth is free with both."""
    picture = np.full((100, 100, 1), 200, np.uint8)
    for name, pupils in (('glasses', 200), ('sunglasses', 38)):
        changed = PERTURBATIONS[name](picture, face())
        assert [changed[40, x, 0] for x in (35, 65)] == [pupils, pupils]
        # The bridge lies a little above the pupils.
        assert changed[37, 50, 0] < 200
        assert (changed[60:] == 200).all()


def test_a_face_is_turned_around_its_middle() -> None:
    """Counter-clockwise for a positive angle: what lies right of the middle moves up."""
    picture = np.zeros((100, 100, 1), np.uint8)
    picture[48:52, 76:84] = 255
    for angle in (-20, -10, 10, 20):
        changed = PERTURBATIONS[f'turned by {angle:+d}'](picture, face())[..., 0]
        y, x = (values.mean() for values in np.nonzero(changed > 128))
        turn = np.radians(angle)
        assert x == pytest.approx(49.5 + 30 * np.cos(turn), abs=0.5)
        assert y == pytest.approx(49.5 - 30 * np.sin(turn), abs=0.5)


def test_what_is_turned_in_from_outside_repeats_the_edge() -> None:
    """No black corners that the network would have to know."""
    picture = np.full((100, 100, 1), 200, np.uint8)
    assert (PERTURBATIONS['turned by +20'](picture, face()) == 200).all()


def test_half_of_the_box_is_covered() -> None:
    """Its lower half, or its left one in the picture; all else stays."""
    picture = np.full((100, 100, 1), 200, np.uint8)
    for name, part in (
        ('lower half covered', (slice(50, 90), slice(10, 90))),
        ('one side covered', (slice(10, 90), slice(10, 50))),
    ):
        changed = PERTURBATIONS[name](picture, face())
        assert (changed[part] == 128).all()
        assert (changed == 128).sum() == 40 * 80


def test_a_small_face_has_20_pixels() -> None:
    """Of 80: lines of 4 pixels and less run into each other; a face of 16 stays as it is."""
    picture = np.zeros((100, 100, 1), np.uint8)
    picture[:, ::2] = 200
    assert np.ptp(PERTURBATIONS['small'](picture, face()).astype(int)) <= 1
    tiny = picture[:20, :20]
    np.testing.assert_array_equal(PERTURBATIONS['small'](tiny, face(0.2)), tiny)


def women_and_men(*brightness: int) -> FaceDataset:
    """Give faces of one brightness each, the brighter ones than 127 women."""
    y_true = np.array([0 if value > 127 else 1 for value in brightness])
    pictures = [np.full((100, 100, 1), value, np.uint8) for value in brightness]
    return FaceDataset('gender', 'plain', pictures, y_true, np.eye(2, dtype=np.float32)[y_true])


def test_changed_answers_are_counted(make_model: MakeModel) -> None:
    """A classifier that calls bright faces women calls all faces in the dark men.

    Two women of 90 % become men of 78 %, and two of 59 % become men of 85 %: of a certainty of
    70 % and more only the first two were before.
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
    assert dark['told'] == 1
    assert dark['certain_changes'] == pytest.approx(2 / 7)
    assert (dark['certain_mistakes_before'], dark['certain_mistakes']) == (0, 4 / 7)
    assert dark['winner'] == 'man'
    assert dark['labels']['man']['before'] == pytest.approx(3 / 7)
    assert dark['labels']['man']['difference'] == pytest.approx(4 / 7)
    assert dark['changes'] == [{'from': 'woman', 'to': 'man', 'count': 4}]


def test_what_changes_nothing_is_told_so(make_model: MakeModel) -> None:
    """A plain picture is the same when it is turned."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    measured = measure_perturbations(classifier, women_and_men(230, 26), [face()] * 2)
    rotated = measured['perturbations']['turned by +20']
    assert (rotated['changed'], rotated['difference'], rotated['p_corrected']) == (0, 0, 1)
    assert (rotated['winner'], rotated['changes']) == (None, [])


def test_the_example_changes_most_often(make_model: MakeModel) -> None:
    """The second face that was found is the one that is just bright enough for a woman."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    dataset = women_and_men(250, 250, 130)
    measured = measure_perturbations(classifier, dataset, [None, face(), face()])
    assert measured['example'] == 2


def test_a_lucky_change_among_many_is_not_significant(make_model: MakeModel) -> None:
    """6 of 6 faces get another answer in the dark: p is 1/32, but 12 things were tried."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    measured = measure_perturbations(classifier, women_and_men(*[200] * 6), [face()] * 6)
    dark = measured['perturbations']['darker']
    assert dark['p_value'] == pytest.approx(1 / 32)
    assert dark['p_corrected'] > 0.1


def test_without_landmarks_there_is_nothing_to_draw_on(make_model: MakeModel) -> None:
    """As with the detector haar; the line says what to take instead."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    detections = [Detection(BoundingBox(10, 10, 80, 80), 0.9), None]
    with pytest.raises(ValueError, match='in any of 2 pictures; expected a detector that tells'):
        measure_perturbations(classifier, women_and_men(200, 20), detections)

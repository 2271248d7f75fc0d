"""What wrong boxes cost is told by pictures of which the crop's brightness is known."""

from collections.abc import Callable
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset, read_dataset
from face_classification_ros.evaluation.box_robustness import measure_box_robustness

MakeModel = Callable[..., Path]

SIDE = 100


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Give a classifier that tells a woman where more than half of the crop is white."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


def women(folder: Path, *pictures: NDArray[np.uint8]) -> FaceDataset:
    """Write pictures of women whose boxes are the whole pictures."""
    for label in ('woman', 'man'):
        (folder / 'val' / label).mkdir(parents=True)
    for number, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / 'val' / 'woman' / f'{number}.png'), picture)
    return read_dataset('gender', folder, 'val')


def half_white() -> NDArray[np.uint8]:
    """Give a black picture of which the left 62 % are white."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:, :62] = 255
    return picture


def white_square() -> NDArray[np.uint8]:
    """Give a black picture with a white square of 75 % of its side in the middle."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[12:87, 12:87] = 255
    return picture


def test_a_classifier_that_looks_everywhere_alike_loses_nothing(
    classifier: Classifier, tmp_path: Path
) -> None:
    """On a picture of one brightness each crop is the same."""
    faces = women(tmp_path / 'data', np.full((SIDE, SIDE, 3), 200, np.uint8))
    error = measure_box_robustness(classifier, faces)
    assert error['exact'] == 1
    rows = [*error['shifted'], *error['scaled']]
    assert [row['by'] for row in rows] == [0.1, 0.2, 0.8, 0.9, 1.1, 1.2]
    assert all((row['accuracy'], row['drop_points']) == (1, 0) for row in rows)


def test_a_classifier_that_needs_the_middle_loses_by_shifts(
    classifier: Classifier, tmp_path: Path
) -> None:
    """20 % to the right are too much, straight or at an angle: 3 of 8 directions are lost."""
    error = measure_box_robustness(classifier, women(tmp_path / 'data', half_white()))
    slight, strong = error['shifted']
    assert slight == {'by': 0.1, 'accuracy': 1, 'drop_points': 0}
    assert strong == {'by': 0.2, 'accuracy': 5 / 8, 'drop_points': 37.5}
    assert all(row['accuracy'] == 1 for row in error['scaled'])


def test_a_classifier_that_needs_the_scale_loses_by_large_boxes(
    classifier: Classifier, tmp_path: Path
) -> None:
    """Half of the two faces is lost where more than half of the crop is the black frame."""
    even = np.full((SIDE, SIDE, 3), 255, np.uint8)
    error = measure_box_robustness(classifier, women(tmp_path / 'data', white_square(), even))
    assert {row['by']: row['drop_points'] for row in error['scaled']} == {
        0.8: 0,
        0.9: 0,
        1.1: 50,
        1.2: 50,
    }


def test_a_scaled_box_keeps_its_center(classifier: Classifier, tmp_path: Path) -> None:
    """Of pictures that are white at one side by 48 %, no square around the middle has more."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:, :48] = 255
    rotated = [np.ascontiguousarray(np.rot90(picture, turns)) for turns in range(4)]
    error = measure_box_robustness(classifier, women(tmp_path / 'data', *rotated))
    assert [row['accuracy'] for row in error['scaled']] == [0, 0, 0, 0]


def test_what_gets_better_by_a_wrong_box_has_a_negative_drop(
    classifier: Classifier, tmp_path: Path
) -> None:
    """The mirror of the above: men, who are told where the black frame is the larger part."""
    folder = tmp_path / 'data' / 'val'
    (folder / 'woman').mkdir(parents=True)
    (folder / 'man').mkdir()
    assert cv2.imwrite(str(folder / 'man' / '0.png'), white_square())
    error = measure_box_robustness(classifier, read_dataset('gender', tmp_path / 'data', 'val'))
    assert error['exact'] == 0
    assert [row['drop_points'] for row in error['scaled']] == [0, 0, -100, -100]


def test_the_command_tells_it_when_asked(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed, and added to the figures."""
    women(tmp_path / 'data', half_white())
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data'), '--box-robustness']
    arguments += ['--model', str(classifier.path), '--json', str(tmp_path / 'report.json')]
    assert main(arguments) == 0
    error = json.loads((tmp_path / 'report.json').read_text())['box_robustness']
    assert error['shifted'][1]['accuracy'] == 5 / 8
    printed = capsys.readouterr().out
    assert 'mean of 8 directions' in printed
    assert 'shifted by  20% of the side: 62.50%, -37.5 points' in printed

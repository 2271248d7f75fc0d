"""Accuracy with inaccurate boxes, on images with crops of known brightness."""

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

SIZE = 100


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Return a classifier that predicts a woman if more than half of the crop is white."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


def women(folder: Path, *images: NDArray[np.uint8]) -> FaceDataset:
    """Write images of women whose boxes are the whole images."""
    for label in ('woman', 'man'):
        (folder / 'val' / label).mkdir(parents=True)
    for number, image in enumerate(images):
        assert cv2.imwrite(str(folder / 'val' / 'woman' / f'{number}.png'), image)
    return read_dataset('gender', folder, 'val')


def half_white() -> NDArray[np.uint8]:
    """Return a black image of which the left 62 % are white."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, :62] = 255
    return image


def white_square() -> NDArray[np.uint8]:
    """Return a black image with a white square of 75 % of its size in the center."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[12:87, 12:87] = 255
    return image


def test_uniform_image_has_no_drop(classifier: Classifier, tmp_path: Path) -> None:
    """All crops of an image of one brightness are the same."""
    faces = women(tmp_path / 'data', np.full((SIZE, SIZE, 3), 200, np.uint8))
    robustness = measure_box_robustness(classifier, faces)
    assert robustness['exact'] == 1
    rows = [*robustness['shifted'], *robustness['scaled']]
    assert [row['by'] for row in rows] == [0.1, 0.2, 0.8, 0.9, 1.1, 1.2]
    assert all((row['accuracy'], row['drop_points']) == (1, 0) for row in rows)


def test_shifts_change_the_prediction(classifier: Classifier, tmp_path: Path) -> None:
    """A shift of 20 % to the right, straight or diagonal, is too far: 3 of 8 directions."""
    robustness = measure_box_robustness(classifier, women(tmp_path / 'data', half_white()))
    slight, strong = robustness['shifted']
    assert slight == {'by': 0.1, 'accuracy': 1, 'drop_points': 0}
    assert strong == {'by': 0.2, 'accuracy': 5 / 8, 'drop_points': 37.5}
    assert all(row['accuracy'] == 1 for row in robustness['scaled'])


def test_large_boxes_change_the_prediction(classifier: Classifier, tmp_path: Path) -> None:
    """One of two faces is wrong if the black border is more than half of the crop."""
    even = np.full((SIZE, SIZE, 3), 255, np.uint8)
    robustness = measure_box_robustness(classifier, women(tmp_path / 'data', white_square(), even))
    assert {row['by']: row['drop_points'] for row in robustness['scaled']} == {
        0.8: 0,
        0.9: 0,
        1.1: 50,
        1.2: 50,
    }


def test_scaled_box_keeps_its_center(classifier: Classifier, tmp_path: Path) -> None:
    """If 48 % of an image are white at one edge, no centered square has more."""
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[:, :48] = 255
    rotated = [np.ascontiguousarray(np.rot90(image, turns)) for turns in range(4)]
    robustness = measure_box_robustness(classifier, women(tmp_path / 'data', *rotated))
    assert [row['accuracy'] for row in robustness['scaled']] == [0, 0, 0, 0]


def test_improvement_is_a_negative_drop(classifier: Classifier, tmp_path: Path) -> None:
    """Men, who are predicted if the black border is more than half of the crop."""
    folder = tmp_path / 'data' / 'val'
    (folder / 'woman').mkdir(parents=True)
    (folder / 'man').mkdir()
    assert cv2.imwrite(str(folder / 'man' / '0.png'), white_square())
    robustness = measure_box_robustness(
        classifier, read_dataset('gender', tmp_path / 'data', 'val')
    )
    assert robustness['exact'] == 0
    assert [row['drop_points'] for row in robustness['scaled']] == [0, 0, -100, -100]


def test_command_measures_it_on_request(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is printed and added to the JSON file."""
    women(tmp_path / 'data', half_white())
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data'), '--box-robustness']
    arguments += ['--model', str(classifier.path), '--json', str(tmp_path / 'report.json')]
    assert main(arguments) == 0
    robustness = json.loads((tmp_path / 'report.json').read_text())['box_robustness']
    assert robustness['shifted'][1]['accuracy'] == 5 / 8
    printed = capsys.readouterr().out
    assert '62.50%' in printed and '-37.5' in printed

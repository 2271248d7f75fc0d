"""Evaluation of a classifier on images of uniform brightness, which it predicts by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import EMOTIONS, FaceDataset, read_dataset
from face_classification_ros.evaluation.classification import evaluate_classifier

MakeModel = Callable[..., Path]

FACES = {'woman': (230, 206, 155, 64), 'man': (26, 49, 140)}
"""The model's probability of "woman" is the brightness by 255: 0.90, 0.81, 0.61, 0.25 of women, of
whom the last one is predicted as a man, and 0.10, 0.19, 0.55 of men, of whom the last one is
predicted as a woman."""


def write_faces(folder: Path, faces: Mapping[str, Sequence[int]]) -> None:
    """Write an image of 20 x 20 pixels for each brightness."""
    for label, values in faces.items():
        (folder / label).mkdir(parents=True)
        for number, value in enumerate(values):
            image = np.full((20, 20, 3), value, np.uint8)
            assert cv2.imwrite(str(folder / label / f'{number}.png'), image)


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Return a classifier that predicts women by their brightness."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset(tmp_path: Path) -> FaceDataset:
    """Return the seven faces."""
    write_faces(tmp_path / 'data' / 'val', FACES)
    return read_dataset('gender', tmp_path / 'data', 'val')


def test_result_names_model_and_data(classifier: Classifier, dataset: FaceDataset) -> None:
    """Model, data and number of faces are next to the metrics."""
    report = evaluate_classifier(classifier, dataset, 'val')
    described = {key: report[key] for key in ('attribute', 'model', 'data', 'split', 'faces')}
    assert described == {
        'attribute': 'gender',
        'model': 'brightness.onnx',
        'data': dataset.name,
        'split': 'val',
        'faces': 7,
    }


def test_predictions_are_counted_by_label(classifier: Classifier, dataset: FaceDataset) -> None:
    """Three of four women and two of three men are predicted correctly."""
    report = evaluate_classifier(classifier, dataset, 'val')
    assert report['confusion'] == [[3, 1], [1, 2]]
    assert report['confusion_normalized'] == [
        [0.75, 0.25],
        [pytest.approx(1 / 3), pytest.approx(2 / 3)],
    ]
    assert report['accuracy'] == pytest.approx(5 / 7)
    low, high = report['accuracy_interval']
    assert low < 5 / 7 < high
    woman, man = 0.75, pytest.approx(2 / 3)
    assert report['per_label'] == {
        'woman': {'precision': woman, 'recall': woman, 'f1': woman, 'count': 4},
        'man': {'precision': man, 'recall': man, 'f1': man, 'count': 3},
    }
    assert report['balanced_accuracy'] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert report['macro_f1'] == pytest.approx((3 / 4 + 2 / 3) / 2)


def test_probabilities_are_evaluated(classifier: Classifier, dataset: FaceDataset) -> None:
    """By calibration, likelihood and coverage at the threshold of the node."""
    report = evaluate_classifier(classifier, dataset, 'val', threshold=0.7)
    woman, man = np.array(FACES['woman']) / 255, 1 - np.array(FACES['man']) / 255
    likelihoods = [math.log(p) for p in (*woman, *man)]
    assert report['negative_log_likelihood'] == pytest.approx(-sum(likelihoods) / 7, abs=1e-5)
    # Two are correct with 0.90, two with 0.81, one with 0.61; two are wrong with 0.75 and 0.55.
    error = 2 * (1 - 230 / 255) + (1 - 206 / 255) + 49 / 255 + (1 - 155 / 255)
    error += (1 - 64 / 255) + 140 / 255
    # The two with 0.90, of a woman and of a man, are in one bin, as are those with 0.81.
    assert report['calibration_error'] == pytest.approx(error / 7, abs=1e-3)
    assert [each['faces'] for each in report['reliability']] == [1, 1, 1, 2, 2]
    assert report['coverage'] == {
        'threshold': 0.7,
        'fraction': pytest.approx(5 / 7),
        'accuracy': pytest.approx(4 / 5),
    }


def test_opposite_labels_have_opposite_metrics(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """With exchanged labels, correct predictions are wrong and vice versa."""
    mirrored = replace(dataset, y_true=1 - dataset.y_true)
    report = evaluate_classifier(classifier, mirrored, 'val', threshold=0.7)
    assert report['accuracy'] == pytest.approx(2 / 7)
    assert report['confusion'] == [[1, 2], [3, 1]]
    assert report['coverage']['accuracy'] == pytest.approx(1 / 5)


@pytest.mark.parametrize(('faces', 'expected'), [([0], (0.0, 0.490)), ([255], (0.510, 1.0))])
def test_interval_of_few_faces_has_a_width(
    classifier: Classifier, tmp_path: Path, faces: list[int], expected: tuple[float, float]
) -> None:
    """Even if all four are wrong, or all four correct."""
    write_faces(tmp_path / 'few' / 'val', {'woman': 4 * faces, 'man': []})
    report = evaluate_classifier(
        classifier, read_dataset('gender', tmp_path / 'few', 'val'), 'val'
    )
    assert report['accuracy_interval'] == pytest.approx(expected, abs=1e-3)


def test_copies_of_training_images_are_counted(
    classifier: Classifier, tmp_path: Path, dataset: FaceDataset
) -> None:
    """The woman of 0.90 is in the training data, too: four of the other six are correct."""
    write_faces(tmp_path / 'data' / 'train', {'woman': (230, 100), 'man': (20,)})
    training = read_dataset('gender', tmp_path / 'data', 'train')
    report = evaluate_classifier(classifier, dataset, 'val', training=training)
    assert report['copies'] == 1
    assert report['accuracy_without_copies'] == pytest.approx(4 / 6)
    assert report['accuracy'] == pytest.approx(5 / 7)


def test_accuracy_without_copies_may_be_undefined(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """All faces are in the training data."""
    report = evaluate_classifier(classifier, dataset, 'val', training=dataset)
    assert (report['copies'], report['accuracy_without_copies']) == (7, None)


def test_multitask_model_is_evaluated_for_one_attribute(
    make_model: MakeModel, tmp_path: Path
) -> None:
    """The other attribute has no influence."""
    path = make_model({'gender': ('woman', 'man'), 'emotion': EMOTIONS})
    write_faces(tmp_path / 'data' / 'val', {'angry': (250, 240), 'happy': (10,)})
    dataset = read_dataset('emotion', tmp_path / 'data', 'val')
    report = evaluate_classifier(Classifier(path), dataset, 'val')
    assert report['attribute'] == 'emotion'
    assert list(report['per_label']) == list(EMOTIONS)
    # What is not angry is not predicted as happy: the others are equal, and the first one wins.
    assert report['accuracy'] == pytest.approx(2 / 3)
    assert report['macro_f1'] == pytest.approx((1 + 0 + 0) / 3)


def test_model_of_another_attribute_is_refused(
    make_model: MakeModel, dataset: FaceDataset
) -> None:
    """The message names its attributes and labels."""
    path = make_model({'emotion': ('sad', 'happy')})
    with pytest.raises(ValueError, match='emotion: sad, happy'):
        evaluate_classifier(Classifier(path), dataset, 'val')


def test_labels_in_another_order_are_refused(make_model: MakeModel, dataset: FaceDataset) -> None:
    """They would be counted as the opposite."""
    path = make_model({'gender': ('man', 'woman')})
    with pytest.raises(ValueError, match='gender: man, woman'):
        evaluate_classifier(Classifier(path), dataset, 'val')


@pytest.fixture
def utkface(tmp_path: Path) -> Path:
    """Write eight faces for training and 120 for validation, with the file names of UTKFace."""
    folder = tmp_path / 'utkface'
    folder.mkdir()
    rows = ['file,split']
    for number in range(128):
        is_man, race = number % 2, number // 2 % 2
        # Every woman of the second race is as dark as a man.
        bright = not is_man and not race
        name = f'{25 + number % 4 * 10}_{1 - is_man}_{race}_{number}.jpg'
        image = np.full((20, 20, 3), (200 if bright else 40) + number // 4, np.uint8)
        assert cv2.imwrite(str(folder / name), image)
        rows.append(f'{name},{"train" if number < 8 else "val"}')
    (folder / 'split.csv').write_text('\n'.join(rows))
    return folder


def test_command_compares_groups(
    utkface: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the predictions for women of the second group are wrong."""
    arguments = ['evaluate', 'gender', '--data', str(utkface), '--model', str(classifier.path)]
    assert main([*arguments, '--json', str(tmp_path / 'report.json')]) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['faces'] == 120
    assert report['accuracy'] == 0.75
    assert report['per_label']['woman']['recall'] == 0.5
    race = report['groups']['race']
    assert race['groups']['white']['accuracy'] == 1
    assert race['groups']['black']['accuracy'] == 0.5
    assert race['largest_gap'] == {'best': 'white', 'worst': 'black', 'gap': 0.5}
    assert set(report['groups']['age']['groups']) == {'20-29', '30-39', '40-49', '50-59'}
    assert report['copies'] == 0
    assert report['coverage']['threshold'] == classifier.thresholds['gender']
    assert 'box_robustness' not in report
    printed = capsys.readouterr().out
    assert '75.00%' in printed and '50.0 points' in printed


def test_several_data_sets_make_one_table(
    utkface: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per data set, and all figures of each as JSON."""
    write_faces(tmp_path / 'data' / 'val', FACES)
    (tmp_path / 'data' / 'train').mkdir()
    arguments = ['evaluate', 'gender', '--data', str(utkface), str(tmp_path / 'data')]
    arguments += ['--model', str(classifier.path), '--json', str(tmp_path / 'report.json')]
    assert main(arguments) == 0
    reports = json.loads((tmp_path / 'report.json').read_text())['data_sets']
    assert [report['data'] for report in reports] == ['UTKFace val, age 13 and above', 'data val']
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ['data', 'faces', 'accuracy']
    assert '120    75.0%' in first
    assert 'race 50.0% (black)' in first
    assert second.startswith(f'{"data val":>34}')


@pytest.mark.parametrize('split', ['train', 'val'])
def test_copies_are_unknown_without_another_training_split(
    split: str, classifier: Classifier, tmp_path: Path
) -> None:
    """For the training split itself, and if the folder has none."""
    write_faces(tmp_path / 'data' / split, FACES)
    (tmp_path / 'data' / 'val').mkdir(exist_ok=True)
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data'), '--split', split]
    arguments += ['--model', str(classifier.path), '--json', str(tmp_path / 'report.json')]
    assert main(arguments) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['copies'] is None
    assert report['accuracy_without_copies'] is None


def test_damaged_training_image_is_named(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for a data set without a training split."""
    write_faces(tmp_path / 'data' / 'val', FACES)
    write_faces(tmp_path / 'data' / 'train', {'woman': (1,), 'man': (2,)})
    (tmp_path / 'data' / 'train' / 'man' / 'damaged.png').write_bytes(b'not an image')
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data')]
    assert main([*arguments, '--model', str(classifier.path)]) == 2
    assert 'damaged.png' in capsys.readouterr().err


def test_data_of_a_single_label_is_measured_with_a_warning(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder is named in which the other labels are missing, perhaps by mistake."""
    write_faces(tmp_path / 'data' / 'val', {'woman': (1, 2)})
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data')]
    assert main([*arguments, '--model', str(classifier.path)]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "'woman'" in line


def test_options_of_classifiers_are_refused_for_a_detector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the options."""
    assert main(['evaluate', 'faces', '--data', str(tmp_path), '--box-robustness']) == 2
    assert '--box-robustness' in capsys.readouterr().err

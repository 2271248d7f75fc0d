"""A classifier is measured on faces of one's own: pictures of one brightness, which it tells."""

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
"""The model's probability of "woman" is the brightness by 255: 0.90, 0.81, 0.61, 0.25 of women,
so that the last one is told as a man, and 0.10, 0.19, 0.55 of men, of which one is told as a
woman."""


def write_faces(folder: Path, faces: Mapping[str, Sequence[int]]) -> None:
    """Write a picture of 20 x 20 pixels for each brightness."""
    for label, values in faces.items():
        (folder / label).mkdir(parents=True)
        for number, value in enumerate(values):
            picture = np.full((20, 20, 3), value, np.uint8)
            assert cv2.imwrite(str(folder / label / f'{number}.png'), picture)


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Give a classifier that tells women by their brightness."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset(tmp_path: Path) -> FaceDataset:
    """Give the seven faces."""
    write_faces(tmp_path / 'data' / 'val', FACES)
    return read_dataset('gender', tmp_path / 'data', 'val')


def test_a_report_says_what_was_measured(classifier: Classifier, dataset: FaceDataset) -> None:
    """Model, data and number of faces stand beside the figures."""
    report = evaluate_classifier(classifier, dataset, 'val')
    told = {key: report[key] for key in ('attribute', 'model', 'data', 'split', 'faces')}
    assert told == {
        'attribute': 'gender',
        'model': 'brightness.onnx',
        'data': dataset.name,
        'split': 'val',
        'faces': 7,
    }


def test_answers_are_counted_by_label(classifier: Classifier, dataset: FaceDataset) -> None:
    """Three of four women and two of three men are told rightly."""
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


def test_probabilities_are_judged_too(classifier: Classifier, dataset: FaceDataset) -> None:
    """By calibration, likelihood, and what is left from the node's threshold on."""
    report = evaluate_classifier(classifier, dataset, 'val', threshold=0.7)
    woman, man = np.array(FACES['woman']) / 255, 1 - np.array(FACES['man']) / 255
    likelihoods = [math.log(p) for p in (*woman, *man)]
    assert report['negative_log_likelihood'] == pytest.approx(-sum(likelihoods) / 7, abs=1e-5)
    # Two told with 0.90 and two with 0.81 rightly, one with 0.61; wrongly with 0.75 and 0.55.
    error = 2 * (1 - 230 / 255) + (1 - 206 / 255) + 49 / 255 + (1 - 155 / 255)
    error += (1 - 64 / 255) + 140 / 255
    # The two with 0.90, of a woman and of a man, are in one bin, as are those with 0.81.
    assert report['calibration_error'] == pytest.approx(error / 7, abs=1e-3)
    assert [each['faces'] for each in report['reliability']] == [1, 1, 1, 2, 2]
    assert report['coverage'] == {
        'threshold': 0.7,
        'share': pytest.approx(5 / 7),
        'accuracy': pytest.approx(4 / 5),
    }


def test_opposite_answers_have_the_opposite_figures(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """Where the bright are men, the answers are wrong that are right where they are women."""
    mirrored = replace(dataset, y_true=1 - dataset.y_true)
    report = evaluate_classifier(classifier, mirrored, 'val', threshold=0.7)
    assert report['accuracy'] == pytest.approx(2 / 7)
    assert report['confusion'] == [[1, 2], [3, 1]]
    assert report['coverage']['accuracy'] == pytest.approx(1 / 5)


def test_faces_that_were_learned_by_heart_are_told_apart(
    classifier: Classifier, tmp_path: Path, dataset: FaceDataset
) -> None:
    """The woman of 0.90 is in the training data, too: without her four of six are right."""
    write_faces(tmp_path / 'data' / 'train', {'woman': (230, 100), 'man': (20,)})
    training = read_dataset('gender', tmp_path / 'data', 'train')
    report = evaluate_classifier(classifier, dataset, 'val', training=training)
    assert report['copies'] == 1
    assert report['accuracy_without_copies'] == pytest.approx(4 / 6)
    assert report['accuracy'] == pytest.approx(5 / 7)


def test_where_all_was_learned_by_heart_nothing_is_left(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """An accuracy of no faces is none."""
    report = evaluate_classifier(classifier, dataset, 'val', training=dataset)
    assert (report['copies'], report['accuracy_without_copies']) == (7, None)


def test_a_blended_model_is_measured_for_one_attribute(
    make_model: MakeModel, tmp_path: Path
) -> None:
    """What it tells of the other one changes nothing."""
    path = make_model({'gender': ('woman', 'man'), 'emotion': EMOTIONS})
    write_faces(tmp_path / 'data' / 'val', {'angry': (250, 240), 'happy': (10,)})
    dataset = read_dataset('emotion', tmp_path / 'data', 'val')
    report = evaluate_classifier(Classifier(path), dataset, 'val')
    assert report['attribute'] == 'emotion'
    assert list(report['per_label']) == list(EMOTIONS)
    # What is not angry is not told as happy: the others share the rest, and the first one wins.
    assert report['accuracy'] == pytest.approx(2 / 3)
    assert report['macro_f1'] == pytest.approx((1 + 0 + 0) / 3)


def test_a_model_of_another_attribute_is_refused(
    make_model: MakeModel, dataset: FaceDataset
) -> None:
    """The line says what it tells instead."""
    path = make_model({'emotion': ('sad', 'happy')})
    with pytest.raises(ValueError, match='does not tell gender as woman, man') as error:
        evaluate_classifier(Classifier(path), dataset, 'val')
    assert 'it tells emotion: sad, happy' in str(error.value)


def test_labels_in_another_order_are_refused(make_model: MakeModel, dataset: FaceDataset) -> None:
    """They would be counted as the opposite."""
    path = make_model({'gender': ('man', 'woman')})
    with pytest.raises(ValueError, match='woman, man, in this order; it tells gender: man, woman'):
        evaluate_classifier(Classifier(path), dataset, 'val')


@pytest.fixture
def utkface(tmp_path: Path) -> Path:
    """Give a folder of eight faces to learn from and 120 to measure on, named as UTKFace's."""
    folder = tmp_path / 'utkface'
    folder.mkdir()
    rows = ['file,split']
    for number in range(128):
        is_man, race = number % 2, number // 2 % 2
        # Every woman of the second race is as dark as a man.
        bright = not is_man and not race
        name = f'{25 + number % 4 * 10}_{1 - is_man}_{race}_{number}.jpg'
        picture = np.full((20, 20, 3), (200 if bright else 40) + number // 4, np.uint8)
        assert cv2.imwrite(str(folder / name), picture)
        rows.append(f'{name},{"train" if number < 8 else "val"}')
    (folder / 'split.csv').write_text('\n'.join(rows))
    return folder


def test_the_command_tells_for_whom_a_model_is_wrong(
    utkface: Path, classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of the second group's answers are wrong, and no picture of it was learned."""
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
    assert report['coverage']['threshold'] == 0.7
    assert 'box_robustness' not in report
    printed = capsys.readouterr().out
    assert 'accuracy 75.00%' in printed
    assert 'largest gap 50.0 points: white to black' in printed


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
def test_copies_are_looked_for_where_there_is_another_training_split(
    split: str, classifier: Classifier, tmp_path: Path
) -> None:
    """Not in the training split itself, nor where the folder has none."""
    write_faces(tmp_path / 'data' / split, FACES)
    (tmp_path / 'data' / 'val').mkdir(exist_ok=True)
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data'), '--split', split]
    arguments += ['--model', str(classifier.path), '--json', str(tmp_path / 'report.json')]
    assert main(arguments) == 0
    report = json.loads((tmp_path / 'report.json').read_text())
    assert report['copies'] is None
    assert report['accuracy_without_copies'] is None


def test_a_damaged_training_picture_is_told(
    classifier: Classifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not taken for a data set without a training split."""
    write_faces(tmp_path / 'data' / 'val', FACES)
    write_faces(tmp_path / 'data' / 'train', {'woman': (1,), 'man': (2,)})
    (tmp_path / 'data' / 'train' / 'man' / 'damaged.png').write_bytes(b'no picture')
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data')]
    assert main([*arguments, '--model', str(classifier.path)]) == 2
    assert 'damaged.png is not a readable picture' in capsys.readouterr().err


def test_what_only_classifiers_have_is_not_asked_of_a_detector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line says what the options are for."""
    assert main(['evaluate', 'faces', '--data', str(tmp_path), '--box-robustness']) == 2
    assert '--report and --box-robustness are for gender and emotion' in capsys.readouterr().err

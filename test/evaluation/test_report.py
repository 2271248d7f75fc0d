"""The folder of an evaluation: metrics and diagrams."""

from collections.abc import Callable
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('matplotlib', reason='needs the extra [train]')

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import evaluate_classifier
from face_classification_ros.evaluation.report import (
    draw_confusion,
    draw_groups,
    draw_reliability,
    write_report,
)

MakeModel = Callable[..., Path]


@pytest.fixture
def dataset() -> FaceDataset:
    """Return 60 women, of whom 15 are predicted as men, and 20 men, all predicted correctly."""
    brightness = [204] * 45 + [64] * 15 + [26] * 20
    y_true = np.array([0] * 60 + [1] * 20)
    return FaceDataset(
        'gender',
        'brightness',
        [np.full((16, 16, 1), value, np.uint8) for value in brightness],
        y_true,
        np.eye(2, dtype=np.float32)[y_true],
        groups={'race': np.array(['asian'] * 60 + ['black'] * 20)},
    )


@pytest.fixture
def report(make_model: MakeModel, dataset: FaceDataset) -> dict[str, Any]:
    """Return the metrics of a classifier on these faces."""
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    return evaluate_classifier(classifier, dataset, 'val', threshold=0.77)


def test_folder_contains_metrics_and_diagrams(report: dict[str, Any], tmp_path: Path) -> None:
    """All diagrams are readable, at 120 dots per inch, and none is blank."""
    write_report(report, tmp_path / 'new' / 'folder')
    assert json.loads((tmp_path / 'new' / 'folder' / 'report.json').read_text()) == report
    diagrams = {path.stem: path for path in (tmp_path / 'new' / 'folder').glob('*.png')}
    assert set(diagrams) == {'confusion', 'reliability', 'groups'}
    sizes = {'confusion': (564, 408), 'reliability': (624, 744), 'groups': (768, 345)}
    for name, (width, height) in sizes.items():
        diagram = cv2.imread(str(diagrams[name]))
        assert diagram is not None
        assert diagram.shape == (height, width, 3), name
        assert diagram.std() > 10


def test_without_groups_they_have_no_diagram(report: dict[str, Any], tmp_path: Path) -> None:
    """As for FER-2013."""
    write_report({**report, 'groups': {}}, tmp_path)
    assert not (tmp_path / 'groups.png').exists()
    assert (tmp_path / 'confusion.png').exists()


def test_confusion_has_percentages_of_each_row(report: dict[str, Any]) -> None:
    """Rows are true labels with the number of their faces, columns predicted ones."""
    axes = draw_confusion(report).axes[0]
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): '75', (1, 0): '25', (0, 1): '0', (1, 1): '100'}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['woman (60)', 'man (20)']
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ['woman', 'man']
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('predicted label', 'true label (faces)')


def test_label_without_faces_has_an_empty_row(report: dict[str, Any]) -> None:
    """Zeros would mean that its predictions are wrong."""
    report['confusion'][1] = [0, 0]
    report['confusion_normalized'][1] = [0, 0]
    texts = draw_confusion(report).axes[0].texts
    assert {text.get_position()[1] for text in texts} == {0}


def test_reliability_has_a_bar_for_each_bin(report: dict[str, Any]) -> None:
    """45 faces are correct with 80 %, 15 wrong with 75 %, 20 correct with 90 %."""
    figure = draw_reliability(report)
    upper, lower = figure.axes
    (accuracies,), (fractions,) = upper.containers, lower.containers
    assert [bar.get_height() for bar in accuracies] == [0, 1, 1]
    assert [bar.get_height() for bar in fractions] == pytest.approx([15 / 80, 45 / 80, 20 / 80])
    error = (15 * (1 - 64 / 255) + 45 * 51 / 255 + 20 * 26 / 255) / 80
    assert f'{error:.3f}' in figure.get_suptitle()
    assert [text.get_text() for text in lower.texts] == ['known from here: 81%']


def test_groups_have_their_intervals(report: dict[str, Any]) -> None:
    """One line and one dot for each, paler for the group of fewer than 50 faces."""
    (axes,) = draw_groups(report).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['asian (60)', 'black (20)']
    asian, asian_dot, black, black_dot, everybody = axes.lines
    for dot, accuracy in ((asian_dot, 0.75), (black_dot, 1.0)):
        np.testing.assert_array_equal(dot.get_xdata(), [accuracy])
    interval = report['groups']['race']['groups']['asian']['accuracy_interval']
    np.testing.assert_array_equal(asian.get_xdata(), interval)
    assert (asian.get_alpha(), black.get_alpha()) == (1.0, 0.4)
    np.testing.assert_array_equal(everybody.get_xdata(), [65 / 80, 65 / 80])


def test_command_writes_the_folder(make_model: MakeModel, tmp_path: Path) -> None:
    """The option `--report` names it."""
    for label, value in (('woman', 200), ('man', 20)):
        (tmp_path / 'data' / 'val' / label).mkdir(parents=True)
        image = np.full((20, 20, 3), value, np.uint8)
        assert cv2.imwrite(str(tmp_path / 'data' / 'val' / label / '0.png'), image)
    arguments = ['evaluate', 'gender', '--data', str(tmp_path / 'data'), '--box-robustness']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--report', str(tmp_path / 'report')]) == 0
    names = {path.name for path in (tmp_path / 'report').iterdir()}
    assert names == {'report.json', 'confusion.png', 'reliability.png'}
    report = json.loads((tmp_path / 'report' / 'report.json').read_text())
    assert report['accuracy'] == 1
    assert report['box_robustness']['exact'] == 1

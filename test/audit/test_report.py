"""The report of an audit is one self-contained page with diagrams and faces."""

import base64
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('jinja2', reason='needs the extra [train]')
pytest.importorskip('matplotlib', reason='needs the extra [train]')
pytest.importorskip('scipy', reason='needs the extra [train]')

from face_classification_ros.audit.audit import audit_classifier
from face_classification_ros.audit.figures import (
    draw_group_confusions,
    draw_group_reliability,
    draw_perturbations,
)
from face_classification_ros.audit.perturbations import PERTURBATIONS
from face_classification_ros.audit.report import write_audit_report
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.types import BoundingBox, Detection

MakeModel = Callable[..., Path]

FACE = Detection(
    BoundingBox(4, 4, 40, 40),
    0.9,
    ((16.0, 20.0), (32.0, 20.0), (24.0, 28.0), (18.0, 36.0), (30.0, 36.0)),
)
ALONE = {'meta', 'br', 'img', 'link'}


class Page(HTMLParser):
    """The text and images of a page whose tags all end; `ids` are those of its parts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ''
        self.ids: set[str | None] = set()
        self.images: list[tuple[str, NDArray[Any]]] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Record a tag, its id and its image."""
        self.tags.append(tag)
        self.ids.add(dict(attributes).get('id'))
        if tag not in ALONE:
            self._open.append(tag)
        if tag == 'img':
            values = dict(attributes)
            kind, _, content = str(values['src']).partition(',')
            assert kind == 'data:image/png;base64'
            bits = np.frombuffer(base64.b64decode(content), np.uint8)
            self.images.append((str(values['alt']), cv2.imdecode(bits, cv2.IMREAD_COLOR)))

    def handle_endtag(self, tag: str) -> None:
        """Check that a tag ends the one that started last."""
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        """Record text, with spaces as a browser shows them."""
        self.text += re.sub(r'\s+', ' ', text)


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Return a classifier that takes faces brighter than half for women."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset() -> FaceDataset:
    """Return 60 women, 10 of them dark, and 20 men; one group has a name like a tag."""
    brightness = [200] * 50 + [20] * 10 + [60] * 20
    y_true = np.array([0] * 60 + [1] * 20)
    return FaceDataset(
        'gender',
        'brightness',
        [np.full((48, 48, 1), value, np.uint8) for value in brightness],
        y_true,
        np.eye(2, dtype=np.float32)[y_true],
        groups={'race': np.array(['asian'] * 59 + ['<script>'] + ['black'] * 20)},
    )


def detections(dataset: FaceDataset) -> list[Detection | None]:
    """Return the detection of every face."""
    return [FACE] * len(dataset)


def test_page_is_self_contained(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """It loads nothing and runs nothing, and names of groups are not HTML."""
    found = detections(dataset)
    audit = audit_classifier(classifier, dataset, 'val', threshold=0.7, detections=found)
    write_audit_report(audit, tmp_path / 'new' / 'audit.html', classifier, dataset, found)
    text = (tmp_path / 'new' / 'audit.html').read_text()
    page = Page(text)
    assert not {'script', 'link', 'iframe'} & set(page.tags)
    assert '://' not in text and '@import' not in text and 'url(' not in text
    for line in audit['summary']:
        assert line in page.text
    for name in ('By race', 'By gender', '<script>', *PERTURBATIONS):
        assert name in page.text
    kinds = ('accuracy', 'confusion', 'reliability')
    diagrams = [f'{kind} by {column}' for column in ('race', 'gender') for kind in kinds]
    diagrams.append('perturbations')
    shown = dict(page.images)
    assert [name for name, _ in page.images if name] == diagrams
    assert all(shown[name].std() > 10 for name in diagrams)
    # One face without changes and under each perturbation, and ten women taken for men.
    faces = [image for name, image in page.images if not name]
    assert len(faces) == 1 + len(PERTURBATIONS) + 10
    assert {face.shape for face in faces} == {(96, 96, 3)}
    assert (faces[0] == 200).all()
    assert (faces[1 + list(PERTURBATIONS).index('darker')] == 50).all()


def test_errors_are_shown_with_their_explanations(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """The function gets the crop that the network gets, 16 x 16 pixels in gray."""
    crops = []

    def explain(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        crops.append(crop)
        return np.full((16, 16, 3), (0, 0, 255), np.uint8)

    audit = audit_classifier(classifier, dataset, 'val', by=['race'])
    write_audit_report(audit, tmp_path / 'audit.html', classifier, dataset, explain=explain)
    assert [crop.shape for crop in crops] == [(16, 16, 1)] * 10
    assert all((crop == 20).all() for crop in crops)
    page = Page((tmp_path / 'audit.html').read_text())
    explanations = [image for name, image in page.images if name == 'explanation']
    assert len(explanations) == 10
    assert (explanations[0] == (0, 0, 255)).all()
    assert 'man instead of woman' in page.text
    assert 'mistakes' in page.ids and 'perturbations' not in page.ids


def test_page_without_errors_shows_no_faces(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """A classifier may be correct for all faces."""
    correct = dataset.select(np.arange(80) < 50)
    audit = audit_classifier(classifier, correct, 'val')
    write_audit_report(audit, tmp_path / 'audit.html', classifier, correct)
    page = Page((tmp_path / 'audit.html').read_text())
    assert 'mistakes' in page.ids
    assert all(name for name, _ in page.images)


def test_each_group_has_its_confusion_matrix(classifier: Classifier, dataset: FaceDataset) -> None:
    """Next to that of all faces; the true labels have only that one, as they are its rows."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race', 'gender', 'race*gender'])
    titles = [axes.get_title() for axes in draw_group_confusions(audit, 'race').axes]
    assert titles[:2] == ['all (80)\naccuracy 87.5%', '<script> (1)\naccuracy 0.0%']
    assert titles[2:] == ['asian (59)\naccuracy 84.7%', 'black (20)\naccuracy 100.0%']
    asian = draw_group_confusions(audit, 'race').axes[2]
    assert [text.get_text() for text in asian.texts] == ['85', '15']
    assert len(draw_group_confusions(audit, 'gender').axes) == 1
    assert len(draw_group_confusions(audit, 'race*gender').axes) == 1


def test_groups_of_few_faces_are_pale(classifier: Classifier, dataset: FaceDataset) -> None:
    """Their bins of one face each resemble a bad calibration."""
    audit = audit_classifier(classifier, dataset, 'val')
    _, asian, black = draw_group_reliability(audit, 'race').axes
    assert asian.patches[0].get_alpha() is None
    assert black.patches[0].get_alpha() == 0.4
    assert black.get_title() == f'black (20)\nerror {60 / 255:.3f}'


def test_each_perturbation_has_its_row(classifier: Classifier, dataset: FaceDataset) -> None:
    """The fraction of changed predictions on the left, the accuracy on the right."""
    audit = audit_classifier(classifier, dataset, 'val', detections=detections(dataset))
    left, right = draw_perturbations(audit).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == list(PERTURBATIONS)
    place = 2 * list(PERTURBATIONS).index('darker') + 1
    assert left.lines[place].get_xdata() == pytest.approx([50 / 80])
    assert right.lines[place].get_xdata() == pytest.approx([20 / 80])


def test_command_writes_the_report(make_model: MakeModel, tmp_path: Path) -> None:
    """`--report` names the file."""
    for label, value in (('woman', 200), ('man', 20)):
        (tmp_path / 'data' / 'test' / label).mkdir(parents=True)
        image = np.full((20, 20, 3), value, np.uint8)
        assert cv2.imwrite(str(tmp_path / 'data' / 'test' / label / '0.png'), image)
    arguments = ['audit', 'gender', '--data', str(tmp_path / 'data'), '--no-perturbations']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--report', str(tmp_path / 'audit.html')]) == 0
    assert 'Audit of brightness.onnx' in Page((tmp_path / 'audit.html').read_text()).text

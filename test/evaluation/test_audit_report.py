"""An audit is one page that needs nothing else, with diagrams and faces."""

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
from face_classification_ros.audit.perturbations import PERTURBATIONS
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.audit_report import (
    draw_group_confusions,
    draw_group_reliability,
    draw_perturbations,
    write_audit_report,
)
from face_classification_ros.types import BoundingBox, Detection

MakeModel = Callable[..., Path]

FACE = Detection(
    BoundingBox(4, 4, 40, 40),
    0.9,
    ((16.0, 20.0), (32.0, 20.0), (24.0, 28.0), (18.0, 36.0), (30.0, 36.0)),
)
ALONE = {'meta', 'br', 'img', 'link'}


class Page(HTMLParser):
    """What a browser makes of a page: its text, pictures, and whether all ends that began."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ''
        self.pictures: list[tuple[str, NDArray[Any]]] = []
        self.tags: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag, and the picture that it shows."""
        self.tags.append(tag)
        if tag not in ALONE:
            self._open.append(tag)
        if tag == 'img':
            values = dict(attributes)
            kind, _, content = str(values['src']).partition(',')
            assert kind == 'data:image/png;base64'
            bits = np.frombuffer(base64.b64decode(content), np.uint8)
            self.pictures.append((str(values['alt']), cv2.imdecode(bits, cv2.IMREAD_COLOR)))

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last."""
        assert self._open.pop() == tag

    def handle_data(self, text: str) -> None:
        """Note what is read, with spaces as a browser shows them."""
        self.text += re.sub(r'\s+', ' ', text)


@pytest.fixture
def classifier(make_model: MakeModel) -> Classifier:
    """Give a classifier that calls faces women that are brighter than half."""
    return Classifier(make_model({'gender': ('woman', 'man')}))


@pytest.fixture
def dataset() -> FaceDataset:
    """Give 60 women of whom 10 are dark, and 20 men; one is of a group with a name like a tag."""
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
    """Give the place of every face."""
    return [FACE] * len(dataset)


def test_the_page_holds_all_that_it_shows(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """Nothing is loaded from elsewhere, nothing is run, and names of groups are no HTML."""
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
    shown = dict(page.pictures)
    assert [name for name, _ in page.pictures if name] == diagrams
    assert all(shown[name].std() > 10 for name in diagrams)
    # One face as it is and under each perturbation, and ten women that are taken for men.
    faces = [picture for name, picture in page.pictures if not name]
    assert len(faces) == 1 + len(PERTURBATIONS) + 10
    assert {face.shape for face in faces} == {(96, 96, 3)}
    assert (faces[0] == 200).all()
    assert (faces[1 + list(PERTURBATIONS).index('darker')] == 50).all()


def test_mistakes_stand_beside_what_they_rest_on(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """The function gets the crop that the network got, of 16 x 16 pixels in gray."""
    crops = []

    def explain(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        crops.append(crop)
        return np.full((16, 16, 3), (0, 0, 255), np.uint8)

    audit = audit_classifier(classifier, dataset, 'val', by=['race'])
    write_audit_report(audit, tmp_path / 'audit.html', classifier, dataset, explain=explain)
    assert [crop.shape for crop in crops] == [(16, 16, 1)] * 10
    assert all((crop == 20).all() for crop in crops)
    page = Page((tmp_path / 'audit.html').read_text())
    pictures = [picture for name, picture in page.pictures if name == 'what the answer rests on']
    assert len(pictures) == 10
    assert (pictures[0] == (0, 0, 255)).all()
    assert 'man instead of woman' in page.text
    assert 'Changes that should change nothing' not in page.text


def test_without_mistakes_the_page_says_so(
    classifier: Classifier, dataset: FaceDataset, tmp_path: Path
) -> None:
    """A classifier may be right."""
    right = dataset.select(np.arange(80) < 50)
    audit = audit_classifier(classifier, right, 'val')
    write_audit_report(audit, tmp_path / 'audit.html', classifier, right)
    assert 'There are none.' in Page((tmp_path / 'audit.html').read_text()).text


def test_each_group_has_its_matrix(classifier: Classifier, dataset: FaceDataset) -> None:
    """Beside that of all faces; of the true labels there is only that, they are its rows."""
    audit = audit_classifier(classifier, dataset, 'val', by=['race', 'gender', 'race*gender'])
    titles = [axes.get_title() for axes in draw_group_confusions(audit, 'race').axes]
    assert titles[:2] == ['all (80)\n87.5% right', '<script> (1)\n0.0% right']
    assert titles[2:] == ['asian (59)\n84.7% right', 'black (20)\n100.0% right']
    asian = draw_group_confusions(audit, 'race').axes[2]
    assert [text.get_text() for text in asian.texts] == ['85', '15']
    assert len(draw_group_confusions(audit, 'gender').axes) == 1
    assert len(draw_group_confusions(audit, 'race*gender').axes) == 1


def test_groups_of_few_faces_are_pale(classifier: Classifier, dataset: FaceDataset) -> None:
    """Bins of one face each would look like a bad calibration."""
    audit = audit_classifier(classifier, dataset, 'val')
    _, asian, black = draw_group_reliability(audit, 'race').axes
    assert asian.patches[0].get_alpha() is None
    assert black.patches[0].get_alpha() == 0.4
    assert black.get_title() == f'black (20)\nerror {60 / 255:.3f}'


def test_each_perturbation_has_its_row(classifier: Classifier, dataset: FaceDataset) -> None:
    """The share of answers that change on the left, the accuracy that is left on the right."""
    audit = audit_classifier(classifier, dataset, 'val', detections=detections(dataset))
    left, right = draw_perturbations(audit).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == list(PERTURBATIONS)
    place = 2 * list(PERTURBATIONS).index('darker') + 1
    assert left.lines[place].get_xdata() == pytest.approx([50 / 80])
    assert right.lines[place].get_xdata() == pytest.approx([20 / 80])


def test_the_command_writes_the_page(make_model: MakeModel, tmp_path: Path) -> None:
    """`--report` names it."""
    for label, value in (('woman', 200), ('man', 20)):
        (tmp_path / 'data' / 'test' / label).mkdir(parents=True)
        picture = np.full((20, 20, 3), value, np.uint8)
        assert cv2.imwrite(str(tmp_path / 'data' / 'test' / label / '0.png'), picture)
    arguments = ['audit', 'gender', '--data', str(tmp_path / 'data'), '--no-perturbations']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--report', str(tmp_path / 'audit.html')]) == 0
    assert 'Audit of brightness.onnx' in Page((tmp_path / 'audit.html').read_text()).text

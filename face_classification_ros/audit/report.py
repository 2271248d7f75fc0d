"""Write an audit as one self-contained HTML file: text, tables, diagrams, faces."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
import io
from pathlib import Path
from typing import Any

import cv2
import jinja2
from matplotlib.figure import Figure
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.figures import (
    Audit,
    draw_group_confusions,
    draw_group_reliability,
    draw_perturbations,
)
from face_classification_ros.audit.perturbations import PERTURBATIONS
from face_classification_ros.audit.significance import LEVEL
from face_classification_ros.audit.subgroups import MIN_FACES
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.report import DPI, draw_groups
from face_classification_ros.types import Detection

Explain = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""Crop (uint8 H x W x C, the input of the network) -> explanation (uint8 H x W x 3 in BGR)."""

FACE_SIZE = 96
"""Height and width of a shown face in pixels."""

TEMPLATE = 'report.html.j2'


def write_audit_report(
    audit: Audit,
    path: Path,
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None] | None = None,
    *,
    explain: Explain | None = None,
) -> None:
    """Write the result of `audit_classifier` as one HTML file, with images of some of the faces.

    Args:
        audit: the result.
        path: of the file; a missing folder is created.
        classifier: the audited classifier.
        dataset: the faces that it was audited on.
        detections: those that were passed to `audit_classifier`.
        explain: draws explanations of errors; None draws none.
    """
    diagrams = {
        name: {
            'groups': _inline(draw_groups({**audit, 'groups': {name: column}})),
            'confusion': _inline(draw_group_confusions(audit, name)),
            'reliability': _inline(draw_group_reliability(audit, name)),
        }
        for name, column in audit['columns'].items()
    }
    perturbed: dict[str, Any] | None = None
    if audit['perturbations'] is not None and detections is not None:
        perturbed = {
            'diagram': _inline(draw_perturbations(audit)),
            'example': _example(audit, classifier, dataset, detections),
        }
    environment = jinja2.Environment(
        autoescape=True,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {'percent': _percent, 'points': _points, 'interval': _interval}
    environment.filters['p_value'] = _p_value
    page = environment.get_template(TEMPLATE).render(
        audit=audit,
        diagrams=diagrams,
        perturbed=perturbed,
        mistakes=_mistakes(audit, classifier, dataset, explain),
        level=LEVEL,
        min_faces=MIN_FACES,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding='utf-8')


def _example(
    audit: Audit,
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None],
) -> list[dict[str, Any]]:
    """Return one face without changes and under each perturbation, with its predictions."""
    number = audit['perturbations']['example']
    image, detection = dataset.images[number], detections[number]
    assert detection is not None, 'the audit had other detections'
    images = [image, *(change(image, detection) for change in PERTURBATIONS.values())]
    shown = replace(dataset, images=images, boxes=(dataset.face_boxes()[number],) * len(images))
    faces = _inline_faces(shown, classifier)
    crops = shown.crops(classifier.input_spec)
    predictions = classifier.classify(crops)[dataset.attribute]
    return [
        {
            'name': name,
            'face': face,
            'label': dataset.labels[prediction.argmax()],
            'confidence': float(prediction.max()),
            'changed': prediction.argmax() != predictions[0].argmax(),
        }
        for name, face, prediction in zip(
            ('no change', *PERTURBATIONS), faces, predictions, strict=True
        )
    ]


def _mistakes(
    audit: Audit, classifier: Classifier, dataset: FaceDataset, explain: Explain | None
) -> list[dict[str, Any]]:
    """Return the most confident errors with their faces and explanations."""
    mistakes = audit['mistakes']
    if not mistakes:
        return []
    numbers, boxes = [each['face'] for each in mistakes], dataset.face_boxes()
    shown = replace(
        dataset,
        images=[dataset.images[number] for number in numbers],
        boxes=tuple(boxes[number] for number in numbers),
    )
    crops = shown.crops(classifier.input_spec)
    return [
        {
            **mistake,
            'image': image,
            'explanation': _inline_image(explain(crop)) if explain else None,
        }
        for mistake, image, crop in zip(
            mistakes, _inline_faces(shown, classifier), crops, strict=True
        )
    ]


def _inline_faces(dataset: FaceDataset, classifier: Classifier) -> list[str]:
    """Return the crops that the network gets, but in color and larger."""
    input_spec = InputSpec(FACE_SIZE, classifier.input_spec.margin, 'bgr')
    return [_inline_image(crop) for crop in dataset.crops(input_spec)]


def _inline(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=DPI)
    return _data_url(file.getvalue())


def _inline_image(image: NDArray[np.uint8]) -> str:
    return _data_url(cv2.imencode('.png', image)[1].tobytes())


def _data_url(png: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(png).decode()}'


def _percent(fraction: float | None) -> str:
    return '–' if fraction is None else f'{fraction:.1%}'


def _points(difference: float | None) -> str:
    return '–' if difference is None else f'{100 * difference:+.1f}'


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f'{100 * low:.1f} to {100 * high:.1f}'


def _p_value(p_value: float | None) -> str:
    if p_value is None:
        return '–'
    return '< 0.001' if p_value < 0.001 else f'{p_value:.3f}'

"""Audit a classifier: for which people and under which perturbations it makes more errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from face_classification_ros.audit.perturbations import measure_perturbations
from face_classification_ros.audit.subgroups import audit_columns, compare_columns, measure_group
from face_classification_ros.audit.summary import summarize
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.types import Detection

MISTAKES = 12
"""Number of the most confident errors in the result."""


def audit_classifier(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    *,
    by: Sequence[str] = (),
    threshold: float = 0.0,
    detections: Sequence[Detection | None] | None = None,
) -> dict[str, Any]:
    """Compare a classifier's predictions between groups of faces and under perturbations.

    Args:
        classifier: may estimate further attributes.
        dataset: faces to audit on.
        split: of the data set, for the report.
        by: columns, see `audit_columns`.
        threshold: confidence below which the node publishes a label as unknown.
        detections: one per face with landmarks, for the perturbations; None skips these.

    Returns:
        Ready for JSON: `attribute`, `model`, `data`, `split`, `labels`, `faces`, and the metrics
        of all faces, see `measure_group`;
        `columns`: see `compare_columns`;
        `perturbations`: see `measure_perturbations`, or None;
        `mistakes`: the most confident errors, `face` (index in the data set), `true`,
        `predicted`, `probabilities` (label -> probability) and `groups` (column -> name);
        `summary`: the main results in sentences.

    Raises:
        ValueError: a column does not exist or is repeated; the classifier does not estimate the
            data set's attribute, or has other labels; or no face has landmarks.
    """
    columns = audit_columns(dataset, by)
    labels = dataset.labels
    probabilities = classify_dataset(classifier, dataset)
    y_pred = probabilities.argmax(axis=1)
    audit: dict[str, Any] = {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'data': dataset.name,
        'split': split,
        'labels': list(labels),
        'faces': len(dataset),
        **measure_group(probabilities, dataset.y_true, labels, threshold),
        'columns': compare_columns(probabilities, dataset, threshold, columns),
        'perturbations': None,
    }
    if detections is not None:
        audit['perturbations'] = measure_perturbations(
            classifier, dataset, detections, threshold=threshold
        )
    errors = np.flatnonzero(y_pred != dataset.y_true)
    by_confidence = errors[np.argsort(-probabilities[errors].max(axis=1), kind='stable')]
    audit['mistakes'] = [
        {
            'face': int(face),
            'true': labels[dataset.y_true[face]],
            'predicted': labels[y_pred[face]],
            'probabilities': dict(zip(labels, probabilities[face].tolist(), strict=True)),
            'groups': {column: str(names[face]) for column, names in columns.items()},
        }
        for face in by_confidence[:MISTAKES]
    ]
    audit['summary'] = summarize(audit)
    return audit

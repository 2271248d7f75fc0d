"""Audit a classifier: for which people and under which perturbations it makes more errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    probabilities = classify_dataset(classifier, dataset)
    perturbations = None
    if detections is not None:
        perturbations = measure_perturbations(classifier, dataset, detections, threshold=threshold)
    audit = {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'data': dataset.name,
        'split': split,
        'labels': list(dataset.labels),
        'faces': len(dataset),
        **measure_group(probabilities, dataset.y_true, dataset.labels, threshold),
        'columns': compare_columns(probabilities, dataset, threshold, columns),
        'perturbations': perturbations,
        'mistakes': _most_confident_errors(probabilities, dataset, columns),
    }
    return audit | {'summary': summarize(audit)}


def _most_confident_errors(
    probabilities: NDArray[np.float32],
    dataset: FaceDataset,
    columns: Mapping[str, NDArray[Any]],
) -> list[dict[str, Any]]:
    """Return the `mistakes` of an audit, the most confident first."""
    y_pred = probabilities.argmax(axis=1)
    errors = np.flatnonzero(y_pred != dataset.y_true)
    by_confidence = errors[np.argsort(-probabilities[errors].max(axis=1), kind='stable')]
    return [
        {
            'face': int(face),
            'true': dataset.labels[dataset.y_true[face]],
            'predicted': dataset.labels[y_pred[face]],
            'probabilities': dict(zip(dataset.labels, probabilities[face].tolist(), strict=True)),
            'groups': {column: str(names[face]) for column, names in columns.items()},
        }
        for face in by_confidence[:MISTAKES]
    ]

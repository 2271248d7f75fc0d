"""Measure a classifier on faces whose true labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.audit.subgroups import accuracy_by_group
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.metrics import (
    accuracy_interval,
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    coverage,
    macro_f1,
    negative_log_likelihood,
    precision_recall_f1,
    reliability,
    row_shares,
)
from face_classification_ros.types import BoundingBox

BATCH = 256


def evaluate_classifier(
    classifier: Classifier,
    dataset: FaceDataset,
    split: str,
    *,
    threshold: float = 0.0,
    training: FaceDataset | None = None,
) -> dict[str, Any]:
    """Give the figures of a classifier for one attribute, ready for JSON.

    Args:
        classifier: may tell other attributes, too.
        dataset: what to measure on.
        split: the data set's part, for the report.
        threshold: confidence below which the node withholds an answer; 0 withholds none.
        training: what was learned from; None where that is not known, or is what is measured on.

    Returns:
        `attribute`, `model`, `parameters`, `data`, `split`, `faces`, `accuracy`,
        `accuracy_interval` (95 %, bootstrap), `balanced_accuracy`, `macro_f1`, `per_label`
        (precision, recall, f1, count), `confusion` (rows: true label, columns: told label,
        counts), `confusion_normalized` (rows of sum 1), `calibration_error`,
        `negative_log_likelihood`, `reliability` (see `metrics.reliability`), `coverage` (see
        `metrics.coverage`), `copies` (faces with a pixel-identical picture in `training`) and
        `accuracy_without_copies`, both None without `training`, and `groups` (see
        `accuracy_by_group`).

    Raises:
        ValueError: the classifier does not tell the data set's attribute, or not with its labels.
    """
    probabilities = classify_dataset(classifier, dataset)
    confidence, told = probabilities.max(axis=1), probabilities.argmax(axis=1)
    right = told == dataset.y_true
    confusion = confusion_matrix(dataset.y_true, told, len(dataset.labels))
    precision, recall, f1 = precision_recall_f1(confusion)
    return {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'parameters': int(classifier.properties.get('parameters', 0)),
        'data': dataset.name,
        'split': split,
        'faces': len(dataset),
        'accuracy': float(right.mean()),
        'accuracy_interval': accuracy_interval(right),
        'balanced_accuracy': balanced_accuracy(confusion),
        'macro_f1': macro_f1(confusion),
        'per_label': {
            label: {
                'precision': float(precision[index]),
                'recall': float(recall[index]),
                'f1': float(f1[index]),
                'count': int(confusion[index].sum()),
            }
            for index, label in enumerate(dataset.labels)
        },
        'confusion': confusion.tolist(),
        'confusion_normalized': row_shares(confusion).tolist(),
        'calibration_error': calibration_error(confidence, right),
        'negative_log_likelihood': negative_log_likelihood(probabilities, dataset.y_true),
        'reliability': reliability(confidence, right),
        'coverage': coverage(confidence, right, threshold),
        **_without_copies(dataset, right, training),
        'groups': accuracy_by_group(right, dataset.groups),
    }


def classify_dataset(
    classifier: Classifier,
    dataset: FaceDataset,
    boxes: Sequence[BoundingBox] | None = None,
    input_spec: InputSpec | None = None,
) -> NDArray[np.float32]:
    """Classify every face, cut out as the node does around a detector's box.

    Args:
        classifier: may tell other attributes than the data set's, too.
        dataset: the faces.
        boxes: one per face in pixels of its picture, instead of the data set's own.
        input_spec: how to cut, instead of the model file's own; with the same side and color.

    Returns:
        N x labels, rows of sum 1.

    Raises:
        ValueError: the classifier does not tell the data set's attribute, or not with its labels.
    """
    attribute = dataset.attribute
    if classifier.labels.get(attribute) != dataset.labels:
        tells = '; '.join(
            f'{name}: {", ".join(labels)}' for name, labels in classifier.labels.items()
        )
        raise ValueError(
            f'{classifier.path} does not tell {attribute} as {", ".join(dataset.labels)}, in this '
            f'order; it tells {tells}'
        )
    crops = dataset.crops(input_spec or classifier.input_spec, boxes)
    batches = np.split(crops, range(BATCH, len(crops), BATCH))
    return np.concatenate([classifier.classify(batch)[attribute] for batch in batches])


def _without_copies(
    dataset: FaceDataset, right: NDArray[np.bool_], training: FaceDataset | None
) -> dict[str, Any]:
    """Leave out what was learned by heart: FER-2013 has copies across its splits."""
    if training is None:
        return {'copies': None, 'accuracy_without_copies': None}
    copied = dataset.images_in(training)
    return {
        'copies': int(copied.sum()),
        'accuracy_without_copies': None if copied.all() else float(right[~copied].mean()),
    }

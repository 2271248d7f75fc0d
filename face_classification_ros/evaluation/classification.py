"""Evaluate a classifier on labeled faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.bands import (
    are_bands,
    expected_values,
    within_one_band,
)
from face_classification_ros.evaluation.group_accuracy import accuracy_by_group
from face_classification_ros.evaluation.metrics import (
    balanced_accuracy,
    calibration_error,
    confusion_matrix,
    coverage,
    macro_f1,
    negative_log_likelihood,
    normalize_rows,
    precision_recall_f1,
    reliability,
    wilson_interval,
)
from face_classification_ros.progress import progress
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
    """Return the metrics of a classifier for one attribute, ready for JSON.

    Args:
        classifier: may estimate further attributes.
        dataset: faces to evaluate on.
        split: of the data set, for the report.
        threshold: confidence below which the node publishes a label as unknown.
        training: the training data; None if it is unknown or the same as `dataset`.

    Returns:
        `attribute`, `model`, `parameters`, `data`, `split`, `faces`, `accuracy`,
        `accuracy_interval` (95 %, Wilson), `balanced_accuracy`, `macro_f1`, `per_label`
        (precision, recall, f1, count), `confusion` (rows: true label, columns: predicted label,
        counts), `confusion_normalized` (rows of sum 1), `calibration_error`,
        `negative_log_likelihood`, `reliability` (see `metrics.reliability`), `coverage` (see
        `metrics.coverage`), `within_one_band` (fraction of faces whose predicted band is at most
        one off) and `mean_absolute_error` (of the expected age in years), both None for labels
        that are not bands, `copies` (faces with a pixel-identical image in `training`) and
        `accuracy_without_copies`, both None without `training`, and `groups` (see
        `accuracy_by_group`).

    Raises:
        ValueError: the classifier does not estimate the data set's attribute, or has other labels.
    """
    probabilities = classify_dataset(classifier, dataset)
    correct = probabilities.argmax(axis=1) == dataset.y_true
    return {
        'attribute': dataset.attribute,
        'model': classifier.path.name,
        'parameters': int(classifier.properties.get('parameters', 0)),
        'data': dataset.name,
        'split': split,
        'faces': len(dataset),
        **_of_predictions(dataset, probabilities.argmax(axis=1)),
        **_of_confidence(dataset, probabilities, threshold),
        **_of_bands(dataset, probabilities),
        **_without_copies(dataset, correct, training),
        'groups': accuracy_by_group(correct, dataset.groups),
    }


def classify_dataset(
    classifier: Classifier,
    dataset: FaceDataset,
    boxes: Sequence[BoundingBox] | None = None,
    input_spec: InputSpec | None = None,
) -> NDArray[np.float32]:
    """Return the probabilities for every face, cropped as the node does around a detector's box.

    Args:
        classifier: may estimate further attributes.
        dataset: the faces.
        boxes: one per face in pixels of its image, instead of the data set's own.
        input_spec: how to crop, instead of the model file's own; with the same size and color.

    Returns:
        N x labels, rows of sum 1.

    Raises:
        ValueError: the classifier does not estimate the data set's attribute, or has other labels.
    """
    attribute = dataset.attribute
    if classifier.labels.get(attribute) != dataset.labels:
        found = '; '.join(
            f'{name}: {", ".join(labels)}' for name, labels in classifier.labels.items()
        )
        raise ValueError(
            f'{classifier.path} does not estimate {attribute} with the labels '
            f'{", ".join(dataset.labels)} in this order, but {found}'
        )
    crops = dataset.crops(input_spec or classifier.input_spec, boxes)
    batches = np.split(crops, range(BATCH, len(crops), BATCH))
    return np.concatenate(
        [
            classifier.classify(batch)[attribute]
            for batch in progress(batches, f'x {BATCH} faces', task='classify')
        ]
    )


def _of_predictions(dataset: FaceDataset, y_pred: NDArray[np.int64]) -> dict[str, Any]:
    """Return the metrics of predicted labels, N."""
    correct = y_pred == dataset.y_true
    confusion = confusion_matrix(dataset.y_true, y_pred, len(dataset.labels))
    return {
        'accuracy': float(correct.mean()),
        'accuracy_interval': wilson_interval(correct),
        'balanced_accuracy': balanced_accuracy(confusion),
        'macro_f1': macro_f1(confusion),
        'per_label': _per_label(dataset.labels, confusion),
        'confusion': confusion.tolist(),
        'confusion_normalized': normalize_rows(confusion).tolist(),
    }


def _of_confidence(
    dataset: FaceDataset, probabilities: NDArray[np.float32], threshold: float
) -> dict[str, Any]:
    """Return the metrics of probabilities, N x labels."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == dataset.y_true
    return {
        'calibration_error': calibration_error(confidence, correct),
        'negative_log_likelihood': negative_log_likelihood(probabilities, dataset.y_true),
        'reliability': reliability(confidence, correct),
        'coverage': coverage(confidence, correct, threshold),
    }


def _per_label(
    labels: Sequence[str], confusion: NDArray[np.int64]
) -> dict[str, dict[str, float | int]]:
    precision, recall, f1 = precision_recall_f1(confusion)
    return {
        label: {
            'precision': float(precision[index]),
            'recall': float(recall[index]),
            'f1': float(f1[index]),
            'count': int(confusion[index].sum()),
        }
        for index, label in enumerate(labels)
    }


def _of_bands(dataset: FaceDataset, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    if not are_bands(dataset.labels):
        return {'within_one_band': None, 'mean_absolute_error': None}
    error, years = None, dataset.groups.get('age')
    if dataset.attribute == 'age' and years is not None and years.dtype.kind in 'iu':
        ages = expected_values(probabilities, dataset.labels)
        error = float(np.abs(ages - years.astype(np.float64)).mean())
    return {
        'within_one_band': within_one_band(dataset.y_true, probabilities.argmax(axis=1)),
        'mean_absolute_error': error,
    }


def _without_copies(
    dataset: FaceDataset, correct: NDArray[np.bool_], training: FaceDataset | None
) -> dict[str, Any]:
    """Return the accuracy without memorized images: FER-2013 has copies across its splits."""
    if training is None:
        return {'copies': None, 'accuracy_without_copies': None}
    copied = dataset.images_in(training)
    return {
        'copies': int(copied.sum()),
        'accuracy_without_copies': None if copied.all() else float(correct[~copied].mean()),
    }

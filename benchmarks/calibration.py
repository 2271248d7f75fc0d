"""Measure how a classifier's probabilities hold on data sets by which they were not fitted.

    python benchmarks/calibration.py --model multitask_mini_xception --data fer2013 rafdb utkface

For each attribute, the temperature is fitted on the validation faces of all data sets but one,
each with the same weight. The calibration error is measured on the remaining one. Next to it are
the error with the temperature of the model file, and what the node publishes: how many labels are
known, the mean of their probabilities, and how many of them are right. With `--json`, also the
confidence and accuracy in bins of confidence, which `docs/generators/calibration_figure.py` draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.common import exit_code
from face_classification_ros.datasets.registry import (
    check_attributes,
    FaceDataset,
    NoFacesError,
    read_dataset,
)
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.evaluation.metrics import calibration_error, reliability
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.progress import progress
from face_classification_ros.training.calibration import fit_temperature, LabeledLogits


def main() -> None:
    """Print a row per attribute and data set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', required=True, help='a shipped model or a model file')
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='as for `evaluate`')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    options = parser.parse_args()
    classifier = Classifier(Path(model_path(options.model)))
    check_attributes(options.data, list(classifier.labels))
    rows: list[dict[str, Any]] = []
    for attribute in classifier.labels:
        datasets = []
        for folder in progress(options.data, 'data set', task=attribute):
            with suppress(NoFacesError):
                datasets.append(read_dataset(attribute, folder, 'val'))
        rows += compare(classifier, datasets)
    print(f'{"":>8} {"data":>34} {"faces":>6} error left out  known  mean p  right')
    for row in rows:
        left_out = '-' if row['error_left_out'] is None else f'{row["error_left_out"]:.3f}'
        print(
            f'{row["attribute"]:>8} {row["data"]:>34} {row["faces"]:6} {row["error"]:.3f} '
            f'{left_out:>8} {row["known"]:6.1%} {row["mean_probability"]:7.1%} {row["right"]:6.1%}'
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def compare(classifier: Classifier, datasets: Sequence[FaceDataset]) -> list[dict[str, Any]]:
    """Return the figures for each data set of an attribute."""
    # Logarithms of probabilities are logits, since softmax ignores a constant.
    predictions: list[LabeledLogits] = [
        (np.log(np.maximum(classify_dataset(classifier, each), 1e-9)), each.y_true)
        for each in datasets
    ]
    rows = []
    for index, (dataset, (logits, y_true)) in enumerate(zip(datasets, predictions, strict=True)):
        others = [*predictions[:index], *predictions[index + 1 :]]
        confidence, correct = _answers(logits, y_true, 1.0)
        known = confidence >= classifier.thresholds[dataset.attribute]
        rows.append(
            {
                'attribute': dataset.attribute,
                'data': dataset.name,
                'faces': len(dataset),
                'error': calibration_error(confidence, correct),
                'error_left_out': calibration_error(
                    *_answers(logits, y_true, fit_temperature(others))
                )
                if others
                else None,
                'known': float(known.mean()),
                'mean_probability': float(confidence[known].mean()),
                'right': float(correct[known].mean()),
                'reliability': reliability(confidence, correct),
            }
        )
    return rows


def _answers(
    logits: NDArray[np.float32], y_true: NDArray[np.int64], temperature: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the probability of each predicted label, and whether it is right."""
    probabilities = softmax(logits / temperature, axis=1)
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == y_true


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

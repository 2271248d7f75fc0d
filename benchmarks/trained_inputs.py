"""Compare the inputs of a network by short trainings: margin, size and color of the face crops.

    python benchmarks/trained_inputs.py \
        --recipe experiments/recipes/multitask_mini_xception_short.yaml \
        --data fer2013 rafdb utkface fairface all_age_faces scut_fbp5500 --output run

Each input is trained with the same recipe and seed from random weights. The table has the accuracy
on the validation faces of each data set. After an interruption, the same command continues.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
import json
from pathlib import Path
import sys
from typing import Any

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.common import exit_code
from face_classification_ros.datasets.registry import NoFacesError, read_dataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.progress import progress
from face_classification_ros.training.recipe import read_recipe
from face_classification_ros.training.staged_trainer import train_stages
from face_classification_ros.training.stages import Stage

INPUTS: dict[str, dict[str, Any]] = {
    'as_in_recipe': {},
    'margin_minus_0.1': {'margin': -0.1},
    'margin_0': {'margin': 0.0},
    'margin_0.1': {'margin': 0.1},
    'size_64': {'size': 64},
    'color': {'color': 'bgr'},
}
"""Fields of the recipe that each input changes, one at a time."""


def main() -> None:
    """Train with each input, and print a row for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--recipe', type=Path, required=True)
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='as for `train`')
    parser.add_argument('--output', type=Path, required=True, help='folder for the runs')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    options = parser.parse_args()
    recipe = read_recipe(options.recipe)
    stages = [Stage(name, recipe.model_copy(update=fields)) for name, fields in INPUTS.items()]
    train_stages(stages, options.data, options.output, resume=options.output.exists())
    rows: dict[str, dict[str, float]] = {}
    for name in progress(INPUTS, 'input'):
        (model,) = (options.output / name).glob('*.onnx')
        rows[name] = measure(Classifier(model), options.data)
    print(f'| input | {" | ".join(rows["as_in_recipe"])} |')
    print('| --- ' * (len(rows['as_in_recipe']) + 1) + '|')
    for name, row in rows.items():
        print(f'| {name} | ' + ' | '.join(f'{each:.1%}' for each in row.values()) + ' |')
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def measure(classifier: Classifier, folders: Sequence[Path]) -> dict[str, float]:
    """Return the accuracy for each attribute on each data set that has it."""
    accuracies = {}
    for attribute in classifier.labels:
        for folder in folders:
            with suppress(NoFacesError):
                faces = read_dataset(attribute, folder, 'val')
                y_pred = classify_dataset(classifier, faces).argmax(axis=1)
                accuracies[f'{attribute}: {faces.name}'] = float((y_pred == faces.y_true).mean())
    return accuracies


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

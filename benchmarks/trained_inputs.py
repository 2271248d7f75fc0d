"""Compare the inputs of a network by short trainings: margin, size and color of the face crops.

    python benchmarks/trained_inputs.py \
        --recipe experiments/recipes/multitask_mini_xception_short.yaml \
        --data fer2013 rafdb utkface fairface all_age_faces scut_fbp5500 --output run

Each input is trained with the same recipe from the same random weights. The table has the
accuracy on the validation faces of each data set. A second start continues with what is missing.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
import json
from pathlib import Path
from typing import Any

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.datasets.registry import NoFacesError, read_dataset
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.progress import print_line, progress
from face_classification_ros.training.recipe import read_recipe, Recipe
from face_classification_ros.training.trainer import train

INPUTS: dict[str, dict[str, Any]] = {
    'margin -0.1, 48, gray': {'margin': -0.1},
    'margin -0.05, 48, gray': {'margin': -0.05},
    'margin 0, 48, gray': {'margin': 0.0},
    'margin 0.1, 48, gray': {'margin': 0.1},
    'margin -0.05, 64, gray': {'margin': -0.05, 'size': 64},
    'margin -0.05, 48, color': {'margin': -0.05, 'color': 'bgr'},
}
"""Fields of the recipe that each input changes; one field at a time."""


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
    rows: dict[str, dict[str, float]] = {}
    for name, fields in progress(list(INPUTS.items()), 'input'):
        folder = options.output / name.replace(', ', '_').replace(' ', '_')
        rows[name] = measure(trained(recipe.model_copy(update=fields), folder, options), options)
        if len(rows) == 1:
            print_line(f'| input | {" | ".join(rows[name])} |')
            print_line('| --- ' * (len(rows[name]) + 1) + '|')
        cells = [f'{each:.1%}' for each in rows[name].values()]
        print_line(f'| {name} | {" | ".join(cells)} |')
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def trained(recipe: Recipe, folder: Path, options: argparse.Namespace) -> Path:
    """Return the model file of a run, trained now unless it exists."""
    existing = list(folder.glob('*.onnx'))
    if existing:
        return existing[0]
    return train(recipe, options.data, folder, resume=folder.exists(), scratch=options.output)


def measure(model: Path, options: argparse.Namespace) -> dict[str, float]:
    """Return the accuracy for each attribute on each data set that has it."""
    classifier = Classifier(model)
    accuracies = {}
    for attribute in classifier.labels:
        for folder in options.data:
            with suppress(NoFacesError):
                faces = read_dataset(attribute, folder, 'val')
                y_pred = classify_dataset(classifier, faces).argmax(axis=1)
                accuracies[f'{attribute}: {faces.name}'] = float((y_pred == faces.y_true).mean())
    return accuracies


if __name__ == '__main__':
    main()

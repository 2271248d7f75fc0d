"""Measure classifiers on faces as a robot sees them: in other boxes, blurred, dark or small.

    python benchmarks/input_conditions.py --model multitask_mini_xception --data fer2013 rafdb

Each row is a condition, and each column a data set: the accuracy on validation faces. Boxes of a
detector are searched in the images; the share of the faces that it finds is in brackets, and the
accuracy is that on those. A box is shifted in eight directions, of which the mean accuracy counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np

from face_classification_ros.audit.perturbations import downscale, Perturbation, PERTURBATIONS
from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.common import exit_code
from face_classification_ros.config import DetectorConfig, DETECTORS
from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.datasets.registry import (
    check_attributes,
    FaceDataset,
    NoFacesError,
    read_dataset,
)
from face_classification_ros.detection import create_detector
from face_classification_ros.evaluation.box_robustness import DIRECTIONS, shift_box
from face_classification_ros.evaluation.classification import classify_dataset
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox, Detection

SHIFT = 0.1
"""Of a box, as a fraction of its longer side."""

CHANGES: dict[str, Perturbation] = {
    'blurred by 4 %': PERTURBATIONS['blurred'],
    'two stops darker': PERTURBATIONS['darker'],
    '24 pixels': downscale(24),
    '16 pixels': downscale(16),
}


def main() -> None:
    """Print a table for each attribute of each model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--model', nargs='+', required=True, help='shipped models or model files')
    parser.add_argument('--data', type=Path, nargs='+', required=True, help='as for `evaluate`')
    parser.add_argument(
        '--detector', nargs='+', choices=list(DETECTORS), default=['own', 'libfacedetection']
    )
    parser.add_argument('--faces', type=int, default=1000, help='random faces of each data set')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    options = parser.parse_args()
    found: dict[tuple[str, str], list[BoundingBox | None]] = {}
    tables = []
    for model in options.model:
        classifier = Classifier(Path(model_path(model)))
        check_attributes(options.data, list(classifier.labels))
        for attribute in classifier.labels:
            rows: dict[str, dict[str, list[float]]] = {}
            for folder in progress(options.data, 'data set', task=attribute):
                with suppress(NoFacesError):
                    faces = read_dataset(attribute, folder, 'val').sample(options.faces)
                    for detector in options.detector:
                        if (detector, faces.name) not in found:
                            found[detector, faces.name] = boxes_of(detector, faces)
                    boxes = {each: found[each, faces.name] for each in options.detector}
                    for condition, figures in measure(classifier, faces, boxes):
                        rows.setdefault(condition, {})[faces.name] = figures
            if rows:
                print_table(f'{classifier.path.stem}: {attribute}', rows)
                tables.append(
                    {'model': classifier.path.stem, 'attribute': attribute, 'rows': rows}
                )
    if options.json:
        options.json.write_text(json.dumps(tables, indent=1))


def boxes_of(detector: str, faces: FaceDataset) -> list[BoundingBox | None]:
    """Search the main face of each image."""
    search = create_detector(DetectorConfig(detector=detector, detection_interval=1))
    return [None if face is None else face.box for face in find_faces(search, faces.images)]


def measure(
    classifier: Classifier, faces: FaceDataset, found: dict[str, list[BoundingBox | None]]
) -> Iterator[tuple[str, list[float]]]:
    """Yield conditions, each with the accuracy and the fraction of the faces that it has."""

    def accuracy(changed: FaceDataset, boxes: list[BoundingBox] | None = None) -> float:
        y_pred = classify_dataset(classifier, changed, boxes).argmax(axis=1)
        return float((y_pred == changed.y_true).mean())

    own = faces.face_boxes()
    yield 'unchanged', [accuracy(faces), 1.0]
    for name, boxes in found.items():
        is_found = np.array([box is not None for box in boxes])
        if is_found.any():
            chosen = [box for box in boxes if box is not None]
            found_faces = faces.select(is_found)
            yield f'boxes of {name}', [accuracy(found_faces, chosen), float(is_found.mean())]
    shifts = [shift_box(SHIFT * x, SHIFT * y) for x, y in DIRECTIONS]
    shifted = [accuracy(faces, [shift(box) for box in own]) for shift in shifts]
    yield 'boxes shifted by 10 %', [float(np.mean(shifted)), 1.0]
    for name, change in CHANGES.items():
        pairs = zip(faces.images, own, strict=True)
        images = [change(image, Detection(box, 1.0)) for image, box in pairs]
        yield name, [accuracy(replace(faces, images=images)), 1.0]


def print_table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print a table in Markdown."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    print(f'\n{title}\n\n| | ' + ' | '.join(names) + ' |\n|' + ' --- |' * (len(names) + 1))
    for condition, row in rows.items():
        cells = []
        for name in names:
            accuracy, fraction = row.get(name, (None, 1.0))
            share = '' if fraction == 1 else f' ({fraction:.0%})'
            cells.append('' if accuracy is None else f'{accuracy:.1%}{share}')
        print(f'| {condition} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

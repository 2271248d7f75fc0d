"""Measure where the boxes of a detector lie in a data set, and which crop margin fits a model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from face_classification_ros.commands.common import DONE
from face_classification_ros.commands.options import (
    add_still_detector,
    non_empty_path,
    positive_int,
    still_detector_config,
)

OTHER = 'other'
"""Stands for an attribute that is not well known."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `crop-margins`."""
    parser.add_argument(
        '--data',
        type=non_empty_path,
        required=True,
        metavar='DIR',
        help='measure boxes in the training split of this data set',
    )
    parser.add_argument(
        '--model',
        default='',
        metavar='MODEL',
        help='find the margin that fits this shipped model or .onnx file, on the split val',
    )
    parser.add_argument(
        '--faces',
        type=positive_int,
        default=500,
        metavar='N',
        help='measure on this many faces, chosen at random (default: 500)',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    add_still_detector(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure boxes and margins and print the figures."""
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.datasets.face_localization import find_faces
    from face_classification_ros.datasets.registry import (
        FaceDataset,
        has_attribute,
        LABELS,
        read_dataset,
    )
    from face_classification_ros.detection import create_detector
    from face_classification_ros.evaluation.crop_margins import (
        describe_boxes,
        measure_margins,
    )
    from face_classification_ros.inference.model_zoo import model_path
    from face_classification_ros.io.records import write_json
    from face_classification_ros.types import BoundingBox

    detector = create_detector(still_detector_config(arguments))
    classifier = None
    # Without a model any attribute will do, also that of folders with other labels.
    attributes = [*LABELS, OTHER]
    if arguments.model:
        classifier = Classifier(model_path(arguments.model), num_threads=arguments.num_threads)
        attributes = list(classifier.labels)
    attribute = next(
        (each for each in attributes if has_attribute(arguments.data, each)), attributes[0]
    )

    def sample(split: str) -> FaceDataset:
        return read_dataset(attribute, arguments.data, split).sample(arguments.faces)

    def boxes(faces: FaceDataset) -> list[BoundingBox | None]:
        return [None if face is None else face.box for face in find_faces(detector, faces.images)]

    faces = sample('train')
    report = {'detector': arguments.detector, 'data': faces.name}
    report |= describe_boxes(faces.images, boxes(faces))
    _print_boxes(report)
    if classifier is not None:
        faces = sample('val')
        report['fit'] = measure_margins(classifier, faces, boxes(faces))
        _print_margins(report['fit'])
    if arguments.json:
        write_json(arguments.json, report)
    return DONE


def _print_boxes(report: Mapping[str, Any]) -> None:
    print(
        f'the detector {report["detector"]} finds {report["detection_rate"]:.1%} of '
        f'{report["faces"]} faces of {report["data"]}'
    )
    print(f'{"box":>12}    25 % median   75 %')
    for name in ('center_x', 'center_y', 'width', 'height'):
        print(f'{name:>12} ' + ' '.join(f'{value:7.3f}' for value in report[name]))
    print('median box x, y, width, height: ' + ', '.join(f'{v:.2f}' for v in report['box']))
    print(f'largest margin inside the images: {report["largest_margin"]:.2f}')


def _print_margins(fit: Mapping[str, Any]) -> None:
    own = fit['own_crops']
    print(f'{fit["model"]} on {fit["faces"]} detected faces of {fit["data"]}')
    print(f'{"margin":>12} accuracy negative log-likelihood')
    for row in (*fit['margins'], own):
        print(
            f'{row["margin"]:12.2f} {row["accuracy"]:8.2%} {row["negative_log_likelihood"]:7.3f}'
            + ('  around the boxes of the data set' if row is own else '')
        )
    print(f'best margin: {fit["best_margin"]:.2f}; the model file has {fit["own_margin"]:.2f}')

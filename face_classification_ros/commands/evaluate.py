"""Measure a classifier on a data set, or a detector on labeled scenes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

from face_classification_ros.commands.common import DONE, needs_extra, print_single_label
from face_classification_ros.commands.models import add_min_age, add_model, load_classifier
from face_classification_ros.commands.options import (
    add_still_detector,
    non_empty_path,
    still_detector_config,
)

if TYPE_CHECKING:
    from face_classification_ros.classification.classifier import Classifier

FACES = 'faces'
"""Takes the place of an attribute to measure a detector."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument(
        'attribute',
        metavar='ATTRIBUTE',
        help=f'measure a classifier of this attribute; "{FACES}" measures a detector',
    )
    parser.add_argument(
        '--data',
        type=non_empty_path,
        required=True,
        nargs='+',
        action='extend',
        metavar='DIR',
        help='measure on these data sets; several are shown in one table; '
        f'for "{FACES}" a folder with boxes.json or labeled videos, or with scenes in train/ and '
        'validation/',
    )
    parser.add_argument(
        '--split',
        default='val',
        metavar='NAME',
        help='measure on this part of each data set: train, val, test, or all for every image '
        '(default: val)',
    )
    add_model(parser, 'measure')
    parser.add_argument(
        '--box-robustness',
        action='store_true',
        help='also measure with boxes that are shifted and scaled',
    )
    parser.add_argument(
        '--min-size',
        type=float,
        metavar='PIXELS',
        help=f'ignore labeled {FACES} below this size, the root of width times height '
        '(default: 0)',
    )
    add_min_age(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    parser.add_argument(
        '--report', type=Path, metavar='DIR', help='write all numbers and diagrams to this folder'
    )
    add_still_detector(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print the figures."""
    from face_classification_ros.io.records import write_json

    if arguments.attribute == FACES:
        report = _evaluate_detector(arguments)
    else:
        report = _evaluate_classifier(arguments)
    if arguments.json:
        write_json(arguments.json, report)
    return DONE


def _evaluate_detector(arguments: argparse.Namespace) -> dict[str, Any]:
    from face_classification_ros.datasets.face_scenes import is_face_scenes
    from face_classification_ros.detection import create_detector
    from face_classification_ros.evaluation.detection import evaluate_detector, SceneReport

    if len(arguments.data) > 1:
        raise ValueError(f'--data: {FACES} are measured on one folder, not {len(arguments.data)}')
    if is_face_scenes(arguments.data[0]):
        return _evaluate_thresholds(arguments)
    if arguments.report or arguments.box_robustness or arguments.min_size is not None:
        raise ValueError(
            '--report and --box-robustness are for attributes, --report and --min-size for '
            'scenes in train/ and validation/'
        )
    detector = create_detector(still_detector_config(arguments))
    detection = evaluate_detector(detector, arguments.data[0])
    print(f'{"scene":>28} faces found false unverified')
    total = SceneReport(
        'all',
        detection.faces,
        detection.found,
        detection.false_detections,
        detection.unverified,
    )
    for scene in (*detection.scenes, total):
        print(
            f'{scene.name:>28} {scene.faces:5d} {scene.found:5d} {scene.false_detections:5d} '
            f'{scene.unverified:10d}'
        )
    return asdict(detection)


def _evaluate_thresholds(arguments: argparse.Namespace) -> dict[str, Any]:
    from face_classification_ros.datasets.face_scenes import read_face_scenes
    from face_classification_ros.detection import create_detector
    from face_classification_ros.evaluation.average_precision import (
        evaluate_scenes,
        LOWEST_CONFIDENCE,
    )

    if arguments.box_robustness:
        raise ValueError(f'--box-robustness is for attributes, not for {FACES}')
    if arguments.report:
        # Before the work, so that a missing package is reported immediately.
        with needs_extra('train', '--report'):
            from face_classification_ros.evaluation.detection_plot import write_detection_report
        from face_classification_ros.evaluation.detection_errors import find_errors, write_errors
    config = replace(still_detector_config(arguments), detection_threshold=LOWEST_CONFIDENCE)
    scenes = read_face_scenes(arguments.data[0], arguments.split)
    scenes = [each.without_small_faces(arguments.min_size or 0.0) for each in scenes]
    detector = create_detector(config)
    measured = evaluate_scenes(detector, scenes)
    print(f'{measured.faces} faces in {measured.images} images')
    print(f'average precision {measured.average_precision:.3f}')
    for point in measured.operating_points:
        error = point.landmark_error
        print(
            f'at {point.false_alarms:g} false alarms per image: threshold {point.threshold:.3f}, '
            f'recall {point.recall:.1%}, landmark error '
            f'{"unknown" if error is None else format(error, ".1%")} of the box width'
        )
        for name, row in point.recall_by_size.items():
            print(f'{name:>10} px {row["recall"]:6.1%} of {row["faces"]}')
    if arguments.report:
        write_detection_report(measured, arguments.report)
        threshold = measured.operating_points[-1].threshold
        write_errors(*find_errors(detector, scenes, threshold), arguments.report)
    return asdict(measured)


def _evaluate_classifier(arguments: argparse.Namespace) -> dict[str, Any]:
    from face_classification_ros.datasets.registry import check_distinct, distinct_names
    from face_classification_ros.evaluation.dataset_table import format_table

    check_distinct(arguments.data)
    several = len(arguments.data) > 1
    if arguments.min_size is not None:
        raise ValueError(f'--min-size is for {FACES}')
    if several and (arguments.report or arguments.box_robustness):
        raise ValueError('--report and --box-robustness need a single data set')
    if arguments.report:
        # Before the work, so that a missing package is reported immediately.
        with needs_extra('train', '--report'):
            from face_classification_ros.evaluation.report import write_report
    classifier = load_classifier(arguments.model, arguments.attribute, arguments.num_threads)
    reports = [_evaluate_on(classifier, folder, arguments) for folder in arguments.data]
    names = distinct_names([report['data'] for report in reports], arguments.data)
    reports = [report | {'data': name} for report, name in zip(reports, names, strict=True)]
    if several:
        print(format_table(reports))
        return {'data_sets': reports}
    _print_report(reports[0])
    if arguments.report:
        write_report(reports[0], arguments.report)
    return reports[0]


def _evaluate_on(
    classifier: Classifier, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    from face_classification_ros.datasets.registry import ALL, NoFacesError, read_dataset
    from face_classification_ros.evaluation.box_robustness import measure_box_robustness
    from face_classification_ros.evaluation.classification import evaluate_classifier

    attribute, split = arguments.attribute, arguments.split
    dataset = read_dataset(attribute, folder, split, min_age=arguments.min_age)
    print_single_label(dataset)
    training = None
    if split not in ('train', ALL):
        with suppress(NoFacesError):
            training = read_dataset(attribute, folder, 'train', min_age=arguments.min_age)
    report = evaluate_classifier(
        classifier,
        dataset,
        split,
        threshold=classifier.thresholds[attribute],
        training=training,
    )
    if arguments.box_robustness:
        report['box_robustness'] = measure_box_robustness(classifier, dataset)
    return report


def _print_report(report: Mapping[str, Any]) -> None:
    low, high = report['accuracy_interval']
    print(f'{report["model"]} on {report["faces"]} faces of {report["data"]}')
    print(f'accuracy {report["accuracy"]:.2%} (95 %: {low:.2%} to {high:.2%})')
    if report['copies']:
        print(
            f'  without the {report["copies"]} images that are also in the training data: '
            f'{_percent(report["accuracy_without_copies"])}'
        )
    print(
        f'balanced accuracy {report["balanced_accuracy"]:.2%}, macro F1 {report["macro_f1"]:.2%}'
    )
    if report['within_one_band'] is not None:
        error = report['mean_absolute_error']
        print(
            f'at most one band off {report["within_one_band"]:.2%}'
            + ('' if error is None else f', expected age off by {error:.1f} years on average')
        )
    coverage = report['coverage']
    print(
        f'known from a confidence of {coverage["threshold"]}: {coverage["fraction"]:.1%} of the '
        f'faces, accuracy among them {_percent(coverage["accuracy"])}'
    )
    print(
        f'expected calibration error {report["calibration_error"]:.3f}, '
        f'negative log-likelihood {report["negative_log_likelihood"]:.3f}'
    )
    print(f'{"label":>10} precision recall     F1  count')
    for label, row in report['per_label'].items():
        print(
            f'{label:>10} {row["precision"]:9.1%} {row["recall"]:6.1%} {row["f1"]:6.1%} '
            f'{row["count"]:6d}'
        )
    for column, comparison in report['groups'].items():
        _print_groups(column, comparison)
    if 'box_robustness' in report:
        _print_box_robustness(report['box_robustness'])


def _print_groups(column: str, comparison: Mapping[str, Any]) -> None:
    print(f'{column:>10} accuracy  95 % interval     count')
    for name, row in comparison['groups'].items():
        low, high = row['accuracy_interval']
        print(f'{name:>10} {row["accuracy"]:8.1%} {low:6.1%} to {high:6.1%} {row["count"]:9d}')
    gap = comparison['largest_gap']
    if gap:
        print(f'  largest gap {100 * gap["gap"]:.1f} points: {gap["best"]} to {gap["worst"]}')


def _print_box_robustness(measured: Mapping[str, Any]) -> None:
    print(
        f'accuracy with exact boxes {measured["exact"]:.2%}; shifts are the mean of 8 directions'
    )
    tables: Sequence[tuple[str, Any]] = (
        ('shifted by', measured['shifted']),
        ('scaled to', measured['scaled']),
    )
    for name, rows in tables:
        for row in rows:
            print(
                f'{name:>10} {row["by"]:4.0%} of the size: {row["accuracy"]:.2%}, '
                f'{-row["drop_points"]:+.1f} points'
            )


def _percent(value: float | None) -> str:
    return 'no faces' if value is None else f'{value:.2%}'

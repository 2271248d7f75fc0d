"""Compare the errors of a classifier between groups of people and under perturbations."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from face_classification_ros.commands.common import (
    DONE,
    needs_extra,
    print_problem,
    print_single_label,
)
from face_classification_ros.commands.models import add_min_age, add_model, load_classifier
from face_classification_ros.commands.options import (
    add_still_detector,
    non_empty_path,
    positive_int,
    still_detector_config,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `audit`."""
    parser.add_argument(
        'attribute', metavar='ATTRIBUTE', help='audit a classifier of this attribute'
    )
    parser.add_argument(
        '--data',
        type=non_empty_path,
        required=True,
        metavar='DIR',
        help='measure on this data set',
    )
    parser.add_argument(
        '--by',
        default='',
        metavar='COLUMN[,COLUMN]',
        help='compare groups by these columns of the data set; "race*age" crosses two '
        '(default: all columns)',
    )
    parser.add_argument(
        '--split',
        default='test',
        metavar='NAME',
        help='measure on this part of the data set: train, val, test, or all for every image '
        '(default: test)',
    )
    add_model(parser, 'audit')
    add_min_age(parser)
    parser.add_argument(
        '--faces',
        type=positive_int,
        metavar='N',
        help='measure on this many faces, chosen at random',
    )
    parser.add_argument(
        '--no-perturbations',
        action='store_true',
        help='only compare groups, which needs no landmarks',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    parser.add_argument(
        '--report',
        type=Path,
        metavar='FILE.html',
        help='write a web page with figures, diagrams and example faces',
    )
    add_still_detector(parser)


def run(arguments: argparse.Namespace) -> int:
    """Audit a classifier and print the figures."""
    from face_classification_ros.datasets.face_localization import find_faces
    from face_classification_ros.datasets.registry import read_dataset
    from face_classification_ros.detection import create_detector
    from face_classification_ros.io.records import write_json

    with needs_extra('train', 'audit'):
        from face_classification_ros.audit.audit import audit_classifier
        from face_classification_ros.audit.subgroups import audit_columns

        if arguments.report:
            from face_classification_ros.audit.report import write_audit_report
            from face_classification_ros.explanation.explainer import Explainer
            from face_classification_ros.explanation.panels import relevance_drawer
    attribute, split = arguments.attribute, arguments.split
    classifier = load_classifier(arguments.model, attribute, arguments.num_threads)
    detector = (
        None if arguments.no_perturbations else create_detector(still_detector_config(arguments))
    )
    dataset = read_dataset(attribute, arguments.data, split, min_age=arguments.min_age)
    print_single_label(dataset)
    if arguments.faces is not None:
        dataset = dataset.sample(arguments.faces)
    by = arguments.by.split(',') if arguments.by else ()
    # Before the search for faces, which takes minutes, so that a wrong column is reported
    # immediately.
    audit_columns(dataset, by)
    detections = None if detector is None else find_faces(detector, dataset.images)
    audit = audit_classifier(
        classifier,
        dataset,
        split,
        by=by,
        threshold=classifier.thresholds[attribute],
        detections=detections,
    )
    _print_audit(audit)
    if arguments.json:
        write_json(arguments.json, audit)
    if arguments.report:
        try:
            explain = relevance_drawer(Explainer(classifier, attribute))
        except ValueError as error:
            # A model file whose graph cannot be explained is audited without explanations.
            print_problem(error)
            explain = None
        write_audit_report(
            audit, arguments.report, classifier, dataset, detections, explain=explain
        )
    return DONE


def _print_audit(audit: Mapping[str, Any]) -> None:
    for column, comparison in audit['columns'].items():
        width = max(len(column), *map(len, comparison['groups']))
        print(
            f'{column:>{width}} {"count":>6} accuracy  95 % interval     others       p'
            ' confident calibration    known'
        )
        for name, row in comparison['groups'].items():
            low, high = row['accuracy_interval']
            print(
                f'{name:>{width}} {row["count"]:6d} {row["accuracy"]:8.1%} '
                f'{low:6.1%} to {high:6.1%} {_difference(row)} {row["confidence"]:9.1%} '
                f'{row["calibration_error"]:11.3f} {row["coverage"]["fraction"]:8.1%}'
            )
    print('others: difference to the accuracy of all other faces in points; p: corrected')
    if audit['perturbations'] is not None:
        _print_perturbations(audit['perturbations'])
    print('\n'.join(audit['summary']))


def _print_perturbations(measured: Mapping[str, Any]) -> None:
    rows = measured['perturbations']
    width = max(map(len, rows))
    print(
        f'{"":>{width}} changed  95 % interval  accuracy       p certain to certain  label that '
        'gains most'
    )
    for name, row in rows.items():
        low, high = row['changed_interval']
        winner = ''
        if row['winner']:
            gain = row['labels'][row['winner']]
            winner = (
                f'{row["winner"]} {100 * gain["difference"]:+.1f}, p {gain["p_corrected"]:.3f}'
            )
        print(
            f'{name:>{width}} {row["changed"]:7.1%} {low:6.1%} to {high:6.1%} '
            f'{100 * row["difference"]:+8.1f} {row["p_corrected"]:7.3f} '
            f'{row["certain_changes"]:18.1%}  {winner}'
        )
    print(
        f'accuracy: difference in points to {measured["accuracy"]:.1%} of the same faces '
        f'unchanged, {measured["faces"]} of {measured["of"]} that have landmarks'
    )


def _difference(row: Mapping[str, Any]) -> str:
    if row['difference'] is None:
        return f'{"-":>6} {"-":>7}'
    return f'{100 * row["difference"]:+6.1f} {row["p_corrected"]:7.3f}'

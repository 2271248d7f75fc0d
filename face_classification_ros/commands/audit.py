"""Compare the errors of a classifier between groups of people and under perturbations."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TYPE_CHECKING

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

if TYPE_CHECKING:
    from face_classification_ros.classification.classifier import Classifier
    from face_classification_ros.datasets.face_dataset import FaceDataset
    from face_classification_ros.detection import Detector
    from face_classification_ros.types import Detection


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `audit`."""
    parser.add_argument(
        'attribute', metavar='ATTRIBUTE', help='audit a classifier of this attribute'
    )
    parser.add_argument(
        '--data',
        type=non_empty_path,
        required=True,
        nargs='+',
        action='extend',
        metavar='DIR',
        help='measure on these data sets; several are shown in one table',
    )
    parser.add_argument(
        '--by',
        default='',
        metavar='COLUMN[,COLUMN]',
        help='compare groups by these columns of each data set; "race*age" crosses two '
        '(default: all columns)',
    )
    parser.add_argument(
        '--split',
        default='test',
        metavar='NAME',
        help='measure on this part of each data set: train, val, test, or all for every image '
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
        help='write a web page with figures, diagrams and example faces of a single data set',
    )
    add_still_detector(parser)


def run(arguments: argparse.Namespace) -> int:
    """Audit a classifier and print the figures."""
    from face_classification_ros.datasets.registry import (
        check_distinct,
        distinct_names,
        read_dataset,
    )
    from face_classification_ros.detection import create_detector
    from face_classification_ros.io.records import write_json

    several = len(arguments.data) > 1
    if several and arguments.report:
        raise ValueError('--report needs a single data set; write one for each')
    check_distinct(arguments.data)
    by = [name.strip() for name in arguments.by.split(',')] if arguments.by else []
    with needs_extra('train', 'audit'):
        from face_classification_ros.audit.subgroups import audit_columns
        from face_classification_ros.audit.tables import format_audits

        if arguments.report:
            import face_classification_ros.audit.report  # noqa: F401
    classifier = load_classifier(arguments.model, arguments.attribute, arguments.num_threads)
    detector = (
        None if arguments.no_perturbations else create_detector(still_detector_config(arguments))
    )
    datasets = []
    for folder in arguments.data:
        dataset = read_dataset(
            arguments.attribute, folder, arguments.split, min_age=arguments.min_age
        )
        print_single_label(dataset)
        if arguments.faces is not None:
            dataset = dataset.sample(arguments.faces)
        # Before the search for faces, which takes minutes, so that a wrong column is reported
        # immediately.
        audit_columns(dataset, by)
        datasets.append(dataset)
    names = distinct_names([each.name for each in datasets], arguments.data)
    datasets = [replace(each, name=name) for each, name in zip(datasets, names, strict=True)]
    audits = [_audit(classifier, detector, each, by, arguments) for each in datasets]
    print(format_audits(audits))
    if arguments.json:
        write_json(arguments.json, {'data_sets': audits} if several else audits[0])
    return DONE


def _audit(
    classifier: Classifier,
    detector: Detector | None,
    dataset: FaceDataset,
    by: Sequence[str],
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    """Return the audit on one data set, and write its report if there is to be one."""
    from face_classification_ros.audit.audit import audit_classifier
    from face_classification_ros.datasets.face_localization import find_faces

    detections = None if detector is None else find_faces(detector, dataset.images)
    audit = audit_classifier(
        classifier,
        dataset,
        arguments.split,
        by=by,
        threshold=classifier.thresholds[dataset.attribute],
        detections=detections,
    )
    if arguments.report:
        _write_report(audit, arguments.report, classifier, dataset, detections)
    return audit


def _write_report(
    audit: Mapping[str, Any],
    path: Path,
    classifier: Classifier,
    dataset: FaceDataset,
    detections: Sequence[Detection | None] | None,
) -> None:
    from face_classification_ros.audit.report import write_audit_report
    from face_classification_ros.explanation.explainer import Explainer
    from face_classification_ros.explanation.panels import relevance_drawer

    try:
        explain = relevance_drawer(Explainer(classifier, dataset.attribute))
    except ValueError as error:
        # A model file whose graph cannot be explained is audited without explanations.
        print_problem(error)
        explain = None
    write_audit_report(audit, path, classifier, dataset, detections, explain=explain)

"""Compare the errors of a classifier between groups of people and under perturbations."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

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
    from face_classification_ros.datasets.face_localization import find_faces
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
        from face_classification_ros.audit.audit import audit_classifier
        from face_classification_ros.audit.subgroups import audit_columns
        from face_classification_ros.audit.tables import format_audits

        if arguments.report:
            from face_classification_ros.audit.report import write_audit_report
            from face_classification_ros.explanation.explainer import Explainer
            from face_classification_ros.explanation.panels import relevance_drawer
    attribute, split = arguments.attribute, arguments.split
    classifier = load_classifier(arguments.model, attribute, arguments.num_threads)
    detector = (
        None if arguments.no_perturbations else create_detector(still_detector_config(arguments))
    )
    datasets = []
    for folder in arguments.data:
        dataset = read_dataset(attribute, folder, split, min_age=arguments.min_age)
        print_single_label(dataset)
        if arguments.faces is not None:
            dataset = dataset.sample(arguments.faces)
        # Before the search for faces, which takes minutes, so that a wrong column is reported
        # immediately.
        audit_columns(dataset, by)
        datasets.append(dataset)
    names = distinct_names([each.name for each in datasets], arguments.data)
    datasets = [replace(each, name=name) for each, name in zip(datasets, names, strict=True)]
    detections = [
        None if detector is None else find_faces(detector, each.images) for each in datasets
    ]
    audits = [
        audit_classifier(
            classifier,
            dataset,
            split,
            by=by,
            threshold=classifier.thresholds[attribute],
            detections=found,
        )
        for dataset, found in zip(datasets, detections, strict=True)
    ]
    print(format_audits(audits))
    if arguments.json:
        write_json(arguments.json, {'data_sets': audits} if several else audits[0])
    if arguments.report:
        try:
            explain = relevance_drawer(Explainer(classifier, attribute))
        except ValueError as error:
            # A model file whose graph cannot be explained is audited without explanations.
            print_problem(error)
            explain = None
        write_audit_report(
            audits[0], arguments.report, classifier, datasets[0], detections[0], explain=explain
        )
    return DONE

"""The command `face_classification`: one sub-command for each job."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
import json
from pathlib import Path
import sys
from typing import Any

from face_classification_ros.detection import create_detector, DETECTORS
from face_classification_ros.share import model_path

DONE, NO, WRONG_USE = 0, 1, 2
"""Exit codes: done; it ran and the answer is no; wrong use or unreadable input."""

# What a job needs is imported by the job, so that no other has to wait for it or have it.


def main(args: list[str] | None = None) -> int:
    """Run a sub-command; what goes wrong is told in one line."""
    arguments = _parser().parse_args(args)
    try:
        return int(arguments.run(arguments))
    except (ValueError, OSError, ImportError) as error:
        print(f'face_classification: {error}', file=sys.stderr)
        return WRONG_USE
    except KeyboardInterrupt:
        print('face_classification: interrupted', file=sys.stderr)
        return NO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='face_classification', description=__doc__)
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    def command(
        name: str, run: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        sub_parser = commands.add_parser(name, help=text, description=text)
        sub_parser.set_defaults(run=run)
        return sub_parser

    demo = command('demo', _demo, 'run the node on a sample, a video, a camera or a topic')
    source = demo.add_mutually_exclusive_group()
    source.add_argument('--video', metavar='FILE', help='play this video instead of the sample')
    source.add_argument('--camera', metavar='NUMBER', help='use this camera of the machine')
    source.add_argument('--topic', metavar='NAME', help='use the pictures on this topic')
    demo.add_argument('--output', type=Path, default=Path('demo'), help='folder for the results')
    demo.add_argument(
        '--seconds', type=float, default=20.0, help='how long a camera or a topic is watched'
    )
    demo.add_argument(
        '--parameter', action='append', default=[], metavar='NAME:=VALUE', help='of the node'
    )

    classify = command('classify', _classify, 'classify pictures, folders and videos without ROS')
    classify.add_argument('paths', nargs='+', type=Path, metavar='PATH')
    classify.add_argument('--json', type=Path, metavar='FILE', help='write the results there')
    classify.add_argument(
        '--output', type=Path, metavar='DIR', help='write annotated copies there'
    )
    classify.add_argument('--gender-model', default='gender_mini_xception', metavar='MODEL')
    classify.add_argument('--emotion-model', default='emotion_mini_xception', metavar='MODEL')
    _add_detector_arguments(classify, width=640)

    train = command('train', _train, 'train a classifier by a recipe and export it')
    train.add_argument('recipe', type=Path, metavar='RECIPE', help='a YAML file')
    train.add_argument('--data', type=Path, required=True, metavar='DIR', help='the data set')
    train.add_argument('--output', type=Path, required=True, metavar='DIR', help='for the results')
    train.add_argument('--resume', action='store_true', help='go on after a stop')

    evaluate = command('evaluate', _evaluate, 'measure a classifier or a detector')
    evaluate.add_argument('attribute', choices=('gender', 'emotion', 'faces'))
    evaluate.add_argument(
        '--data', type=Path, required=True, metavar='DIR', help='a data set; for faces: boxes.json'
    )
    evaluate.add_argument('--split', default='val', help='train, val (default) or test')
    evaluate.add_argument('--model', default='', metavar='FILE', help='instead of the shipped one')
    evaluate.add_argument(
        '--min-age', type=int, default=13, help='of UTKFace; labels of younger ones are unreliable'
    )
    evaluate.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    _add_detector_arguments(evaluate, width=640)
    return parser


def _add_detector_arguments(parser: argparse.ArgumentParser, *, width: int) -> None:
    parser.add_argument('--detector', choices=DETECTORS, default=DETECTORS[0])
    parser.add_argument('--detector-model', default='', metavar='FILE')
    parser.add_argument('--detection-threshold', type=float, default=0.6, metavar='P')
    parser.add_argument('--detection-width', type=int, default=width, metavar='PIXELS')
    parser.add_argument('--threads', type=int, default=1)


def _detector(arguments: argparse.Namespace) -> Any:
    return create_detector(
        arguments.detector,
        model=arguments.detector_model,
        threshold=arguments.detection_threshold,
        width=arguments.detection_width,
        threads=arguments.threads,
    )


def _demo(arguments: argparse.Namespace) -> int:
    from face_classification_ros.ros.camera import SAMPLE
    from face_classification_ros.ros.demo import DemoOptions, run_demo

    return run_demo(
        DemoOptions(
            source=arguments.video or arguments.camera or SAMPLE,
            topic=arguments.topic or '',
            output=arguments.output,
            seconds=arguments.seconds,
            parameters=arguments.parameter,
        )
    )


def _classify(arguments: argparse.Namespace) -> int:
    from face_classification_ros.files import classify_files, find_sources
    from face_classification_ros.pipeline import FacePipeline, load_classifiers, THRESHOLDS
    from face_classification_ros.tracking.tracker import Tracker

    detector = _detector(arguments)
    classifiers = load_classifiers(
        {
            'gender': model_path(arguments.gender_model),
            'emotion': model_path(arguments.emotion_model),
        },
        threads=arguments.threads,
    )
    unreadable: list[str] = []

    def report_unreadable(line: str) -> None:
        unreadable.append(line)
        print(f'face_classification: {line}', file=sys.stderr)

    def make_pipeline(is_video: bool) -> FacePipeline:
        return FacePipeline(
            detector, classifiers, Tracker(1.0) if is_video else None, THRESHOLDS, 1.0
        )

    records = []
    for record in classify_files(
        find_sources(arguments.paths), make_pipeline, report_unreadable, arguments.output
    ):
        records.append(record)
        print(_line(record))
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1))
    return WRONG_USE if unreadable else DONE


def _line(record: dict[str, Any]) -> str:
    faces = [
        ', '.join(
            f'{face[attribute]["label"]} {face[attribute]["confidence"]:.0%}'
            for attribute in ('gender', 'emotion')
            if face[attribute]
        )
        for face in record['faces']
    ]
    return f'{record["file"]} {record["frame"]}: {"; ".join(faces) or "no face"}'


def _train(arguments: argparse.Namespace) -> int:
    try:
        from face_classification_ros.training.recipe import read_recipe
        from face_classification_ros.training.trainer import train
    except ImportError as error:
        raise ImportError(
            f"{error}; training needs: pip install 'face_classification_ros[train]'"
        ) from error
    recipe = read_recipe(arguments.recipe)
    print(train(recipe, arguments.data, arguments.output, resume=arguments.resume))
    return DONE


def _evaluate(arguments: argparse.Namespace) -> int:
    if arguments.attribute == 'faces':
        from face_classification_ros.evaluation.detection import evaluate_detector, SceneReport

        detection = evaluate_detector(_detector(arguments), arguments.data)
        report = asdict(detection)
        print(f'{"scene":>28} faces found false unjudged')
        total = SceneReport(
            'all',
            detection.faces,
            detection.found,
            detection.false_detections,
            detection.unjudged,
        )
        for scene in (*detection.scenes, total):
            print(
                f'{scene.name:>28} {scene.faces:5d} {scene.found:5d} {scene.false_detections:5d} '
                f'{scene.unjudged:8d}'
            )
    else:
        from face_classification_ros.classification.classifier import Classifier
        from face_classification_ros.evaluation.classification import evaluate_classifier
        from face_classification_ros.training.datasets import read_dataset

        model = arguments.model or f'{arguments.attribute}_mini_xception'
        classifier = Classifier(model_path(model), threads=arguments.threads)
        dataset = read_dataset(
            arguments.attribute, arguments.data, arguments.split, min_age=arguments.min_age
        )
        report = evaluate_classifier(classifier, dataset, arguments.split)
        _print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    return DONE


def _print_report(report: dict[str, Any]) -> None:
    low, high = report['accuracy_interval']
    print(f'{report["model"]} on {report["faces"]} faces of {report["data"]}')
    print(f'accuracy {report["accuracy"]:.2%} (95 %: {low:.2%} to {high:.2%})')
    print(f'expected calibration error {report["calibration_error"]:.3f}')
    print(f'{"label":>10} precision recall  count')
    for label, row in report['per_label'].items():
        print(f'{label:>10} {row["precision"]:9.1%} {row["recall"]:6.1%} {row["count"]:6d}')

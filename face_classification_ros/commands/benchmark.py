"""Measure the time per stage of the pipeline, its memory and its start-up time.

If options have several values, every combination is measured.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
import itertools
from pathlib import Path
from typing import Any, TYPE_CHECKING

from face_classification_ros.commands.common import DONE, needs_extra
from face_classification_ros.commands.options import (
    add_settings,
    add_unknown_threshold,
    pipeline_config,
    positive_int,
)
from face_classification_ros.config import PipelineConfig

if TYPE_CHECKING:
    from face_classification_ros.types import Face, Image

SEVERAL = ('detector', 'detection_interval', 'follow', 'num_threads')
"""Settings of which several values may be compared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `benchmark`."""
    parser.add_argument(
        '--faces',
        type=int,
        nargs='+',
        default=[1],
        metavar='N',
        help='measure images with this many faces (default: 1)',
    )
    parser.add_argument(
        '--size',
        type=_size,
        nargs='+',
        default=[(640, 480)],
        metavar='WxH',
        help='measure images of this size in pixels (default: 640x480)',
    )
    parser.add_argument(
        '--rounds',
        type=positive_int,
        default=200,
        metavar='N',
        help='measure this many calls of each stage (default: 200)',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw the stages of each case as an image'
    )
    add_unknown_threshold(parser)
    add_settings(parser, PipelineConfig, several=SEVERAL)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print the figures."""
    from face_classification_ros.evaluation.benchmark import measure_cases
    from face_classification_ros.io.records import write_json
    from face_classification_ros.io.sample import MAX_CROWD

    for faces in arguments.faces:
        if not 0 <= faces <= MAX_CROWD:
            raise ValueError(f'--faces {faces} is not between 0 and {MAX_CROWD}')
    if arguments.plot:
        # Before the work, so that a missing package is reported immediately.
        with needs_extra('train', '--plot'):
            from face_classification_ros.evaluation.benchmark_plot import plot_stages
    records = measure_cases(_cases(arguments), _to_messages(), rounds=arguments.rounds)
    _print_records(records)
    if arguments.json:
        write_json(arguments.json, records[0] if len(records) == 1 else records)
    if arguments.plot:
        plot_stages(records, arguments.plot)
    return DONE


def _size(text: str) -> tuple[int, int]:
    width, separator, height = text.partition('x')
    if not (separator and width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form WIDTHxHEIGHT')
    return int(width), int(height)


def _cases(arguments: argparse.Namespace) -> list[Any]:
    from face_classification_ros.evaluation.benchmark import Case

    values = [getattr(arguments, name) for name in SEVERAL]
    cases = []
    for *settings, (width, height), faces in itertools.product(
        *values, arguments.size, arguments.faces
    ):
        one = argparse.Namespace(**vars(arguments) | dict(zip(SEVERAL, settings, strict=True)))
        cases.append(Case(faces, width, height, pipeline_config(one)))
    return cases


def _to_messages() -> Callable[[Sequence[Face], Image], object]:
    """Return a function that creates the messages of one image, as the node does."""
    from std_msgs.msg import Header

    from face_classification_ros.ros.conversions.images import image_to_message
    from face_classification_ros.ros.conversions.messages import detections_message, faces_message

    header = Header(frame_id='camera')

    def convert(faces: Sequence[Face], annotated: Image) -> object:
        height, width = annotated.shape[:2]
        return (
            faces_message(faces, header, width, height, 0.0),
            detections_message(faces, header),
            image_to_message(annotated, header),
        )

    return convert


def _print_records(records: Sequence[Mapping[str, Any]]) -> None:
    first = records[0]
    width = max(len('detector'), *(len(record['detector']) for record in records))
    stages = ' '.join(f'{name:>8}' for name in first['stages'])
    models = ', '.join(dict.fromkeys(first['models'].values())) or 'none'
    print(
        f'{first["machine"]}; models: {models}\n'
        f'medians in ms of {first["rounds"]} rounds; total: the stages detect to track, measured '
        'as one\n'
        f'{"detector":>{width}} interval follow threads     image found/faces {stages} {"p95":>8} '
        f'{"MB":>5} {"start s":>7}'
    )
    for record in records:
        times = record['stages']
        medians = ' '.join(f'{each["p50_ms"]:8.3f}' for each in times.values())
        print(
            f'{record["detector"]:>{width}} {record["detection_interval"]:8} '
            f'{"yes" if record["follow"] else "no":>6} {record["threads"]:7} '
            f'{record["width"]:>4}x{record["height"]:<4} '
            f'{record["faces_found"]:5}/{record["faces"]:<5} {medians} '
            f'{times["total"]["p95_ms"]:8.3f} {record["memory_mb"]:5.0f} '
            f'{record["startup_s"]:7.2f}'
        )

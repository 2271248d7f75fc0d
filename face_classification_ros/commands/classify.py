"""Classify images, folders, videos and rosbag2 recordings without ROS.

A folder stands for all images, videos and recordings below it. Frames of a video or a recording
are tracked; each image is classified by itself. A file that cannot be read, or whose annotated
copy cannot be written, is reported, and the exit code is 2 after all others are done.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from face_classification_ros.commands.common import needs_extra, print_omissions, WRONG_USE
from face_classification_ros.commands.options import (
    add_settings,
    add_unknown_threshold,
    pipeline_config,
)
from face_classification_ros.config import PipelineConfig

if TYPE_CHECKING:
    from face_classification_ros.io.classify_files import Job, Opener
    from face_classification_ros.io.sources import Source
    from face_classification_ros.types import Face, FrameFaces


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `classify`."""
    parser.add_argument('paths', nargs='+', type=Path, metavar='PATH', help='a file or a folder')
    parser.add_argument(
        '--topic',
        default='',
        metavar='NAME',
        help='image topic, if a recording has several',
    )
    parser.add_argument(
        '--json',
        type=Path,
        metavar='FILE',
        help='write the faces to this file: one JSON object per line if its name ends with '
        '.jsonl, which can be read at any time, otherwise a JSON array',
    )
    parser.add_argument(
        '--output', type=Path, metavar='DIR', help='write annotated copies to this folder'
    )
    workers = parser.add_mutually_exclusive_group()
    workers.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='distribute the files among this many processes of this machine',
    )
    workers.add_argument(
        '--cluster',
        metavar='ADDRESS',
        help='distribute the files among the workers of a running Dask scheduler, such as '
        'tcp://host:8786',
    )
    add_unknown_threshold(parser)
    add_settings(parser, PipelineConfig)


def run(arguments: argparse.Namespace) -> int:
    """Classify all files; returns 2 if one cannot be read or its copy cannot be written."""
    from face_classification_ros.io.classify_files import classify_files, FileClassifier
    from face_classification_ros.io.errors import FileError
    from face_classification_ros.io.records import record_writer
    from face_classification_ros.io.sources import find_sources, IMAGE
    from face_classification_ros.progress import print_line, progress

    config = _with_absolute_paths(pipeline_config(arguments))
    # Also if workers load their own, so that a wrong setting is reported immediately.
    classifier = FileClassifier(config)
    found = find_sources(arguments.paths, arguments.output)
    jobs = _jobs(found.sources, arguments.output)
    openers = _openers(found.sources, arguments.topic)
    images = {str(source.path) for source in found.sources if source.kind == IMAGE}
    code = print_omissions(found)
    with ExitStack() as stack:
        write = stack.enter_context(record_writer(arguments.json)) if arguments.json else None
        if arguments.workers is None and arguments.cluster is None:
            results = classify_files(jobs, classifier, openers)
        else:
            results = _in_parallel(stack, arguments, jobs, config, openers)
        for frames in progress(results, 'file', total=len(jobs)):
            try:
                for frame in frames:
                    print_line(_line(frame, is_image=frame.file in images))
                    if write is not None:
                        write(frame)
            except FileError as error:
                code = WRONG_USE
                print_line(f'face_classification: {error}', sys.stderr)
    return code


def _with_absolute_paths(config: PipelineConfig) -> PipelineConfig:
    """Return the configuration as a process in another folder needs it."""

    def absolute(model: str) -> str:
        return str(Path(model).absolute()) if model.endswith('.onnx') else model

    detector_model = config.detector_model and str(Path(config.detector_model).absolute())
    models = tuple(absolute(each) for each in config.models)
    return replace(config, detector_model=detector_model, models=models)


def _jobs(sources: list[Source], output: Path | None) -> list[Job]:
    from face_classification_ros.io.classify_files import Job
    from face_classification_ros.io.sources import plan_copies

    copies = plan_copies(sources, output) if output else [None] * len(sources)
    return [Job(source, copy) for source, copy in zip(sources, copies, strict=True)]


def _openers(sources: list[Source], topic: str) -> dict[str, Opener]:
    from face_classification_ros.io.sources import BAG, VIDEO
    from face_classification_ros.io.videos import read_video

    openers: dict[str, Opener] = {VIDEO: read_video}
    if any(source.kind == BAG for source in sources):
        with needs_extra('archive', 'a recording'):
            from face_classification_ros.io.bags import open_bag
        openers[BAG] = partial(open_bag, topic=topic)
    return openers


def _in_parallel(
    stack: ExitStack,
    arguments: argparse.Namespace,
    jobs: list[Job],
    config: PipelineConfig,
    openers: dict[str, Opener],
) -> Iterator[Iterator[FrameFaces]]:
    """Start or find workers, which the stack releases, and return their results."""
    with needs_extra('archive', 'parallel work'):
        from face_classification_ros.io.parallel import (
            classify_in_parallel,
            local_workers,
            running_workers,
        )
    workers: AbstractContextManager[Any] = (
        local_workers(arguments.workers)
        if arguments.cluster is None
        else running_workers(arguments.cluster)
    )
    return classify_in_parallel(jobs, config, openers, stack.enter_context(workers))


def _line(frame: FrameFaces, *, is_image: bool) -> str:
    """Return one line with the faces of an image, or of a frame and its number."""
    faces = '; '.join(map(_face_text, frame.faces)) or 'no face'
    return f'{frame.file}: {faces}' if is_image else f'{frame.file} frame {frame.frame}: {faces}'


def _face_text(face: Face) -> str:
    """Return the estimates of a face, or the confidence of the detector if there are none."""
    from face_classification_ros.visualization.text import estimates_text

    return estimates_text(face) or f'face {face.detection.confidence:.0%}'

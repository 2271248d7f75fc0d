"""Measure the pipeline: time per stage, memory and start-up time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
import itertools
import json
import os
from pathlib import Path
import platform
import subprocess
import sys
import time
from typing import Any

import cv2
import numpy as np

from face_classification_ros.classification.crops import crop_faces
from face_classification_ros.config import PipelineConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.io.sample import crowd
from face_classification_ros.pipeline import create_pipeline
from face_classification_ros.progress import progress
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import Face, Image
from face_classification_ros.visualization.annotation import draw_faces

STAGES = ('detect', 'crop', 'classify', 'track', 'draw', 'message')
"""Stages that are measured separately, in the order in which an image passes through them."""

TOTAL = 'total'
"""The whole pipeline as the node calls it: without drawing and messages."""

RATE = 30
"""Images per second, by their stamps."""

WARM_UP = 5
"""Rounds that are not measured."""

STARTS = 3
"""Processes started per case to measure memory and start-up time."""

START_IMAGES = 30
"""Images that such a process works on before its memory is read."""

ToMessages = Callable[[Sequence[Face], Image], object]
"""Faces and annotated image -> the messages that the node would publish."""


@dataclass(frozen=True)
class Case:
    """An image and the configuration of the pipeline that works on it.

    Attributes:
        faces: number of faces in the image.
        width: of the image in pixels.
        height: of the image in pixels.
        config: of the pipeline.
    """

    faces: int
    width: int
    height: int
    config: PipelineConfig


@dataclass(frozen=True)
class _LoadedCase:
    """A case with everything that is measured, loaded.

    Attributes:
        case: what is measured.
        faces_found: number of faces that its detector finds.
        follows: whether its network follows faces between full frames.
        models: attribute -> name of the model file.
        calls: stage or `TOTAL` -> function to time.
    """

    case: Case
    faces_found: int
    follows: bool
    models: dict[str, str]
    calls: dict[str, Callable[[], object]]


def measure_cases(
    cases: Sequence[Case], to_messages: ToMessages, *, rounds: int = 200
) -> list[dict[str, Any]]:
    """Measure time per stage, memory and start-up time of each case.

    All cases and stages take turns, so that a temporary slowdown of the machine affects all of
    them. Each stage gets the results of the stages before it for the same image, whose stamps
    advance by 1/30 s; the total is measured by itself. Memory and start-up time are those of
    separate processes.

    Args:
        cases: at least one.
        to_messages: creates the messages that the node would publish.
        rounds: measured calls of each stage, at least 1.

    Returns:
        A record per case for JSON: `machine`, `threads`, `width`, `height`, `faces`,
        `faces_found`, `detector`, `detection_size`, `detection_interval`, `follow` (whether
        the network followed faces between full frames), `models` (attribute -> name), `rounds`,
        `stages` (stage or `total` -> `p50_ms`, `p95_ms` and `mean_ms`),
        `memory_mb` (peak of the resident memory) and `startup_s` (from the start of a process to
        the faces of its first image, the median).

    Raises:
        ValueError: a number or size is out of range, or a model file is not usable.
        FileNotFoundError: a model file does not exist.
        ImportError: scikit-image, or the library of a detector, is not installed.
    """
    if rounds < 1:
        raise ValueError(f'{rounds} rounds: expected 1 or more')
    loaded = [_load(case, to_messages) for case in cases]
    times: list[dict[str, list[float]]] = [{name: [] for name in each.calls} for each in loaded]
    for number in progress(range(WARM_UP + rounds), 'round'):
        for each, case_times in zip(loaded, times, strict=True):
            # The thread pool of OpenCV is one per process, and cases may differ in its size.
            cv2.setNumThreads(each.case.config.num_threads)
            for name, call in each.calls.items():
                start = time.perf_counter()
                call()
                if number >= WARM_UP:
                    case_times[name].append(1e3 * (time.perf_counter() - start))
    starts = [
        [_start_process(case) for case in cases] for _ in progress(range(STARTS), 'start of each')
    ]
    return [_record(*each) for each in zip(loaded, times, zip(*starts, strict=True), strict=True)]


def processor_name() -> str:
    """Return the name of the processor of this machine, or its architecture."""
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def _load(case: Case, to_messages: ToMessages) -> _LoadedCase:
    """Load a case, and compute the input of each stage by the stages before it."""
    image = crowd(case.faces, case.width, case.height)
    pipeline = create_pipeline(case.config)
    # Not the one of the pipeline: a detector may depend on the images before.
    detector, tracker = create_detector(case.config), Tracker(case.config.track_timeout)
    faces = pipeline.process(image)
    detections = [face.detection for face in faces]
    boxes = [detection.box for detection in detections]
    # As in the pipeline: without a face nothing is cropped or classified, faces are cropped once
    # per input spec and classified once per model file.
    classifiers = set(pipeline.classifiers.values()) if boxes else set()
    specs = {classifier.input_spec for classifier in classifiers}
    crops = {spec: crop_faces(image, boxes, spec) for spec in specs}
    annotated = draw_faces(image, faces)
    tracked, processed = itertools.count(1), itertools.count(1)
    return _LoadedCase(
        case,
        len(faces),
        case.config.detection_interval > 1 and pipeline.follower is not None,
        {attribute: each.path.stem for attribute, each in pipeline.classifiers.items()},
        {
            'detect': lambda: detector.detect(image),
            'crop': lambda: [crop_faces(image, boxes, spec) for spec in specs],
            'classify': lambda: [each.classify(crops[each.input_spec]) for each in classifiers],
            'track': lambda: tracker.update(detections, next(tracked) / RATE),
            'draw': lambda: draw_faces(image, faces),
            'message': lambda: to_messages(faces, annotated),
            TOTAL: lambda: pipeline.process(image, next(processed) / RATE),
        },
    )


def _start_process(case: Case) -> dict[str, float]:
    """Process images in a new process; return its `startup_s` and `memory_mb`."""
    pixels = crowd(case.faces, case.width, case.height).tobytes()
    # Without the marker of the ROS wheels the process sets up its environment as in a new shell,
    # which is part of its start.
    environment = {**os.environ}
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-m', __name__, json.dumps(asdict(case))],
        input=pixels,
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
    )
    result = json.loads(done.stdout)
    return {'startup_s': result['finished'] - start, 'memory_mb': result['memory_mb']}


def _measure_this_process() -> None:
    """Work on the image from stdin, and print when the first one was finished, and the memory.

    The clock is that of the system, which the starting process shares.
    """
    content = json.loads(sys.argv[1])
    config = PipelineConfig(**content.pop('config'))
    case = Case(**content, config=config)
    cv2.setNumThreads(config.num_threads)
    pipeline = create_pipeline(config)
    shape = case.height, case.width, 3
    image = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(shape)
    pipeline.process(image)
    finished = time.monotonic()
    for number in range(1, START_IMAGES):
        pipeline.process(image, number / RATE)
    # Not from `getrusage`, which includes the memory of the process that started this one.
    status = Path('/proc/self/status').read_text()
    kilobytes = status.partition('VmHWM:')[2].split()[0]
    print(json.dumps({'finished': finished, 'memory_mb': int(kilobytes) * 1024 / 1e6}))


def _record(
    loaded: _LoadedCase, times: dict[str, list[float]], starts: Sequence[dict[str, float]]
) -> dict[str, Any]:
    case, config = loaded.case, loaded.case.config
    return {
        'machine': f'{processor_name()}, {os.cpu_count()} processors',
        'threads': config.num_threads,
        'width': case.width,
        'height': case.height,
        'faces': case.faces,
        'faces_found': loaded.faces_found,
        'detector': config.detector,
        'detection_size': config.detection_size,
        'detection_interval': config.detection_interval,
        'follow': loaded.follows,
        'models': loaded.models,
        'rounds': len(times[TOTAL]),
        'stages': {name: _summary(each) for name, each in times.items()},
        'memory_mb': round(max(each['memory_mb'] for each in starts), 1),
        'startup_s': round(float(np.median([each['startup_s'] for each in starts])), 3),
    }


def _summary(milliseconds: Sequence[float]) -> dict[str, float]:
    return {
        'p50_ms': round(float(np.percentile(milliseconds, 50)), 4),
        'p95_ms': round(float(np.percentile(milliseconds, 95)), 4),
        'mean_ms': round(float(np.mean(milliseconds)), 4),
    }


if __name__ == '__main__':
    _measure_this_process()

"""Measure what a picture costs on its way to its faces: time per stage, memory, start-up time."""

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
from face_classification_ros.io.sample import crowd
from face_classification_ros.pipeline import FacePipeline, Settings, THRESHOLDS
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import Face, Image
from face_classification_ros.visualization.annotation import draw_faces

STAGES = ('detect', 'crop', 'classify', 'track', 'draw', 'message')
"""What is measured apart, in the order in which a picture goes through it."""

TOTAL = 'total'
"""The whole pipeline as the node calls it: without drawing and messages."""

RATE = 30
"""Pictures per second, by their stamps."""

WARM_UP = 5
"""Rounds before those that count."""

STARTS = 3
"""Processes that are started per case."""

START_PICTURES = 30
"""Pictures that such a process answers before its memory is read."""

ToMessages = Callable[[Sequence[Face], Image], object]
"""Faces and annotated picture -> the messages that the node would publish."""


@dataclass(frozen=True)
class Case(Settings):
    """What is measured: a picture, and the settings of the pipeline that answers it.

    Attributes:
        faces: in the picture.
        width: of the picture in pixels.
        height: of the picture in pixels.
        detection_interval: in pictures, see `create_detector`.
    """

    faces: int
    width: int
    height: int
    detection_interval: int

    def make_pipeline(self) -> FacePipeline:
        """Load detector and models; the errors are those of loading them."""
        return FacePipeline(
            self.load_detector(self.detection_interval),
            self.load_classifiers(),
            Tracker(1.0),
            THRESHOLDS,
            1.0,
            self.rotation,
        )


@dataclass(frozen=True)
class _Contestant:
    """A case with all that it needs, loaded.

    Attributes:
        case: the settings.
        faces_found: by its detector.
        calls: stage, or the whole -> what is timed.
    """

    case: Case
    faces_found: int
    calls: dict[str, Callable[[], object]]


def measure_cases(
    cases: Sequence[Case], to_messages: ToMessages, *, rounds: int = 200
) -> list[dict[str, Any]]:
    """Measure time per stage, memory and start-up time of each case.

    All cases and stages take turns, so that what slows down the machine for a while does so to
    all of them. Each stage is called with what the stages before it give for the same picture,
    whose stamps go on by 1/30 s; the total is measured in itself. Memory and start-up time are
    those of processes of their own.

    Args:
        cases: at least one.
        to_messages: gives the messages that the node would publish.
        rounds: measured calls of each stage, at least 1.

    Returns:
        A record per case, for JSON: `machine`, `num_threads`, `width`, `height`, `faces`,
        `faces_found`, `detector`, `detection_size`, `detection_interval`, `models` (attribute
        -> name), `rounds`, `stages` (stage or `total` -> `p50_ms`, `p95_ms` and `mean_ms`),
        `memory_mb` (peak of the resident memory) and `startup_s` (from the start of a process to
        the faces of its first picture, the median).

    Raises:
        ValueError: a setting is out of range.
        FileNotFoundError: there is no such model file.
        ImportError: scikit-image, or the library behind a detector, is not installed.
    """
    if rounds < 1:
        raise ValueError(f'{rounds} rounds: expected 1 or more')
    contestants = [_prepare(case, to_messages) for case in cases]
    times: list[dict[str, list[float]]] = [
        {name: [] for name in each.calls} for each in contestants
    ]
    for number in range(WARM_UP + rounds):
        for contestant, case_times in zip(contestants, times, strict=True):
            # The pool is one for the whole process, and each case has its own number.
            cv2.setNumThreads(contestant.case.num_threads)
            for name, call in contestant.calls.items():
                start = time.perf_counter()
                call()
                if number >= WARM_UP:
                    case_times[name].append(1e3 * (time.perf_counter() - start))
    starts = [[_start_process(case) for case in cases] for _ in range(STARTS)]
    return [
        _record(*each) for each in zip(contestants, times, zip(*starts, strict=True), strict=True)
    ]


def processor_name() -> str:
    """Give the name of this machine's processor, as far as the kernel tells it."""
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.machine()


def _prepare(case: Case, to_messages: ToMessages) -> _Contestant:
    """Load what a case needs, and let each stage's input be made by those before it."""
    image = crowd(case.faces, case.width, case.height)
    # Two detectors: one may depend on the pictures before, and would see each picture twice.
    detector, pipeline, tracker = (
        case.load_detector(case.detection_interval),
        case.make_pipeline(),
        Tracker(1.0),
    )
    faces = pipeline.process(image)
    detections = [face.detection for face in faces]
    boxes = [detection.box for detection in detections]
    # As in the pipeline, nothing is cut and classified where there is no face, a form is cut
    # once, and a file is called once.
    classifiers = set(pipeline.classifiers.values()) if boxes else set()
    forms = {classifier.input_spec for classifier in classifiers}
    crops = {input_spec: crop_faces(image, boxes, input_spec) for input_spec in forms}
    annotated = draw_faces(image, faces)
    tracked, processed = itertools.count(1), itertools.count(1)
    return _Contestant(
        case,
        len(faces),
        {
            'detect': lambda: detector.detect(image),
            'crop': lambda: [crop_faces(image, boxes, input_spec) for input_spec in forms],
            'classify': lambda: [each.classify(crops[each.input_spec]) for each in classifiers],
            'track': lambda: tracker.update(detections, next(tracked) / RATE),
            'draw': lambda: draw_faces(image, faces),
            'message': lambda: to_messages(faces, annotated),
            TOTAL: lambda: pipeline.process(image, next(processed) / RATE),
        },
    )


def _start_process(case: Case) -> dict[str, float]:
    """Let a new process answer pictures; give its `startup_s` and `memory_mb`."""
    picture = crowd(case.faces, case.width, case.height).tobytes()
    # Without the mark of the ROS wheels it sets itself up as in a fresh shell, which is part of
    # its start.
    environment = {**os.environ}
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, '-m', __name__, json.dumps(asdict(case))],
        input=picture,
        stdout=subprocess.PIPE,
        env=environment,
        check=True,
    )
    answer = json.loads(done.stdout)
    return {'startup_s': answer['answered'] - start, 'memory_mb': answer['memory_mb']}


def _answer_pictures() -> None:
    """Be the process that is started: answer the picture that is piped in, say when and by what.

    The clock is the system's, so that the process that started this one can compare.
    """
    case = Case(**json.loads(sys.argv[1]))
    cv2.setNumThreads(case.num_threads)
    pipeline = case.make_pipeline()
    shape = case.height, case.width, 3
    image = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(shape)
    pipeline.process(image)
    answered = time.monotonic()
    for number in range(1, START_PICTURES):
        pipeline.process(image, number / RATE)
    # Not what `getrusage` tells, which includes the memory of the process that started this one.
    status = Path('/proc/self/status').read_text()
    kilobytes = status.partition('VmHWM:')[2].split()[0]
    print(json.dumps({'answered': answered, 'memory_mb': int(kilobytes) * 1024 / 1e6}))


def _record(
    contestant: _Contestant,
    times: dict[str, list[float]],
    starts: Sequence[dict[str, float]],
) -> dict[str, Any]:
    case = contestant.case
    return {
        'machine': f'{processor_name()}, {os.cpu_count()} processors',
        'num_threads': case.num_threads,
        'width': case.width,
        'height': case.height,
        'faces': case.faces,
        'faces_found': contestant.faces_found,
        'detector': case.detector,
        'detection_size': case.detection_size,
        'detection_interval': case.detection_interval,
        'models': {attribute: Path(path).stem for attribute, path in case.models.items() if path},
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
    _answer_pictures()

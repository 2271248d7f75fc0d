"""Measures our pipeline beside others that tell the same of the same picture.

Pictures of 640x480 with one face, and with five, as a swaying camera sees them, go through each
way: our pipeline, `fer` from PyPI (emotion alone), the way of the paper's public code, and what
our pipeline is made of, called without it. Each way is a process of its own; they take turns, so
that what slows down the machine for a while does so to all of them. Nothing else should run
meanwhile.

    make peers
    make peers YUNET=face_detection_yunet_2023mar.onnx
    .venv/bin/python benchmarks/peers.py --rounds 100 --json peers.json

`fer` has an environment of its own, .venv-peers, which `make peers` makes; where that is missing,
`fer` is left out. The public code's way needs `pip install '.[train]'`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, ExitStack
from functools import partial
import importlib.util
import itertools
import json
import math
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

# Each way imports what it needs: the environment of `fer` has nothing of ours.

FACES = (1, 5)
WIDTH, HEIGHT = 640, 480
DETECTION_WIDTH = 320
RATE = 30
INTERVAL = 3
"""The node's default `detection_interval`."""

MODELS = {name: f'{name}_mini_xception' for name in ('gender', 'emotion')}
BLENDED = 'multitask_mini_xception'

SWAY = 5
"""How far the camera moves either way, in pixels."""

STEPS = 12
"""Pictures in which it comes back to where it was."""

WARM_UP = 6
CALLS = 6
"""Measured pictures of one turn, of which the mean counts: where every third one is searched as a
whole, no single one stands for all. Three before them are not measured: a process that has slept
finds the processor's caches filled by others."""

Pictures = Mapping[int, Sequence[NDArray[np.uint8]]]
"""Number of faces -> BGR pictures that follow each other."""

FrameResult = Callable[[int, int], int]
"""Number of faces in the picture, its number -> how many of them were answered."""


# The ways


def ours(
    options: argparse.Namespace,
    pictures: Pictures,
    *,
    detector: str = 'libfacedetection',
    interval: int = INTERVAL,
    models: Mapping[str, str] = MODELS,
) -> FrameResult:
    """Find, follow and classify faces as the node does."""
    from face_classification_ros.detection import create_detector
    from face_classification_ros.inference.model_zoo import model_path
    from face_classification_ros.pipeline import FacePipeline, load_classifiers, THRESHOLDS
    from face_classification_ros.tracking.tracker import Tracker

    # One for each number of faces, as one for each camera.
    pipelines = {
        faces: FacePipeline(
            create_detector(
                detector,
                model=str(options.yunet) if detector == 'yunet' else '',
                width=DETECTION_WIDTH,
                num_threads=options.num_threads,
                interval=interval,
            ),
            load_classifiers(
                {name: model_path(model) for name, model in models.items()},
                num_threads=options.num_threads,
            ),
            Tracker(1.0),
            THRESHOLDS,
            1.0,
        )
        for faces in FACES
    }
    return lambda faces, number: len(
        pipelines[faces].process(pictures[faces][number % STEPS], number / RATE)
    )


def fer(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Call the package `fer` as its manual does."""
    _limit_tensorflow(options.num_threads)
    from fer.fer import FER

    detector = FER()
    return lambda faces, number: len(detector.detect_emotions(pictures[faces][number % STEPS]))


def public_code(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Do what the demos of the paper's public code do.

    The whole gray picture is searched; each face goes through each network alone, by Keras'
    `predict`. Untrained networks cost as much as trained ones.
    """
    _limit_tensorflow(options.num_threads)
    from face_classification_ros.networks.builder import build_network
    from face_classification_ros.networks.description import read_network

    description = read_network('mini_xception')
    networks = [
        build_network(description, (64, 64, 1), heads) for heads in ({'emotion': 7}, {'gender': 2})
    ]
    cascade = cv2.CascadeClassifier(
        str(Path(cv2.data.haarcascades, 'haarcascade_frontalface_default.xml'))
    )

    def answer(faces: int, number: int) -> int:
        gray = cv2.cvtColor(pictures[faces][number % STEPS], cv2.COLOR_BGR2GRAY)
        boxes = cascade.detectMultiScale(gray, 1.3, 5)
        for x, y, width, height in boxes:
            for network in networks:
                face = cv2.resize(gray[y : y + height, x : x + width], (64, 64))
                scaled = (face.astype(np.float32) / 255 - 0.5) * 2
                network.predict(scaled[np.newaxis, :, :, np.newaxis], verbose=0)
        return len(boxes)

    return answer


def bare_detector(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Search pictures that are scaled already with the library behind our default detector."""
    from face_classification_ros.detection.libfacedetection import LibFaceDetection

    library = LibFaceDetection(options.num_threads)
    size = DETECTION_WIDTH, DETECTION_WIDTH * HEIGHT // WIDTH
    scaled = {
        faces: [np.asarray(cv2.resize(each, size), np.uint8) for each in several]
        for faces, several in pictures.items()
    }
    return lambda faces, number: sum(
        each.confidence >= 0.6 for each in library.find(scaled[faces][number % STEPS], 0.6, 0.0)
    )


def bare_networks(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Run both shipped networks in ONNX Runtime on faces that are cut out already."""
    return _run_networks(tuple(MODELS.values()), options.num_threads)


def bare_network(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Run one of them alone."""
    return _run_networks((MODELS['emotion'],), options.num_threads)


def blended_network(options: argparse.Namespace, pictures: Pictures) -> FrameResult:
    """Run the network that tells both attributes in one pass."""
    return _run_networks((BLENDED,), options.num_threads)


WAYS: dict[str, Callable[[argparse.Namespace, Pictures], FrameResult]] = {
    'ours': ours,
    'ours, each whole': partial(ours, interval=1),
    'ours, yunet': partial(ours, detector='yunet'),
    'ours, yunet, each whole': partial(ours, detector='yunet', interval=1),
    'ours, yunet, blended': partial(ours, detector='yunet', models=dict.fromkeys(MODELS, BLENDED)),
    'fer': fer,
    'public code': public_code,
    'bare detector': bare_detector,
    'bare networks': bare_networks,
    'one bare network': bare_network,
    'blended network': blended_network,
}


def _run_networks(models: Sequence[str], num_threads: int) -> FrameResult:
    import onnxruntime

    from face_classification_ros.inference.model_zoo import model_path

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = num_threads
    noise = np.random.default_rng(0)
    sessions = [
        onnxruntime.InferenceSession(
            model_path(each), settings, providers=['CPUExecutionProvider']
        )
        for each in models
    ]
    side, channels = sessions[0].get_inputs()[0].shape[2:]
    crops = {
        faces: noise.integers(0, 256, (faces, side, side, channels)).astype(np.uint8)
        for faces in FACES
    }

    def answer(faces: int, _: int) -> int:
        for session in sessions:
            session.run(None, {'faces': crops[faces]})
        return faces

    return answer


def _limit_tensorflow(num_threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)


# The processes


def serve(options: argparse.Namespace) -> None:
    """Be a way: for each number of faces on stdin, write seconds a picture and faces answered."""
    # Libraries that print would print into the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w', buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    pictures = {
        faces: _swaying(np.asarray(cv2.imread(str(options.pictures / f'{faces}.png')), np.uint8))
        for faces in FACES
    }
    answer = WAYS[options.way](options, pictures)
    # After the libraries are loaded, which may set it themselves.
    cv2.setNumThreads(options.num_threads)
    numbers = {faces: itertools.count() for faces in FACES}
    for _, faces in itertools.product(range(WARM_UP), FACES):
        answer(faces, next(numbers[faces]))
    print('ready', file=answers)
    for line in sys.stdin:
        faces = int(line)
        for _ in range(INTERVAL):
            answered = answer(faces, next(numbers[faces]))
        start = time.perf_counter()
        for _ in range(CALLS):
            answer(faces, next(numbers[faces]))
        print((time.perf_counter() - start) / CALLS, answered, file=answers)


def _swaying(picture: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Give what a camera sees that moves around a place, once round."""
    height, width = picture.shape[:2]
    moves = [
        np.array([[1, 0, SWAY * math.sin(phase)], [0, 1, SWAY * math.cos(phase)]])
        for phase in np.arange(STEPS) * 2 * math.pi / STEPS
    ]
    return [
        np.asarray(
            cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REFLECT),
            np.uint8,
        )
        for move in moves
    ]


class Contestant:
    """A way in a process of its own."""

    def __init__(self, way: str, process: subprocess.Popen[str], log: Path) -> None:
        """Take a process that was started to serve; what it says of troubles is in `log`."""
        self.way = way
        self._process = process
        self._log = log
        self.milliseconds: dict[int, list[float]] = {faces: [] for faces in FACES}
        self.answered: dict[int, int] = {}

    def wait_until_ready(self) -> None:
        """Wait until everything is loaded and warm."""
        self._read()

    def take_turn(self, faces: int) -> None:
        """Measure one picture."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{faces}\n')
        self._process.stdin.flush()
        seconds, answered = self._read().split()
        self.milliseconds[faces].append(1e3 * float(seconds))
        self.answered[faces] = int(answered)

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f'the way {self.way!r} ended:\n{self._log.read_text()}')
        return line


@contextmanager
def running(
    way: str, python: Path, options: argparse.Namespace, folder: Path
) -> Iterator[Contestant]:
    """Run a way; it ends with its stdin."""
    # Without the mark of the ROS wheels each environment sets itself up as in a fresh shell.
    variables = {k: v for k, v in os.environ.items() if k != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    command = [str(python), __file__, '--way', way, '--pictures', str(folder)]
    command += ['--num-threads', str(options.num_threads)]
    command += ['--yunet', str(options.yunet)] if options.yunet else []
    log = folder / f'{way}.log'
    with (
        log.open('w') as file,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            env={**variables, 'TF_CPP_MIN_LOG_LEVEL': '3'},
            text=True,
        ) as process,
    ):
        yield Contestant(way, process, log)


def interpreters(options: argparse.Namespace) -> dict[str, Path]:
    """Give way -> Python that runs it; say which are left out and why."""
    found = dict.fromkeys(WAYS, Path(sys.executable))
    found['fer'] = options.fer
    reasons = {
        **dict.fromkeys(
            (way for way in WAYS if 'yunet' in way),
            '' if options.yunet else 'name a model with --yunet',
        ),
        'fer': '' if options.fer.exists() else f'there is no {options.fer}: make peers',
        'public code': ''
        if importlib.util.find_spec('tensorflow')
        else "it needs: pip install 'face_classification_ros[train]'",
    }
    for way, reason in reasons.items():
        if reason:
            print(f'{way} is left out: {reason}', file=sys.stderr)
            del found[way]
    return found


# The measurement


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Let all ways take turns, and put their medians together."""
    from face_classification_ros.evaluation.benchmark import processor_name
    from face_classification_ros.io.sample import crowd

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for faces in FACES:
            cv2.imwrite(str(folder / f'{faces}.png'), crowd(faces, WIDTH, HEIGHT))
        contestants = [
            stack.enter_context(running(way, python, options, folder))
            for way, python in interpreters(options).items()
        ]
        for each in contestants:
            each.wait_until_ready()
        for number in range(options.rounds):
            first = number % len(contestants)
            for each in contestants[first:] + contestants[:first]:
                for faces in FACES:
                    each.take_turn(faces)
    ways = {each.way: _figures(each) for each in contestants}
    return {
        'machine': f'{processor_name()}, {os.cpu_count()} processors',
        'num_threads': options.num_threads,
        'width': WIDTH,
        'height': HEIGHT,
        'rounds': options.rounds,
        'ways': ways,
        'ratios': _ratios(ways),
    }


def _figures(contestant: Contestant) -> dict[int, dict[str, float]]:
    return {
        faces: {
            'answered': contestant.answered[faces],
            'p50_ms': round(float(np.percentile(times, 50)), 4),
            'p95_ms': round(float(np.percentile(times, 95)), 4),
        }
        for faces, times in contestant.milliseconds.items()
    }


def _ratios(ways: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, dict[int, float]]:
    """Give what is compared -> number of faces -> how many times as long the first one takes."""

    def ratio(over: str, *under: str) -> dict[int, float]:
        return {
            faces: round(
                ways[over][faces]['p50_ms'] / sum(ways[each][faces]['p50_ms'] for each in under), 3
            )
            for faces in FACES
        }

    our_ways = [way for way in ways if way.startswith('ours')]
    others = [way for way in ('fer', 'public code') if way in ways]
    return {
        **{f'{way} / {our}': ratio(way, our) for way in others for our in our_ways},
        'ours, each whole / (bare detector + bare networks)': ratio(
            'ours, each whole', 'bare detector', 'bare networks'
        ),
        'bare networks / one bare network': ratio('bare networks', 'one bare network'),
        'blended network / one bare network': ratio('blended network', 'one bare network'),
    }


def table(report: Mapping[str, Any]) -> str:
    """Write the figures for people."""
    rows = [
        f'{report["machine"]}, {report["num_threads"]} thread(s), {WIDTH}x{HEIGHT}, '
        f'{report["rounds"]} rounds',
        f'{"":>52} ' + ' '.join(f'{f"{faces} face(s)":>12}   p95 answered' for faces in FACES),
    ]
    for way, figures in report['ways'].items():
        rows.append(
            f'{way:>52} '
            + ' '.join(
                f'{each["p50_ms"]:9.3f} ms {each["p95_ms"]:6.1f} {each["answered"]:7}'
                for each in figures.values()
            )
        )
    for name, ratios in report['ratios'].items():
        rows.append(
            f'{name:>52} ' + ' '.join(f'{each:9.2f} x {"":14}' for each in ratios.values())
        )
    return '\n'.join(rows)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--rounds', type=int, default=100, help='turns of each way (100)')
    parser.add_argument('--num-threads', type=int, default=1, help='of each way (1)')
    parser.add_argument('--yunet', type=Path, metavar='FILE', help='YuNet ONNX file')
    parser.add_argument(
        '--fer',
        type=Path,
        metavar='PYTHON',
        default=Path(__file__).resolve().parents[1] / '.venv-peers' / 'bin' / 'python',
        help='that has the package fer (.venv-peers/bin/python)',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    # The ways are this file, too.
    parser.add_argument('--way', choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument('--pictures', type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, or be one of the processes that are measured."""
    options = parse()
    if options.way:
        serve(options)
        return
    report = measure(options)
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == '__main__':
    main()

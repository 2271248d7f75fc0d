"""Compare our pipeline with others that estimate the same attributes of the same images.

Images of 640x480 with one face, and with five, from a camera that sways, go through each way: our
pipeline, `fer` from PyPI (emotion alone), the demos of the paper's public code, and the parts of
our pipeline without it. Each way is a process of its own; they take turns, so that a temporary
slowdown of the machine affects all of them. Nothing else should run at the same time.

    make peers ROUNDS=20
    make peers YUNET=face_detection_yunet_2023mar.onnx
    .venv/bin/python benchmarks/peers.py --rounds 100 --json peers.json

`fer` has an environment of its own, .venv-peers, which `make peers` creates; without it `fer` is
skipped. The public code needs `pip install '.[train]'`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, ExitStack
from functools import partial
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

# Each way imports what it needs, since the environment of `fer` lacks our package.

FACES = (1, 5)
WIDTH, HEIGHT = 640, 480
DETECTION_SIZE = 320
RATE = 30
INTERVAL = 3
"""Default `detection_interval` of the node."""

MULTI_TASK = 'multitask_mini_xception'
SINGLE = ('gender_mini_xception', 'emotion_mini_xception')
"""Networks for both attributes, and for one each."""

SWAY = 5
"""Amplitude of the movement of the camera in pixels."""

STEPS = 12
"""Images of one period of the movement."""

WARM_UP = 6
CALLS = 6
"""Measured images per turn, of which the mean counts, since only every third one is a full frame.
Three images before them are not measured, since other processes have filled the caches."""

Images = Mapping[int, Sequence[NDArray[np.uint8]]]
"""Number of faces -> consecutive images in BGR."""

CountFaces = Callable[[int, int], int]
"""Number of faces in the image, number of the image -> number of faces found."""


# The ways


def ours(
    options: argparse.Namespace,
    images: Images,
    *,
    detector: str = 'libfacedetection',
    interval: int = INTERVAL,
    models: Sequence[str] = (MULTI_TASK,),
) -> CountFaces:
    """Process images as the node does."""
    from face_classification_ros import create_pipeline, PipelineConfig

    config = PipelineConfig(
        detector=detector,
        detector_model=str(options.yunet) if detector == 'yunet' else '',
        detection_size=DETECTION_SIZE,
        detection_interval=interval,
        num_threads=options.num_threads,
        models=tuple(models),
    )
    # One for each number of faces, as for several cameras.
    pipelines = {faces: create_pipeline(config) for faces in FACES}
    return lambda faces, number: len(
        pipelines[faces].process(images[faces][number % STEPS], number / RATE)
    )


def fer(options: argparse.Namespace, images: Images) -> CountFaces:
    """Call the package `fer` as in its manual."""
    _limit_tensorflow(options.num_threads)
    from fer.fer import FER

    detector = FER()
    return lambda faces, number: len(detector.detect_emotions(images[faces][number % STEPS]))


def public_code(options: argparse.Namespace, images: Images) -> CountFaces:
    """Process images as the demos of the paper's public code do.

    The whole gray image is searched, and each face goes through each network by `predict` of
    Keras. Networks without training take the same time as trained ones.
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

    def count_faces(faces: int, number: int) -> int:
        gray = cv2.cvtColor(images[faces][number % STEPS], cv2.COLOR_BGR2GRAY)
        boxes = cascade.detectMultiScale(gray, 1.3, 5)
        for x, y, width, height in boxes:
            for network in networks:
                face = cv2.resize(gray[y : y + height, x : x + width], (64, 64))
                scaled = (face.astype(np.float32) / 255 - 0.5) * 2
                network.predict(scaled[np.newaxis, :, :, np.newaxis], verbose=0)
        return len(boxes)

    return count_faces


def detector_alone(options: argparse.Namespace, images: Images) -> CountFaces:
    """Search resized images with the library of the default detector."""
    from face_classification_ros.detection.libfacedetection import LibFaceDetection

    library = LibFaceDetection('', options.num_threads)
    size = DETECTION_SIZE, DETECTION_SIZE * HEIGHT // WIDTH
    resized = {
        faces: [np.asarray(cv2.resize(each, size), np.uint8) for each in several]
        for faces, several in images.items()
    }
    return lambda faces, number: sum(
        each.confidence >= 0.6 for each in library.find(resized[faces][number % STEPS], 0.6, 0.0)
    )


def networks_alone(
    options: argparse.Namespace, images: Images, *, models: Sequence[str]
) -> CountFaces:
    """Run shipped networks in ONNX Runtime on crops."""
    return _run_networks(models, options.num_threads)


WAYS: dict[str, Callable[[argparse.Namespace, Images], CountFaces]] = {
    'ours': ours,
    'ours, every frame': partial(ours, interval=1),
    'ours, two networks': partial(ours, models=SINGLE),
    'ours, own': partial(ours, detector='own'),
    'ours, own, every frame': partial(ours, detector='own', interval=1),
    'ours, yunet': partial(ours, detector='yunet'),
    'ours, yunet, every frame': partial(ours, detector='yunet', interval=1),
    'ours, yunet, two networks': partial(ours, detector='yunet', models=SINGLE),
    'fer': fer,
    'public code': public_code,
    'detector alone': detector_alone,
    'multi-task network alone': partial(networks_alone, models=[MULTI_TASK]),
    'two networks alone': partial(networks_alone, models=SINGLE),
    'one network alone': partial(networks_alone, models=SINGLE[1:]),
}


def _run_networks(models: Sequence[str], num_threads: int) -> CountFaces:
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

    def count_faces(faces: int, _: int) -> int:
        for session in sessions:
            session.run(None, {'faces': crops[faces]})
        return faces

    return count_faces


def _limit_tensorflow(num_threads: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(num_threads)
    tf.config.threading.set_inter_op_parallelism_threads(num_threads)


# The processes


def serve(options: argparse.Namespace) -> None:
    """Run a way: for each number of faces on stdin, print seconds per image and faces found."""
    # Other libraries may print, too.
    results = os.fdopen(os.dup(sys.stdout.fileno()), 'w', buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    images = {
        faces: _swaying(np.asarray(cv2.imread(str(options.images / f'{faces}.png')), np.uint8))
        for faces in FACES
    }
    count_faces = WAYS[options.way](options, images)
    # After the libraries are loaded, which may set it, too.
    cv2.setNumThreads(options.num_threads)
    numbers = {faces: itertools.count() for faces in FACES}
    for _, faces in itertools.product(range(WARM_UP), FACES):
        count_faces(faces, next(numbers[faces]))
    print('ready', file=results)
    for line in sys.stdin:
        faces = int(line)
        for _ in range(INTERVAL):
            found = count_faces(faces, next(numbers[faces]))
        start = time.perf_counter()
        for _ in range(CALLS):
            count_faces(faces, next(numbers[faces]))
        print((time.perf_counter() - start) / CALLS, found, file=results)


def _swaying(image: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the images of a camera that moves on a small circle, one period."""
    height, width = image.shape[:2]
    moves = [
        np.array([[1, 0, SWAY * math.sin(phase)], [0, 1, SWAY * math.cos(phase)]])
        for phase in np.arange(STEPS) * 2 * math.pi / STEPS
    ]
    return [
        np.asarray(
            cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT),
            np.uint8,
        )
        for move in moves
    ]


class Contestant:
    """A way in a process of its own."""

    def __init__(self, way: str, process: subprocess.Popen[str], log: Path) -> None:
        """Take a process that was started to run a way; its stderr is in `log`."""
        self.way = way
        self._process = process
        self._log = log
        self.milliseconds: dict[int, list[float]] = {faces: [] for faces in FACES}
        self.found: dict[int, int] = {}

    def wait_until_ready(self) -> None:
        """Wait until everything is loaded and warm."""
        self._read()

    def take_turn(self, faces: int) -> None:
        """Measure some images."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{faces}\n')
        self._process.stdin.flush()
        seconds, found = self._read().split()
        self.milliseconds[faces].append(1e3 * float(seconds))
        self.found[faces] = int(found)

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
    """Run a way in a process that ends with its stdin."""
    # Without the marker of the ROS wheels each environment is set up as in a new shell.
    variables = {k: v for k, v in os.environ.items() if k != '_ROS_WHEELS_BOOTSTRAP_COMPLETE'}
    command = [str(python), __file__, '--way', way, '--images', str(folder)]
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
    """Return way -> Python that runs it, and print which ways are skipped and why."""
    from face_classification_ros.requirements import install_command, missing_modules

    missing = missing_modules(['tensorflow'])
    found = dict.fromkeys(WAYS, Path(sys.executable))
    found['fer'] = options.fer
    reasons = {
        **dict.fromkeys(
            (way for way in WAYS if 'yunet' in way),
            '' if options.yunet else 'no model is given with --yunet',
        ),
        'fer': '' if options.fer.exists() else f'{options.fer} does not exist: make peers',
        'public code': '' if not missing else f'it needs: {install_command(missing)}',
    }
    for way, reason in reasons.items():
        if reason:
            print(f'{way} is skipped: {reason}', file=sys.stderr)
            del found[way]
    return found


# The measurement


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all ways in turns, and return their medians."""
    from face_classification_ros.evaluation.benchmark import processor_name
    from face_classification_ros.io.sample import crowd
    from face_classification_ros.progress import progress

    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        for faces in FACES:
            cv2.imwrite(str(folder / f'{faces}.png'), crowd(faces, WIDTH, HEIGHT))
        contestants = [
            stack.enter_context(running(way, python, options, folder))
            for way, python in interpreters(options).items()
        ]
        for each in progress(contestants, 'way', task='load'):
            each.wait_until_ready()
        for number in progress(range(options.rounds), 'round'):
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
            'found': contestant.found[faces],
            'p50_ms': round(float(np.percentile(times, 50)), 4),
            'p95_ms': round(float(np.percentile(times, 95)), 4),
        }
        for faces, times in contestant.milliseconds.items()
    }


def _ratios(ways: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, dict[int, float]]:
    """Return comparison -> number of faces -> how many times as long the first one takes."""

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
        'ours, every frame / (detector alone + multi-task network alone)': ratio(
            'ours, every frame', 'detector alone', 'multi-task network alone'
        ),
        'two networks alone / one network alone': ratio('two networks alone', 'one network alone'),
        'multi-task network alone / one network alone': ratio(
            'multi-task network alone', 'one network alone'
        ),
    }


def table(report: Mapping[str, Any]) -> str:
    """Return the figures as a table."""
    rows = [
        f'{report["machine"]}, {report["num_threads"]} thread(s), {WIDTH}x{HEIGHT}, '
        f'{report["rounds"]} rounds',
        f'{"":>63} ' + ' '.join(f'{f"{faces} face(s)":>12}   p95    found' for faces in FACES),
    ]
    for way, figures in report['ways'].items():
        rows.append(
            f'{way:>63} '
            + ' '.join(
                f'{each["p50_ms"]:9.3f} ms {each["p95_ms"]:6.1f} {each["found"]:8}'
                for each in figures.values()
            )
        )
    for name, ratios in report['ratios'].items():
        rows.append(
            f'{name:>63} ' + ' '.join(f'{each:9.2f} x {"":14}' for each in ratios.values())
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
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers there')
    # Each way runs this file, too.
    parser.add_argument('--way', choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument('--images', type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    """Measure, or run one of the ways."""
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

"""Let the node work for hours, and watch memory, latency and what becomes of each picture.

Pictures with changing faces, stamped at 30 Hz, are sent as fast as the node answers, so that an
hour of a camera takes less. They come in rounds of the same scenes, so that rounds can be
compared. In each, some pictures come at once, so that all but the newest are dropped, and one is
malformed.

    python benchmarks/soak.py --json soak.json
    python benchmarks/soak.py --rounds 40 --warm-up 10 --parameter detection_size:=320

The exit code is 1 where memory grows, work becomes slower, or a picture is not accounted for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
import json
import math
import os
from pathlib import Path
import statistics
import subprocess
import sys
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from tqdm import tqdm

from face_classification_ros.io.sample import crowd, sample_frames
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.messages import seconds, time_message
from face_classification_ros.ros.processes import ros_environment, start, stop
from face_classification_ros.ros.runtime import ros_running

RATE = 30.0
"""Pictures per second, by their stamps."""

SIZE = (320, 240)
CROWDS = ((285, 4), (225, 8), (180, 2), (90, 6))
"""Before which frames of the sample video how many people stand; last first."""

CROWD_LENGTH = 8
EVERY_BURST, BURST = 100, 4
"""At the middle of each so many pictures of a round, so many are sent at once."""

MALFORMED = 100
"""After which picture of a round one is sent that cannot be read."""

PATIENCE = 60.0
"""Seconds after which an answer, or the start of the node, is given up."""

BLOCKS = 20
T_95 = 2.101
"""Student's t for a two-sided interval of 95 % with as many degrees of freedom as `BLOCKS` - 2."""

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
FATES = {
    'received': 'received',
    'processed': 'processed',
    'malformed': 'malformed',
    'rate_limited': 'rate limited',
    'superseded': 'superseded',
    'lost': 'lost in transport',
}
"""Names of counts, and what diagnostics call them."""


def scenes() -> list[ImageMessage]:
    """Make the pictures of a round: the sample video with crowds between its scenes."""
    pictures = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame in sample_frames()]
    for number, people in CROWDS:
        pictures[number:number] = [crowd(people, *SIZE)] * CROWD_LENGTH
    return [image_to_message(np.asarray(each, np.uint8), Header()) for each in pictures]


def memory_of(pid: int) -> tuple[float, float]:
    """Give resident and proportional memory of a process in MB."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    values = {line.split(':')[0]: int(line.split()[1]) for line in lines}
    return values['Rss'] * 1024 / 1e6, values['Pss'] * 1024 / 1e6


@dataclass
class Round:
    """What was seen in a round.

    Attributes:
        rss: resident memory at its end, in MB.
        pss: proportional memory at its end, in MB.
        work: the node's time for a picture, median, in milliseconds.
        latency: from publishing a picture to its answer, median, in milliseconds.
        slowest: the same, 99th percentile.
    """

    rss: float
    pss: float
    work: float
    latency: float
    slowest: float


@dataclass
class Slope:
    """How a quantity changes, by least squares over the means of blocks of rounds.

    Single values depend on those before; means of long blocks hardly do.

    Attributes:
        per_hour: change in an hour of pictures.
        low: lower end of the interval of 95 %.
        high: upper end.
    """

    per_hour: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float], hours: float) -> Slope:
        """Fit values that were taken evenly in so many hours of pictures; at least `BLOCKS`."""
        y = np.array([block.mean() for block in np.array_split(np.array(values), BLOCKS)])
        x: NDArray[np.float64] = (np.arange(BLOCKS) + 0.5) * hours / BLOCKS
        x -= x.mean()
        slope = float(x @ y / (x @ x))
        rest = y - y.mean() - slope * x
        margin = T_95 * math.sqrt(rest @ rest / (BLOCKS - 2) / (x @ x))
        return cls(slope, slope - margin, slope + margin)


class Camera:
    """Sends pictures and waits for the node's answers, and for its counts."""

    def __init__(self) -> None:
        """Join the domain."""
        self._node = Node('soak_camera', enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._publisher = self._node.create_publisher(ImageMessage, 'image', RELIABLE)
        self._node.create_subscription(
            FaceAttributesArray, 'face_classification/faces', self._take_answer, RELIABLE
        )
        self._node.create_subscription(
            DiagnosticArray, '/diagnostics', self._take_diagnostics, RELIABLE
        )
        self._answered = -1.0
        self.work = 0.0
        self.faces = 0
        self.answers = 0
        self.sent = 0
        self.counts: dict[str, int] = {}

    @property
    def is_ready(self) -> bool:
        """Whether the node listens and is heard."""
        return bool(
            self._publisher.get_subscription_count()
            and self._node.count_publishers('face_classification/faces')
        )

    @property
    def is_accounted_for(self) -> bool:
        """Whether the node's counts tell of every picture that was sent."""
        counts = self.counts
        return bool(counts) and (
            counts['received'] + counts['superseded'] + counts['lost'] == self.sent
            and counts['processed'] + counts['malformed'] + counts['rate_limited']
            == counts['received']
        )

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self._node.destroy_node()

    def publish(self, message: ImageMessage) -> float:
        """Send a picture and give its stamp, in seconds."""
        message.header.stamp = time_message(100 + self.sent / RATE)
        self._publisher.publish(message)
        self.sent += 1
        return seconds(message.header.stamp)

    def ask(self, message: ImageMessage) -> float:
        """Send a picture, wait for the answer, and give the milliseconds that it took."""
        begin = time.perf_counter()
        stamp = self.publish(message)
        while self._answered < stamp:
            self._executor.spin_once(0.1)
            if time.perf_counter() - begin > PATIENCE:
                raise SystemExit(f'soak: picture {self.sent} was not answered')
        return 1000 * (time.perf_counter() - begin)

    def spin(self, duration: float) -> None:
        """Listen for a while."""
        end = time.monotonic() + duration
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(left)

    def _take_answer(self, message: FaceAttributesArray) -> None:
        self._answered = seconds(message.header.stamp)
        self.work = 1000 * message.processing_time
        self.faces += len(message.faces)
        self.answers += 1

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            if 'received' in values:
                self.counts = {name: int(values[key]) for name, key in FATES.items()}


@contextmanager
def running_node(parameters: list[str]) -> Iterator[tuple[subprocess.Popen[str], Camera]]:
    """Run the node and a camera for it; complaints about malformed pictures are not shown."""
    arguments = ['--ros-args', '--log-level', 'face_classification:=fatal']
    for each in ('image_reliability:=reliable', *parameters):
        arguments += ['-p', each]
    process = start('face_classification_node', *arguments)
    try:
        camera = Camera()
        end = time.monotonic() + PATIENCE
        while not camera.is_ready:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit('soak: the node did not start')
            camera.spin(0.1)
        # Each may know the other a moment before it is known itself.
        camera.spin(1.0)
        yield process, camera
        camera.close()
    finally:
        stop(process, 'node')


def play(camera: Camera, pictures: list[ImageMessage], pid: int) -> Round:
    """Send the pictures of a round."""
    works, latencies = [], []
    for number, picture in enumerate(pictures):
        if number % EVERY_BURST == EVERY_BURST // 2:
            for _ in range(BURST - 1):
                camera.publish(picture)
        latencies.append(camera.ask(picture))
        works.append(camera.work)
        if number == MALFORMED:
            encoding, picture.encoding = picture.encoding, 'none'
            camera.publish(picture)
            picture.encoding = encoding
            # It shall be read, not replaced by the next.
            camera.spin(0.02)
    return Round(
        *memory_of(pid),
        statistics.median(works),
        statistics.median(latencies),
        float(np.percentile(latencies, 99)),
    )


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Run the node for as many rounds as were asked for, and judge."""
    pictures = scenes()[:: options.every]
    rounds = []
    with running_node(options.parameter) as (node, camera):
        begin = time.monotonic()
        for number in tqdm(range(options.warm_up + options.rounds), unit='round'):
            seen = play(camera, pictures, node.pid)
            if number >= options.warm_up:
                rounds.append(seen)
        duration = time.monotonic() - begin
        end = time.monotonic() + PATIENCE
        while not camera.is_accounted_for and time.monotonic() < end:
            camera.spin(0.1)
        is_complete = camera.is_accounted_for and camera.answers == camera.counts['processed']
        record = {
            'sent': camera.sent,
            'seconds': round(duration, 1),
            'faces': camera.faces,
            'counts': camera.counts,
            'parameters': options.parameter,
            'warm_up_rounds': options.warm_up,
        }
    hours = camera.sent / RATE / 3600 * options.rounds / (options.warm_up + options.rounds)
    return record | evaluate(rounds, hours, is_complete, options)


def evaluate(
    rounds: list[Round], hours: float, is_complete: bool, options: argparse.Namespace
) -> dict[str, Any]:
    """Say whether memory and work stay what they are."""
    rss = Slope.of([each.rss for each in rounds], hours)
    pss = Slope.of([each.pss for each in rounds], hours)
    quarter = len(rounds) // 4
    first, last = (
        statistics.median(each.work for each in part)
        for part in (rounds[:quarter], rounds[-quarter:])
    )
    is_memory_flat = rss.per_hour * hours <= options.max_growth
    is_work_flat = last <= options.max_drift * first
    return {
        'rss_mb': [round(rounds[0].rss, 2), round(rounds[-1].rss, 2)],
        'rss_mb_per_hour': {name: round(value, 3) for name, value in asdict(rss).items()},
        'pss_mb_per_hour': {name: round(value, 3) for name, value in asdict(pss).items()},
        'work_ms_first_and_last_quarter': [round(first, 2), round(last, 2)],
        'latency_ms': {
            'median': round(statistics.median(each.latency for each in rounds), 2),
            'p99': round(statistics.median(each.slowest for each in rounds), 2),
        },
        'is_complete': is_complete,
        'is_memory_flat': is_memory_flat,
        'is_work_flat': is_work_flat,
        'is_good': is_complete and is_memory_flat and is_work_flat,
        'rounds': [asdict(each) for each in rounds],
    }


def report(record: dict[str, Any]) -> str:
    """Write for people what came out."""

    def verdict(is_good: bool) -> str:
        return 'OK  ' if is_good else 'FAIL'

    slope, latency = record['rss_mb_per_hour'], record['latency_ms']
    first, last = record['work_ms_first_and_last_quarter']
    fates = ', '.join(f'{number} {name}' for name, number in record['counts'].items())
    return '\n'.join(
        [
            f'{record["sent"]} pictures in {record["seconds"]:.0f} s, {record["faces"]} faces',
            f'{verdict(record["is_complete"])} every picture is accounted for: {fates}',
            f'{verdict(record["is_memory_flat"])} memory {record["rss_mb"][0]:.1f} to '
            f'{record["rss_mb"][1]:.1f} MB; {slope["per_hour"]:+.2f} MB per hour of 30 Hz '
            f'(95 %: {slope["low"]:+.2f} to {slope["high"]:+.2f})',
            f'{verdict(record["is_work_flat"])} work on a picture {first:.1f} ms in the first '
            f'quarter, {last:.1f} ms in the last; publish to faces {latency["median"]:.1f} ms, '
            f'p99 {latency["p99"]:.1f} ms',
        ]
    )


def main() -> int:
    """Run and report; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--rounds', type=int, default=320, help=f'to judge; 320 are an hour; at least {BLOCKS}'
    )
    parser.add_argument(
        '--warm-up',
        type=int,
        default=60,
        help='rounds before those; people are remembered for ten minutes, which is 53 (60)',
    )
    parser.add_argument('--max-growth', type=float, default=3.0, help='MB in the run (3)')
    parser.add_argument(
        '--max-drift', type=float, default=1.25, help='last quarter over the first (1.25)'
    )
    parser.add_argument(
        '--every', type=int, default=1, metavar='N', help='take every Nth picture of a round (1)'
    )
    parser.add_argument('--parameter', action='append', default=[], metavar='NAME:=VALUE')
    parser.add_argument('--domain', default='101', help='ROS_DOMAIN_ID (101)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    if options.rounds < BLOCKS or options.warm_up < 0:
        parser.error(f'expected at least {BLOCKS} rounds, and a warm-up of 0 or more')
    os.environ['ROS_DOMAIN_ID'] = options.domain
    os.environ.update(ros_environment(options.domain))
    with ros_running([]):
        record = soak(options)
    print(report(record))
    if options.json:
        options.json.write_text(json.dumps(record, indent=1) + '\n')
    return 0 if record['is_good'] else 1


if __name__ == '__main__':
    sys.exit(main())

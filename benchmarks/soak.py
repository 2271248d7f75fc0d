"""Run the node for hours, and monitor memory, latency and the fate of each image.

Images with changing faces, stamped at 30 Hz, are sent as fast as the node processes them, so that
an hour of a camera takes less. They come in rounds of the same scenes, which can be compared. Each
round has bursts of images, of which all but the newest are dropped, and one malformed image.

    python benchmarks/soak.py --json soak.json
    python benchmarks/soak.py --rounds 40 --warm-up 10 --parameter detection_size:=320

The exit code is 1 if memory grows, processing becomes slower, or an image is not accounted for.
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

from face_classification_ros.io.sample import crowd, sample_frames
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.messages import seconds, time_message
from face_classification_ros.ros.processes import ros_environment, start, stop
from face_classification_ros.ros.runtime import ros_running

RATE = 30.0
"""Images per second, by their stamps."""

SIZE = (320, 240)
CROWDS = ((285, 4), (225, 8), (180, 2), (90, 6))
"""Frame number in the sample video, and people in the crowd inserted before it; last first."""

CROWD_LENGTH = 8
BURST_INTERVAL, BURST = 100, 4
"""Images of a round from one burst to the next, and images in a burst."""

MALFORMED = 100
"""Number of the image of a round after which a malformed one is sent."""

TIMEOUT = 60.0
"""Seconds to wait for a result, or for the start of the node."""

BLOCKS = 20
T_95 = 2.101
"""Student's t of a two-sided 95 % interval with `BLOCKS` - 2 degrees of freedom."""

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
FATES = {
    'received': 'received',
    'processed': 'processed',
    'malformed': 'malformed',
    'rate_limited': 'rate limited',
    'superseded': 'superseded',
    'lost': 'lost in transport',
}
"""Name of a count -> its key in the diagnostics."""


def scenes() -> list[ImageMessage]:
    """Return the images of a round: the sample video with crowds between its scenes."""
    images = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA) for frame in sample_frames()]
    for number, people in CROWDS:
        images[number:number] = [crowd(people, *SIZE)] * CROWD_LENGTH
    return [image_to_message(np.asarray(each, np.uint8), Header()) for each in images]


def memory_of(pid: int) -> tuple[float, float]:
    """Return resident and proportional memory of a process in MB."""
    lines = Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]
    values = {line.split(':')[0]: int(line.split()[1]) for line in lines}
    return values['Rss'] * 1024 / 1e6, values['Pss'] * 1024 / 1e6


@dataclass
class Round:
    """The figures of a round.

    Attributes:
        rss: resident memory at its end, in MB.
        pss: proportional memory at its end, in MB.
        work: processing time of the node per image, median, in milliseconds.
        latency: from publishing an image to receiving its faces, median, in milliseconds.
        latency_p99: the same, 99th percentile.
    """

    rss: float
    pss: float
    work: float
    latency: float
    latency_p99: float


@dataclass
class Slope:
    """The slope of a quantity, by least squares over the means of blocks of rounds.

    Single values depend on the previous ones; means of long blocks hardly do.

    Attributes:
        per_hour: change per hour of images.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
    """

    per_hour: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float], hours: float) -> Slope:
        """Fit values sampled evenly over `hours` of images; at least `BLOCKS` are required."""
        y = np.array([block.mean() for block in np.array_split(np.array(values), BLOCKS)])
        x: NDArray[np.float64] = (np.arange(BLOCKS) + 0.5) * hours / BLOCKS
        x -= x.mean()
        slope = float(x @ y / (x @ x))
        rest = y - y.mean() - slope * x
        margin = T_95 * math.sqrt(rest @ rest / (BLOCKS - 2) / (x @ x))
        return cls(slope, slope - margin, slope + margin)


class Camera:
    """Publishes images, and receives the faces and the counts of the node."""

    def __init__(self) -> None:
        """Create the ROS node of the camera."""
        self._node = Node('soak_camera', enable_rosout=False, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._publisher = self._node.create_publisher(ImageMessage, 'image', RELIABLE)
        self._node.create_subscription(
            FaceAttributesArray, 'face_classification/faces', self._on_faces, RELIABLE
        )
        self._node.create_subscription(
            DiagnosticArray, '/diagnostics', self._on_diagnostics, RELIABLE
        )
        self._newest_stamp = -1.0
        self.work = 0.0
        self.faces = 0
        self.results = 0
        self.sent = 0
        self.counts: dict[str, int] = {}

    @property
    def is_ready(self) -> bool:
        """Whether publishers and subscriptions of both sides are connected."""
        return bool(
            self._publisher.get_subscription_count()
            and self._node.count_publishers('face_classification/faces')
        )

    @property
    def is_accounted_for(self) -> bool:
        """Whether the counts of the node add up to the number of images sent."""
        counts = self.counts
        return bool(counts) and (
            counts['received'] + counts['superseded'] + counts['lost'] == self.sent
            and counts['processed'] + counts['malformed'] + counts['rate_limited']
            == counts['received']
        )

    def close(self) -> None:
        """Destroy the ROS node."""
        self._executor.shutdown()
        self._node.destroy_node()

    def publish(self, message: ImageMessage) -> float:
        """Publish an image and return its stamp in seconds."""
        message.header.stamp = time_message(100 + self.sent / RATE)
        self._publisher.publish(message)
        self.sent += 1
        return seconds(message.header.stamp)

    def measure(self, message: ImageMessage) -> float:
        """Publish an image, wait for its faces, and return the latency in milliseconds."""
        begin = time.perf_counter()
        stamp = self.publish(message)
        while self._newest_stamp < stamp:
            self._executor.spin_once(0.1)
            if time.perf_counter() - begin > TIMEOUT:
                raise SystemExit(f'soak: no faces were published for image {self.sent}')
        return 1000 * (time.perf_counter() - begin)

    def spin(self, duration: float) -> None:
        """Process callbacks for `duration` seconds."""
        end = time.monotonic() + duration
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(left)

    def _on_faces(self, message: FaceAttributesArray) -> None:
        self._newest_stamp = seconds(message.header.stamp)
        self.work = 1000 * message.processing_time
        self.faces += len(message.faces)
        self.results += 1

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {each.key: each.value for each in status.values}
            if 'received' in values:
                self.counts = {name: int(values[key]) for name, key in FATES.items()}


@contextmanager
def running_node(parameters: list[str]) -> Iterator[tuple[subprocess.Popen[str], Camera]]:
    """Run the node and a camera; its errors about malformed images are not shown."""
    arguments = ['--ros-args', '--log-level', 'face_classification:=fatal']
    for each in ('image_reliability:=reliable', *parameters):
        arguments += ['-p', each]
    process = start('face_classification_node', *arguments)
    try:
        camera = Camera()
        end = time.monotonic() + TIMEOUT
        while not camera.is_ready:
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit('soak: the node did not start')
            camera.spin(0.1)
        # Discovery may be complete on one side slightly earlier than on the other.
        camera.spin(1.0)
        yield process, camera
        camera.close()
    finally:
        stop(process, 'node')


def play(camera: Camera, images: list[ImageMessage], pid: int) -> Round:
    """Publish the images of a round and return its figures."""
    works, latencies = [], []
    for number, image in enumerate(images):
        if number % BURST_INTERVAL == BURST_INTERVAL // 2:
            for _ in range(BURST - 1):
                camera.publish(image)
        latencies.append(camera.measure(image))
        works.append(camera.work)
        if number == MALFORMED:
            encoding, image.encoding = image.encoding, 'none'
            camera.publish(image)
            image.encoding = encoding
            # Gives the node time to read it before the next image supersedes it.
            camera.spin(0.02)
    return Round(
        *memory_of(pid),
        statistics.median(works),
        statistics.median(latencies),
        float(np.percentile(latencies, 99)),
    )


def soak(options: argparse.Namespace) -> dict[str, Any]:
    """Run the node for the given number of rounds, and return figures and verdicts."""
    images = scenes()[:: options.every]
    rounds = []
    with running_node(options.parameter) as (node, camera):
        begin = time.monotonic()
        for number in progress(range(options.warm_up + options.rounds), 'round'):
            figures = play(camera, images, node.pid)
            if number >= options.warm_up:
                rounds.append(figures)
        duration = time.monotonic() - begin
        end = time.monotonic() + TIMEOUT
        while not camera.is_accounted_for and time.monotonic() < end:
            camera.spin(0.1)
        is_complete = camera.is_accounted_for and camera.results == camera.counts['processed']
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
    """Return the slopes, and whether memory and processing time stay constant."""
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
            'p99': round(statistics.median(each.latency_p99 for each in rounds), 2),
        },
        'is_complete': is_complete,
        'is_memory_flat': is_memory_flat,
        'is_work_flat': is_work_flat,
        'is_good': is_complete and is_memory_flat and is_work_flat,
        'rounds': [asdict(each) for each in rounds],
    }


def report(record: dict[str, Any]) -> str:
    """Return the record as text."""

    def verdict(is_good: bool) -> str:
        return 'OK  ' if is_good else 'FAIL'

    slope, latency = record['rss_mb_per_hour'], record['latency_ms']
    first, last = record['work_ms_first_and_last_quarter']
    fates = ', '.join(f'{number} {name}' for name, number in record['counts'].items())
    return '\n'.join(
        [
            f'{record["sent"]} images in {record["seconds"]:.0f} s, {record["faces"]} faces',
            f'{verdict(record["is_complete"])} every image is accounted for: {fates}',
            f'{verdict(record["is_memory_flat"])} memory {record["rss_mb"][0]:.1f} to '
            f'{record["rss_mb"][1]:.1f} MB; {slope["per_hour"]:+.2f} MB per hour of 30 Hz '
            f'(95 %: {slope["low"]:+.2f} to {slope["high"]:+.2f})',
            f'{verdict(record["is_work_flat"])} work per image {first:.1f} ms in the first '
            f'quarter, {last:.1f} ms in the last; publish to faces {latency["median"]:.1f} ms, '
            f'p99 {latency["p99"]:.1f} ms',
        ]
    )


def main() -> int:
    """Run and print a report; return 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--rounds',
        type=int,
        default=320,
        help=f'measured rounds, at least {BLOCKS} (320, one hour)',
    )
    parser.add_argument(
        '--warm-up',
        type=int,
        default=60,
        help='rounds before them; the node remembers people for ten minutes, 53 rounds (60)',
    )
    parser.add_argument(
        '--max-growth', type=float, default=3.0, help='maximum growth of memory in MB (3)'
    )
    parser.add_argument(
        '--max-drift',
        type=float,
        default=1.25,
        help='maximum ratio of the work in the last quarter to that in the first (1.25)',
    )
    parser.add_argument(
        '--every', type=int, default=1, metavar='N', help='publish every Nth image of a round (1)'
    )
    parser.add_argument('--parameter', action='append', default=[], metavar='NAME:=VALUE')
    parser.add_argument('--domain', default='101', help='ROS_DOMAIN_ID (101)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    options = parser.parse_args()
    if options.rounds < BLOCKS or options.warm_up < 0:
        parser.error(f'expected at least {BLOCKS} rounds and a warm-up of 0 or more')
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

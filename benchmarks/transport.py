"""Measure latency, lost images, memory and start-up time between a camera and its faces.

A camera, which is reliable as most drivers are, the node and a subscriber to its faces run in
separate processes and communicate over real DDS on this machine: with and without the Fast DDS
profile of the package, with each `image_reliability` of the node, raw and, with `--transport`,
compressed (without the time that the camera needs for the JPEG). Latency is the time from
publishing an image to the arrival of its faces at the subscriber.
Needs an environment with the package and scikit-image; nothing else should run at the same time.

    python benchmarks/transport.py --json transport.json
    python benchmarks/transport.py --width 1280 --height 960 --rate 10 --images 100
    python benchmarks/transport.py --transport raw compressed --profile large_images
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, TypeVar

import cv2
import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
import skimage.data
from std_msgs.msg import Header

from face_classification_ros.evaluation.benchmark import processor_name
from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.images import image_to_compressed, image_to_message

PROFILE = 'config/fastdds_large_images.xml'
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
PROFILES = ('none', 'large_images')
RELIABILITIES = ('best_effort', 'reliable', 'auto')
TRANSPORTS = ('raw', 'compressed')
TIMEOUT = 60.0
"""Seconds that processes may take to discover each other."""

LAST_RESULTS = 2.0
"""Seconds to wait for results after the last image."""

T = TypeVar('T')


@dataclass
class Round:
    """The figures of one round of one case."""

    sent: int
    rate: float
    latencies_ms: list[float]
    processing_ms: list[float]
    faces: int
    startup_s: float
    memory_mb: float
    peak_memory_mb: float
    shared_memory_mb: float
    processor_fraction: float


@dataclass
class Case:
    """A combination of transport, profile and reliability, and its rounds."""

    transport: str
    profile: str
    reliability: str
    rounds: list[Round] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Combine the rounds: sums of images, medians of the figures of the node."""
        latencies = [value for each in self.rounds for value in each.latencies_ms]
        processing = [value for each in self.rounds for value in each.processing_ms]
        sent = sum(each.sent for each in self.rounds)

        def median(name: str) -> float:
            return round(float(np.median([getattr(each, name) for each in self.rounds])), 3)

        return {
            'transport': self.transport,
            'profile': self.profile,
            'reliability': self.reliability,
            'sent': sent,
            'processed': len(latencies),
            'lost': sent - len(latencies),
            'faces': sum(each.faces for each in self.rounds),
            'rate': median('rate'),
            'latency_p50_ms': percentile(latencies, 50),
            'latency_p95_ms': percentile(latencies, 95),
            'processing_p50_ms': percentile(processing, 50),
            'startup_s': median('startup_s'),
            'memory_mb': median('memory_mb'),
            'peak_memory_mb': max(each.peak_memory_mb for each in self.rounds),
            'shared_memory_mb': median('shared_memory_mb'),
            'processor_fraction': median('processor_fraction'),
        }


def percentile(values: list[float], percent: float) -> float | None:
    """Return a percentile, rounded to hundredths; None if there are no values."""
    return round(float(np.percentile(values, percent)), 2) if values else None


# The other processes


def scene(width: int, height: int) -> np.ndarray:
    """Return a BGR image of this size, filled with a portrait from its upper left corner."""
    portrait = skimage.data.astronaut()[..., ::-1]
    scale = max(width / portrait.shape[1], height / portrait.shape[0])
    scaled = cv2.resize(portrait, None, fx=scale, fy=scale)[:height, :width]
    return np.ascontiguousarray(scaled)


def quality(reliability: str, depth: int) -> QoSProfile:
    """Return the quality of service for `best_effort` or `reliable`."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def camera(options: argparse.Namespace) -> None:
    """Publish images stamped with the current time; print the stamp of the first measured one."""
    node = Node('camera')
    message: Image | CompressedImage
    header, image = Header(), scene(options.width, options.height)
    if options.transport == ['compressed']:
        topic, message = 'image/compressed', image_to_compressed(image, header)
    else:
        topic, message = 'image', image_to_message(image, header)
    publisher = node.create_publisher(type(message), topic, quality('reliable', 5))
    end = time.monotonic() + TIMEOUT
    while not publisher.get_subscription_count():
        if time.monotonic() > end:
            raise TimeoutError('the node did not subscribe to the images')
        time.sleep(0.05)

    start = time.monotonic()
    for index in range(options.warm_up + options.images):
        if index == options.warm_up:
            start_measured, first = time.monotonic(), time.time_ns()
            print(f'first {first}', flush=True)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publisher.publish(message)
        time.sleep(max(0.0, start + (index + 1) / options.rate - time.monotonic()))
    rate = options.images / (time.monotonic() - start_measured)
    print(f'rate {rate}', flush=True)
    # A reliable publisher may have to resend.
    time.sleep(LAST_RESULTS)


def listener(options: argparse.Namespace) -> None:
    """Print stamp, latency, processing time and number of faces of each result."""
    node = Node('listener')

    def on_faces(message: FaceAttributesArray) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        latency = time.time_ns() - stamp
        print(stamp, latency, message.processing_time, len(message.faces), flush=True)

    topic = 'face_classification/faces'
    subscription = node.create_subscription(
        FaceAttributesArray, topic, on_faces, quality('reliable', 100)
    )
    while not node.count_publishers(subscription.topic_name):
        time.sleep(0.05)
    print('ready', flush=True)
    rclpy.spin(node)


# The measurement


def environment(options: argparse.Namespace, profile: str) -> dict[str, str]:
    """Return the environment of all processes of a case."""
    # Without the marker of the ROS wheels each process is set up as in a new shell, which is part
    # of its start-up time.
    dropped = (*PROFILE_VARIABLES, '_ROS_WHEELS_BOOTSTRAP_COMPLETE')
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    if profile != 'none':
        variables.update(dict.fromkeys(PROFILE_VARIABLES, str(share_folder() / PROFILE)))
    return variables | {
        'PYTHONUNBUFFERED': '1',
        'RMW_IMPLEMENTATION': 'rmw_fastrtps_cpp',
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_DOMAIN_ID': str(options.domain),
    }


@contextmanager
def process(
    command: list[str], variables: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a process that writes its output to a file, and interrupt it at the end."""
    with (
        log.open('w') as file,
        subprocess.Popen(
            command, env=variables, stdout=file, stderr=subprocess.STDOUT, text=True
        ) as running,
    ):
        try:
            yield running
        finally:
            running.send_signal(signal.SIGINT)
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def wait_for(text: str, log: Path, running: subprocess.Popen[str], timeout: float) -> str:
    """Wait for a line with this text, and return the line."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended = running.poll() is not None
        # A last line without a line break is still being written.
        for line in log.read_text().rpartition('\n')[0].splitlines():
            if text in line:
                return line
        if ended:
            break
        time.sleep(0.01)
    raise RuntimeError(f'{log.stem} did not print "{text}":\n{log.read_text()}')


def node_command() -> list[str]:
    """Return the command of the node, as installed by pip or by colcon."""
    name = 'face_classification_node'
    by_pip = Path(sys.executable).parent / name
    by_colcon = share_folder().parents[1] / 'lib' / 'face_classification_ros' / name
    return [str(by_pip if by_pip.exists() else by_colcon)]


def memory_mb(pid: int) -> dict[str, float]:
    """Return the memory of a process in MB, by the names in /proc/PID/status."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    pairs = (line.split(':') for line in lines if line.startswith(('Vm', 'Rss')))
    return {name: int(value.split()[0]) * 1024 / 1e6 for name, value in pairs}


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process in seconds."""
    user, system = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf('SC_CLK_TCK')


def measure(options: argparse.Namespace, case: Case, folder: Path) -> Round:
    """Run camera, node and listener once."""
    variables = environment(options, case.profile)
    own = [sys.executable, __file__, *sys.argv[1:], '--reliability', case.reliability]
    own += ['--transport', case.transport]
    logs = {name: folder / f'{name}.log' for name in ('node', 'listener', 'camera')}
    parameters = {
        'image_reliability': case.reliability,
        'image_transport': case.transport,
        **dict(options.parameter),
    }
    command = [*node_command(), '--ros-args']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']

    start = time.monotonic()
    with process(command, variables, logs['node']) as node:
        wait_for('subscribed to', logs['node'], node, TIMEOUT)
        startup = time.monotonic() - start
        with process([*own, '--role', 'listener'], variables, logs['listener']) as subscriber:
            wait_for('ready', logs['listener'], subscriber, TIMEOUT)
            with process([*own, '--role', 'camera'], variables, logs['camera']) as publisher:
                begin = TIMEOUT + 2 * options.warm_up / options.rate
                first = int(wait_for('first', logs['camera'], publisher, begin).split()[1])
                used, since = processor_seconds(node.pid), time.monotonic()
                end = TIMEOUT + 2 * options.images / options.rate
                rate = float(wait_for('rate', logs['camera'], publisher, end).split()[1])
                used = processor_seconds(node.pid) - used
                fraction = used / (time.monotonic() - since)
                publisher.wait(TIMEOUT)
        memory = memory_mb(node.pid)

    results = [line.split() for line in logs['listener'].read_text().splitlines()]
    measured = [line for line in results if len(line) == 4 and int(line[0]) >= first]
    return Round(
        sent=options.images,
        rate=round(rate, 2),
        latencies_ms=[int(line[1]) / 1e6 for line in measured],
        processing_ms=[float(line[2]) * 1e3 for line in measured],
        faces=sum(int(line[3]) for line in measured),
        startup_s=round(startup, 3),
        memory_mb=round(memory['VmRSS'], 1),
        peak_memory_mb=round(memory['VmHWM'], 1),
        shared_memory_mb=round(memory['RssShmem'], 1),
        processor_fraction=round(fraction, 3),
    )


def table(cases: list[Case]) -> str:
    """Return the summaries as a table."""
    head = (
        f'{"transport":<10} {"profile":<15} {"reliability":<12} '
        f'{"sent":>6} {"processed":>9} {"lost":>6} '
        f'{"p50 ms":>7} {"p95 ms":>7} {"work ms":>7} {"cpu %":>6} {"start s":>7} '
        f'{"MB":>6} {"peak MB":>7} {"shm MB":>6}'
    )
    rows = [head]
    for case in cases:
        it = case.summary()
        rows.append(
            f'{case.transport:<10} {case.profile:<15} {case.reliability:<12} '
            f'{it["sent"]:>6} {it["processed"]:>9} '
            f'{it["lost"] / it["sent"]:>6.1%} {show(it["latency_p50_ms"]):>7} '
            f'{show(it["latency_p95_ms"]):>7} {show(it["processing_p50_ms"]):>7} '
            f'{100 * it["processor_fraction"]:>6.1f} {it["startup_s"]:>7.2f} '
            f'{it["memory_mb"]:>6.0f} {it["peak_memory_mb"]:>7.0f} '
            f'{it["shared_memory_mb"]:>6.0f}'
        )
    return '\n'.join(rows)


def show(value: float | None) -> str:
    """Return a latency as text, "-" for None."""
    return '-' if value is None else f'{value:.1f}'


def rotated(values: list[T], by: int) -> list[T]:
    """Return the values rotated, so that no case always comes first."""
    by %= len(values)
    return values[by:] + values[:by]


def name_and_value(text: str) -> tuple[str, str]:
    """Split a parameter into its name and its value."""
    name, separator, value = text.partition(':=')
    if not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form name:=value')
    return name, value


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--images', type=int, default=300, help='measured images per round (300)')
    parser.add_argument('--warm-up', type=int, default=60, help='images before them (60)')
    parser.add_argument('--rounds', type=int, default=3, help='rounds of each case (3)')
    parser.add_argument('--rate', type=float, default=30.0, help='images per second (30)')
    parser.add_argument('--width', type=int, default=640, help='of an image in pixels (640)')
    parser.add_argument('--height', type=int, default=480, help='of an image in pixels (480)')
    parser.add_argument('--profile', choices=PROFILES, help='measure only this one')
    parser.add_argument('--reliability', choices=RELIABILITIES, help='measure only this one')
    parser.add_argument(
        '--transport', choices=TRANSPORTS, nargs='+', default=['raw'], help='of the images (raw)'
    )
    parser.add_argument(
        '--parameter',
        type=name_and_value,
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='parameter of the node; can be repeated',
    )
    parser.add_argument('--domain', type=int, default=79, help='ROS_DOMAIN_ID (79)')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers as JSON')
    # Camera and listener run this file, too.
    parser.add_argument('--role', choices=('camera', 'listener'), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    """Measure, or run one of the measured processes."""
    options = parse(sys.argv[1:])
    if options.role:
        rclpy.init()
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            {'camera': camera, 'listener': listener}[options.role](options)
        return 0

    cases = [
        Case(transport, profile, reliability)
        for transport in options.transport
        for profile in ([options.profile] if options.profile else PROFILES)
        for reliability in ([options.reliability] if options.reliability else RELIABILITIES)
    ]
    load = os.getloadavg()[0]
    # Rounds are interleaved, so that other load on the machine affects all cases equally.
    for number in range(options.rounds):
        for case in rotated(cases, number):
            print(
                f'round {number + 1} of {options.rounds}: '
                f'{case.transport}, {case.profile}, {case.reliability}',
                file=sys.stderr,
            )
            with tempfile.TemporaryDirectory() as folder:
                case.rounds.append(measure(options, case, Path(folder)))

    print(table(cases))
    if options.json:
        figures = {
            'machine': processor_name(),
            'processors': os.cpu_count(),
            'load_at_start': round(load, 2),
            'width': options.width,
            'height': options.height,
            'rate': options.rate,
            'parameters': dict(options.parameter),
            'cases': [
                {**case.summary(), 'rounds': [asdict(each) for each in case.rounds]}
                for case in cases
            ],
        }
        options.json.write_text(json.dumps(figures, indent=2) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())

"""Measures what lies between camera and faces: latency, lost pictures, memory, start-up time.

A camera, the node and a subscriber to its faces run as processes of their own and talk over real
DDS on this machine, with and without the package's Fast DDS profile, best effort and reliable, raw
and, if asked, compressed, where the camera's time for the JPEG is not counted.
Latency is the time from publishing a picture to the arrival of its faces at the subscriber. Needs
an environment where the package is installed, and scikit-image; nothing else should run meanwhile.

    python benchmarks/transport.py --json transport.json
    python benchmarks/transport.py --width 1280 --height 960 --rate 10 --pictures 100
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
RELIABILITIES = ('best_effort', 'reliable')
TRANSPORTS = ('raw', 'compressed')
TIMEOUT = 60.0
"""Seconds after which processes that do not find each other are given up."""

LAST_ANSWERS = 2.0
"""Seconds that are waited for answers after the last picture."""

T = TypeVar('T')


@dataclass
class Round:
    """What one round of one case gave."""

    sent: int
    rate: float
    latencies_ms: list[float]
    processing_ms: list[float]
    faces: int
    startup_s: float
    memory_mb: float
    peak_memory_mb: float
    shared_memory_mb: float
    processor_share: float


@dataclass
class Case:
    """A way of transport, and its rounds."""

    transport: str
    profile: str
    reliability: str
    rounds: list[Round] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Put the rounds together: pictures are added up, figures of the node are medians."""
        latencies = [value for each in self.rounds for value in each.latencies_ms]
        processing = [value for each in self.rounds for value in each.processing_ms]
        sent = sum(each.sent for each in self.rounds)

        def middle(name: str) -> float:
            return round(float(np.median([getattr(each, name) for each in self.rounds])), 3)

        return {
            'transport': self.transport,
            'profile': self.profile,
            'reliability': self.reliability,
            'sent': sent,
            'answered': len(latencies),
            'lost': sent - len(latencies),
            'faces': sum(each.faces for each in self.rounds),
            'rate': middle('rate'),
            'latency_p50_ms': percentile(latencies, 50),
            'latency_p95_ms': percentile(latencies, 95),
            'processing_p50_ms': percentile(processing, 50),
            'startup_s': middle('startup_s'),
            'memory_mb': middle('memory_mb'),
            'peak_memory_mb': max(each.peak_memory_mb for each in self.rounds),
            'shared_memory_mb': middle('shared_memory_mb'),
            'processor_share': middle('processor_share'),
        }


def percentile(values: list[float], percent: float) -> float | None:
    """Give a percentile in hundredths; None of no values."""
    return round(float(np.percentile(values, percent)), 2) if values else None


# The processes beside the node


def scene(width: int, height: int) -> np.ndarray:
    """Make a BGR picture of this size, filled by a portrait from its upper left corner."""
    portrait = skimage.data.astronaut()[..., ::-1]
    scale = max(width / portrait.shape[1], height / portrait.shape[0])
    scaled = cv2.resize(portrait, None, fx=scale, fy=scale)[:height, :width]
    return np.ascontiguousarray(scaled)


def quality(reliability: str, depth: int) -> QoSProfile:
    """Give the quality of service for `best_effort` or `reliable`."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy[reliability.upper()])


def camera(options: argparse.Namespace) -> None:
    """Publish pictures stamped with the time of publishing; say when the measured ones begin."""
    node = Node('camera')
    message: Image | CompressedImage
    header, picture = Header(), scene(options.width, options.height)
    if options.transport == ['compressed']:
        topic, message = 'image/compressed', image_to_compressed(picture, header)
    else:
        topic, message = 'image', image_to_message(picture, header)
    publisher = node.create_publisher(type(message), topic, quality(options.reliability, 5))
    end = time.monotonic() + TIMEOUT
    while not publisher.get_subscription_count():
        if time.monotonic() > end:
            raise TimeoutError('the node did not subscribe to the pictures')
        time.sleep(0.05)

    start = time.monotonic()
    for index in range(options.warm_up + options.pictures):
        if index == options.warm_up:
            start_measured, first = time.monotonic(), time.time_ns()
            print(f'first {first}', flush=True)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publisher.publish(message)
        time.sleep(max(0.0, start + (index + 1) / options.rate - time.monotonic()))
    rate = options.pictures / (time.monotonic() - start_measured)
    print(f'rate {rate}', flush=True)
    # A reliable publisher may have to send again.
    time.sleep(LAST_ANSWERS)


def listener(options: argparse.Namespace) -> None:
    """Print stamp, latency, processing time and number of faces of each answer."""
    node = Node('listener')

    def answer(message: FaceAttributesArray) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        latency = time.time_ns() - stamp
        print(stamp, latency, message.processing_time, len(message.faces), flush=True)

    topic = 'face_classification/faces'
    subscription = node.create_subscription(
        FaceAttributesArray, topic, answer, quality('reliable', 100)
    )
    while not node.count_publishers(subscription.topic_name):
        time.sleep(0.05)
    print('ready', flush=True)
    rclpy.spin(node)


# The measurement


def environment(options: argparse.Namespace, profile: str) -> dict[str, str]:
    """Give the environment of all processes of a case."""
    # Without the mark of the ROS wheels each process sets itself up as in a fresh shell, which is
    # part of its start.
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
    """Run a process whose output goes to a file; it is interrupted at the end."""
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
    """Wait for a line with this text, and give the line."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended = running.poll() is not None
        # A last line without its end is still being written.
        for line in log.read_text().rpartition('\n')[0].splitlines():
            if text in line:
                return line
        if ended:
            break
        time.sleep(0.01)
    raise RuntimeError(f'{log.stem} did not say "{text}":\n{log.read_text()}')


def node_command() -> list[str]:
    """Find the node as pip or as colcon installs it."""
    name = 'face_classification_node'
    beside = Path(sys.executable).parent / name
    built = share_folder().parents[1] / 'lib' / 'face_classification_ros' / name
    return [str(beside if beside.exists() else built)]


def memory_mb(pid: int) -> dict[str, float]:
    """Give the kernel's figures of a process's memory in MB."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    pairs = (line.split(':') for line in lines if line.startswith(('Vm', 'Rss')))
    return {name: int(value.split()[0]) * 1024 / 1e6 for name, value in pairs}


def processor_seconds(pid: int) -> float:
    """Give the processor time that a process has used."""
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
        with process([*own, '--role', 'listener'], variables, logs['listener']) as ears:
            wait_for('ready', logs['listener'], ears, TIMEOUT)
            with process([*own, '--role', 'camera'], variables, logs['camera']) as eye:
                begin = TIMEOUT + 2 * options.warm_up / options.rate
                first = int(wait_for('first', logs['camera'], eye, begin).split()[1])
                used, since = processor_seconds(node.pid), time.monotonic()
                end = TIMEOUT + 2 * options.pictures / options.rate
                rate = float(wait_for('rate', logs['camera'], eye, end).split()[1])
                used = processor_seconds(node.pid) - used
                share = used / (time.monotonic() - since)
                eye.wait(TIMEOUT)
        memory = memory_mb(node.pid)

    answers = [line.split() for line in logs['listener'].read_text().splitlines()]
    measured = [line for line in answers if len(line) == 4 and int(line[0]) >= first]
    return Round(
        sent=options.pictures,
        rate=round(rate, 2),
        latencies_ms=[int(line[1]) / 1e6 for line in measured],
        processing_ms=[float(line[2]) * 1e3 for line in measured],
        faces=sum(int(line[3]) for line in measured),
        startup_s=round(startup, 3),
        memory_mb=round(memory['VmRSS'], 1),
        peak_memory_mb=round(memory['VmHWM'], 1),
        shared_memory_mb=round(memory['RssShmem'], 1),
        processor_share=round(share, 3),
    )


def table(cases: list[Case]) -> str:
    """Write the summaries for people."""
    head = (
        f'{"transport":<10} {"profile":<15} {"reliability":<12} '
        f'{"sent":>6} {"answered":>8} {"lost":>6} '
        f'{"p50 ms":>7} {"p95 ms":>7} {"work ms":>7} {"cpu %":>6} {"start s":>7} '
        f'{"MB":>6} {"peak MB":>7} {"shm MB":>6}'
    )
    rows = [head]
    for case in cases:
        it = case.summary()
        rows.append(
            f'{case.transport:<10} {case.profile:<15} {case.reliability:<12} '
            f'{it["sent"]:>6} {it["answered"]:>8} '
            f'{it["lost"] / it["sent"]:>6.1%} {show(it["latency_p50_ms"]):>7} '
            f'{show(it["latency_p95_ms"]):>7} {show(it["processing_p50_ms"]):>7} '
            f'{100 * it["processor_share"]:>6.1f} {it["startup_s"]:>7.2f} '
            f'{it["memory_mb"]:>6.0f} {it["peak_memory_mb"]:>7.0f} '
            f'{it["shared_memory_mb"]:>6.0f}'
        )
    return '\n'.join(rows)


def show(value: float | None) -> str:
    """Write a latency, or that there is none."""
    return '-' if value is None else f'{value:.1f}'


def rotated(values: list[T], by: int) -> list[T]:
    """Give the values from another one on, so that no case always comes first."""
    by %= len(values)
    return values[by:] + values[:by]


def name_and_value(text: str) -> tuple[str, str]:
    """Take a parameter apart."""
    name, separator, value = text.partition(':=')
    if not separator:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form name:=value')
    return name, value


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--pictures', type=int, default=300, help='measured ones of a round (300)')
    parser.add_argument('--warm-up', type=int, default=60, help='pictures before them (60)')
    parser.add_argument('--rounds', type=int, default=3, help='rounds of each case (3)')
    parser.add_argument('--rate', type=float, default=30.0, help='pictures per second (30)')
    parser.add_argument('--width', type=int, default=640, help='of a picture (640)')
    parser.add_argument('--height', type=int, default=480, help='of a picture (480)')
    parser.add_argument('--profile', choices=PROFILES, help='only this one')
    parser.add_argument('--reliability', choices=RELIABILITIES, help='only this one')
    parser.add_argument(
        '--transport', choices=TRANSPORTS, nargs='+', default=['raw'], help='of pictures (raw)'
    )
    parser.add_argument(
        '--parameter',
        type=name_and_value,
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='parameter of the node, may be repeated',
    )
    parser.add_argument('--domain', type=int, default=79, help='ROS_DOMAIN_ID (79)')
    parser.add_argument('--json', type=Path, help='file for the figures, round by round too')
    # The processes beside the node are this file, too.
    parser.add_argument('--role', choices=('camera', 'listener'), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> int:
    """Measure, or be one of the processes that are measured."""
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
    # Rounds are interleaved: what else the machine does meets all cases alike.
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

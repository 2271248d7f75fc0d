"""End subscribers in the midst of messages for an hour, and check that node and camera respond.

A camera process publishes color and depth images of 640x480 at 30 Hz, reliable, with the Fast DDS
profile of the package. Subscribers to images, faces and annotated images start and are ended by
SIGINT, SIGTERM or SIGKILL at random moments. Every few seconds node and camera have to respond to
a request; if one does not, the stacks of both are written (with gdb where it is installed) and the
processes are started again. The subscribers are plain rclpy, without the watchdog of the node:
some hang in Fast DDS themselves (Fast-DDS#6484); they are counted, and print their stacks.

    python benchmarks/subscribers.py --minutes 60 --stacks stacks --json subscribers.json

The exit code is 1 if node or camera stalled or ended by itself, or if the node did not end at
SIGTERM within 3 s.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
import faulthandler
import json
import os
from pathlib import Path
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from face_classification_ros.inference.model_zoo import executable
from face_classification_ros.io.sample import crowd
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.processes import ros_environment
from face_classification_ros.ros.runtime import ros_running, signals_as_interrupt

RATE = 30.0
RESPONSE_TIME = 10.0
"""Seconds without a response after which a process is stalled."""

CHECK_INTERVAL = 3.0
END_TIME = 3.0
"""Seconds within which the node has to end at SIGTERM."""

START_TIME = 60.0
MAX_SUBSCRIBERS = 3

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
TOPICS = {
    '/image': Image,
    '/face_classification/faces': FaceAttributesArray,
    '/face_classification/image_annotated': Image,
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


@dataclass
class Report:
    """What happened.

    Attributes:
        minutes: duration.
        signals: name of a signal -> how many subscribers were ended by it.
        checks: requests that node and camera had to respond to.
        stalls: when node or camera did not respond, in seconds from the start, and which.
        stuck_subscribers: when a subscriber did not end at a signal, and which signal.
        ended: processes that ended by themselves, with their exit codes.
        slow_ends: times that the node needed to end at SIGTERM, where they exceed the limit.
    """

    minutes: float
    signals: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    stalls: list[tuple[float, str]] = field(default_factory=list)
    stuck_subscribers: list[tuple[float, str]] = field(default_factory=list)
    ended: list[tuple[str, int]] = field(default_factory=list)
    slow_ends: list[float] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every process responded and ended as it should."""
        return not (self.stalls or self.ended or self.slow_ends)


def publish_images() -> None:
    """Publish images, depth and calibration until a signal arrives."""
    with ros_running([]), signals_as_interrupt():
        node = Node('camera')
        color = node.create_publisher(Image, 'image', RELIABLE)
        depth = node.create_publisher(Image, 'depth', RELIABLE)
        info = node.create_publisher(CameraInfo, 'camera_info', RELIABLE)
        image = image_to_message(crowd(2, 640, 480), Header(frame_id='camera'))
        wall = Image(height=480, width=640, encoding='16UC1', step=1280)
        wall.data.frombytes(np.full((480, 640), 1500, np.uint16).tobytes())
        calibration = CameraInfo(width=640, height=480)
        calibration.k[:] = np.array([525.0, 0, 320, 0, 525, 240, 0, 0, 1])

        def publish() -> None:
            stamp = node.get_clock().now().to_msg()
            for publisher, message in ((info, calibration), (depth, wall), (color, image)):
                message.header = Header(stamp=stamp, frame_id='camera')
                publisher.publish(message)

        node.create_timer(1 / RATE, publish)
        rclpy.spin(node)


def subscribe(topic: str) -> None:
    """Receive the messages of a topic until a signal arrives; SIGUSR1 prints the stacks."""
    faulthandler.register(signal.SIGUSR1)
    with ros_running([]), signals_as_interrupt():
        node = Node(f'subscriber_{os.getpid()}', start_parameter_services=False)
        node.create_subscription(TOPICS[topic], topic, lambda message: None, RELIABLE)
        rclpy.spin(node)


class System:
    """Node and camera as processes, and a client that checks both."""

    def __init__(self, folder: Path) -> None:
        """Start both; their output and stacks go to a folder."""
        self._folder = folder
        self._client = Node('checks', start_parameter_services=False)
        self._clients = {
            name: self._client.create_client(GetParameters, f'/{name}/get_parameters')
            for name in ('camera', 'face_classification')
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start()

    def start(self) -> None:
        """Start both, and wait until they respond."""
        node = [str(executable('face_classification_node')), '--ros-args']
        for parameter in ('use_depth:=true', 'image_reliability:=reliable'):
            node += ['-p', parameter]
        self.processes = {
            'camera': self._popen('camera', [sys.executable, __file__, '--camera']),
            'face_classification': self._popen('node', node),
        }
        end = time.monotonic() + START_TIME
        while self.silent():
            if time.monotonic() > end:
                raise SystemExit(f'subscribers: the processes did not start, see {self._folder}')

    def _popen(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f'{name}.log').open('a') as log:
            return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def silent(self) -> list[str]:
        """Return which processes do not respond to a request."""
        futures = {
            name: client.call_async(GetParameters.Request(names=['use_sim_time']))
            for name, client in self._clients.items()
        }
        end = time.monotonic() + RESPONSE_TIME
        while not all(each.done() for each in futures.values()) and time.monotonic() < end:
            rclpy.spin_once(self._client, timeout_sec=0.1)
        return [name for name, future in futures.items() if not future.done()]

    def write_stacks(self, number: int) -> None:
        """Write the stacks of both processes."""
        for name, process in self.processes.items():
            path = self._folder / f'stacks_{number}_{name}.txt'
            tasks = sorted(Path(f'/proc/{process.pid}/task').glob('*/wchan'))
            text = ''.join(f'{task.parent.name} {task.read_text()}\n' for task in tasks)
            if shutil.which('gdb'):
                command = ['gdb', '-batch', '-p', str(process.pid), '-ex', 'thread apply all bt']
                text += subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
            path.write_text(text)

    def stop(self) -> float:
        """End both, and return how many seconds the node needed."""
        node = self.processes['face_classification']
        begin = time.monotonic()
        node.terminate()
        try:
            node.wait(5 * END_TIME)
        except subprocess.TimeoutExpired:
            node.kill()
        duration = time.monotonic() - begin
        for process in self.processes.values():
            process.kill()
            process.wait()
        return duration


def _seconds_until(end: float) -> Iterator[float]:
    """Yield the seconds since the first request, until they exceed `end`."""
    begin = time.monotonic()
    while (elapsed := time.monotonic() - begin) < end:
        yield elapsed


def run(minutes: float, seed: int, folder: Path) -> Report:
    """Run the soak and return its report."""
    choose = random.Random(seed)
    report = Report(minutes)
    system = System(folder)
    subscribers: list[subprocess.Popen[bytes]] = []
    next_check = time.monotonic()
    for elapsed in progress(_seconds_until(60 * minutes), 'subscriber'):
        if len(subscribers) < MAX_SUBSCRIBERS:
            topic = choose.choice(list(TOPICS))
            command = [sys.executable, __file__, '--subscribe', topic]
            with (folder / 'subscribers.log').open('a') as log:
                subscribers.append(subprocess.Popen(command, stderr=log))
        time.sleep(choose.uniform(0.1, 2.0))
        if len(subscribers) == MAX_SUBSCRIBERS:
            ended = subscribers.pop(choose.randrange(MAX_SUBSCRIBERS))
            how = choose.choice(SIGNALS)
            ended.send_signal(how)
            report.signals[how.name] += 1
            try:
                ended.wait(RESPONSE_TIME)
            except subprocess.TimeoutExpired:
                report.stuck_subscribers.append((round(elapsed, 1), how.name))
                ended.send_signal(signal.SIGUSR1)
                time.sleep(1)
                ended.kill()
                ended.wait()
        if time.monotonic() < next_check:
            continue
        report.checks += 1
        next_check = time.monotonic() + CHECK_INTERVAL
        if silent := system.silent():
            report.stalls += [(round(elapsed, 1), name) for name in silent]
            system.write_stacks(len(report.stalls))
        codes = {name: process.poll() for name, process in system.processes.items()}
        report.ended += [(name, code) for name, code in codes.items() if code is not None]
        if silent or any(code is not None for code in codes.values()):
            system.stop()
            system.start()
    for each in subscribers:
        each.kill()
        each.wait()
    duration = system.stop()
    if duration > END_TIME:
        report.slow_ends.append(round(duration, 2))
    return report


def main() -> int:
    """Run the soak, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--minutes', type=float, default=60.0)
    parser.add_argument('--seed', type=int, default=0, help='of the choice of subscribers')
    parser.add_argument('--stacks', type=Path, default=Path('stacks'), help='folder for output')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the report')
    parser.add_argument('--camera', action='store_true', help=argparse.SUPPRESS)
    parser.add_argument('--subscribe', choices=TOPICS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    # Shells start what runs in the background with SIGINT ignored, which subscribers inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if options.camera or options.subscribe:
        with suppress(KeyboardInterrupt):
            publish_images() if options.camera else subscribe(options.subscribe)
        return 0
    os.environ.update(ros_environment(os.environ.get('ROS_DOMAIN_ID', '97')))
    options.stacks.mkdir(parents=True, exist_ok=True)
    with ros_running([], ends_at_signal=False):
        report = run(options.minutes, options.seed, options.stacks)
    text = json.dumps({**vars(report), 'is_good': report.is_good}, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text)
    return 0 if report.is_good else 1


if __name__ == '__main__':
    sys.exit(main())

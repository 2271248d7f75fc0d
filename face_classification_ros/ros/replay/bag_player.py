"""Plays a recording to a node in the time of the recording, and loses no picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import subprocess
import time
from typing import Any

from builtin_interfaces.msg import Time
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import LabelInfo

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.bags import (
    CAMERA_INFO,
    COMPRESSED,
    NANOSECONDS,
    RAW,
    read_picture_message,
    RecordedMessage,
    RecordedPicture,
    Recording,
)
from face_classification_ros.ros.node.rate_limit import RateLimit
from face_classification_ros.ros.processes import START_LIMIT
from face_classification_ros.ros.replay.result import Outcome, RATE_LIMITED

ANSWER_LIMIT = 30.0
"""Seconds after which a node that has not answered a picture will not."""

CALL_LIMIT = 5.0
"""Seconds after which the response of a service must have got lost."""

CLOCK_PERIOD = 0.025
"""Seconds between two messages on /clock, as `ros2 bag play --clock` has it."""

_TYPES = {RAW: ImageMessage, COMPRESSED: CompressedImage, CAMERA_INFO: CameraInfo}

# Reliable, so that no picture is lost, and more than are ever under way.
_PLAYED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)
_LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@contextmanager
def joined(recording: Recording, node: str) -> Iterator[Player]:
    """Join ROS beside whatever else this process does there."""
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        player = Player(recording, node, context)
        try:
            yield player
        finally:
            player.close()
    finally:
        context.try_shutdown()


class Player:
    """Plays a recording to a node, and waits for the faces of each picture."""

    def __init__(self, recording: Recording, node: str, context: Context) -> None:
        self._recording = recording
        self._node_name = node
        self._node = Node(
            'face_classification_player',
            context=context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self._process: subprocess.Popen[str] | None = None
        self._arrived: deque[tuple[FaceAttributesArray, float]] = deque()
        self._is_ready = False
        self._max_rate = 0.0
        self._time = 0
        # In this order: the latched label info comes from a node that has found our subscription
        # to the faces, too, so none is missed from then on.
        self._node.create_subscription(FaceAttributesArray, f'{node}/faces', self._take, _PLAYED)
        self._node.create_subscription(
            LabelInfo, f'{node}/label_info', self._take_label_info, _LATCHED
        )
        self._clock = self._node.create_publisher(Clock, '/clock', _PLAYED)
        self._publishers = {
            topic: self._node.create_publisher(_TYPES[kind], self._played_topic(topic), _PLAYED)
            for topic, kind in recording.kinds.items()
        }
        self._pictures = self._publishers[recording.topic]
        self._parameters = AsyncParameterClient(self._node, node)

    def close(self) -> None:
        """Leave ROS."""
        self._executor.shutdown()
        self._node.destroy_node()

    @property
    def transport(self) -> str:
        """What the node's parameter `image_transport` must be."""
        kind = self._recording.kinds[self._recording.topic]
        return 'compressed' if kind == COMPRESSED else 'raw'

    @property
    def image_topic(self) -> str:
        """What the node's topic `image` must be remapped to."""
        topic = self._recording.topic
        return topic.removesuffix('/compressed') if self.transport == 'compressed' else topic

    def _played_topic(self, topic: str) -> str:
        if topic == self._recording.topic and self.transport == 'compressed':
            return f'{self.image_topic}/compressed'
        return topic

    def connect(self, process: subprocess.Popen[str] | None) -> None:
        """Wait for the node, which runs in `process` if that is ours, and look how it is set."""
        self._process = process
        self._wait(lambda: self._is_ready, START_LIMIT, f'{self._node_name} does not start')
        self._wait(
            self._pictures.get_subscription_count,
            START_LIMIT,
            f'{self._node_name} does not subscribe to {self._pictures.topic_name}',
        )
        wanted = {
            'use_sim_time': True,
            'image_reliability': 'reliable',
            'image_transport': self.transport,
        }
        found = self._ask([*wanted, 'max_processing_rate'])
        for name, value in wanted.items():
            if found[name] != value:
                raise ValueError(
                    f'the parameter {name} of {self._node_name} is {found[name]}, a replay needs '
                    f'{value}'
                )
        self._max_rate = found['max_processing_rate']

    def play(self, rate: float) -> Iterator[Outcome]:
        """Play the recording, `rate` times as fast as it was recorded if the node keeps up."""
        limit = RateLimit()
        number = 0
        start_time, first = time.monotonic(), None
        for message in self._recording.messages:
            if first is None:
                first = message.time
            due = start_time + (message.time - first) / NANOSECONDS / rate
            while (left := due - time.monotonic()) > 0:
                self._tick(message.time - round(left * rate * NANOSECONDS))
                self._spin(min(left, CLOCK_PERIOD))
            self._tick(message.time)
            if message.topic == self._recording.topic:
                yield self._show(number, message, limit)
                number += 1
            else:
                self._publishers[message.topic].publish(message.data)

    def _show(self, number: int, message: RecordedMessage, limit: RateLimit) -> Outcome:
        """Send a picture, and wait for its faces unless the node gives none."""
        if self._node.count_publishers('/clock') > 1:
            raise ValueError(
                'somebody else publishes /clock: end the other replay or simulation, or choose '
                'another ROS_DOMAIN_ID'
            )
        try:
            picture = read_picture_message(message)
        except ValueError as error:
            # DDS could not hand it to anybody.
            return Outcome(number, message.time, None, problem=str(error))
        self._arrived.clear()
        sent = time.monotonic()
        self._pictures.publish(message.data)
        if problem := complaint_about_picture(picture, limit, self._max_rate):
            return Outcome(number, message.time, None, problem=problem)
        stamp = time_of(picture.stamp)
        answer = self._wait(
            lambda: self._result_of(stamp),
            ANSWER_LIMIT,
            f'{self._node_name} does not answer picture {number}',
        )
        return Outcome(number, message.time, answer[0], answer[1] - sent)

    def _result_of(self, stamp: Time) -> tuple[FaceAttributesArray, float] | None:
        return next((each for each in self._arrived if each[0].header.stamp == stamp), None)

    def _take(self, message: FaceAttributesArray) -> None:
        self._arrived.append((message, time.monotonic()))

    def _take_label_info(self, _: LabelInfo) -> None:
        self._is_ready = True

    def _tick(self, now: int) -> None:
        """Set the time of all who listen, in nanoseconds; it never goes back."""
        self._time = max(self._time, now)
        self._clock.publish(Clock(clock=time_of(self._time)))

    def _ask(self, names: list[str]) -> dict[str, Any]:
        """Ask the node for parameters."""
        self._wait(
            self._parameters.services_are_ready,
            START_LIMIT,
            f'{self._node_name} has no parameter services',
        )
        limit = time.monotonic() + START_LIMIT
        while True:
            # The response is lost where the node gets the request before it knows of the reader
            # of the response, which happens on a busy machine.
            future = self._parameters.get_parameters(names)
            end = time.monotonic() + CALL_LIMIT
            while not future.done() and time.monotonic() < end:
                self._spin(CLOCK_PERIOD)
            if future.done():
                values = map(parameter_value_to_python, future.result().values)
                return dict(zip(names, values, strict=True))
            if time.monotonic() > limit:
                raise TimeoutError(f'{self._node_name} does not tell its parameters')

    def _wait(self, predicate: Callable[[], Any], limit: float, problem: str) -> Any:
        """Wait until the predicate gives something true, and give that."""
        end = time.monotonic() + limit
        while not (result := predicate()):
            if self._process is not None and (code := self._process.poll()) is not None:
                raise ChildProcessError(f'the node ended with exit code {code}')
            if time.monotonic() > end:
                raise TimeoutError(f'{problem} within {limit:.0f} s')
            self._spin(CLOCK_PERIOD)
        return result

    def _spin(self, limit: float) -> None:
        self._executor.spin_once(timeout_sec=limit)


def complaint_about_picture(picture: RecordedPicture, limit: RateLimit, rate: float) -> str:
    """Say why the node does not answer a picture, "" where it does."""
    stamp = picture.stamp / NANOSECONDS
    if limit.leaves_out(stamp, rate):
        return RATE_LIMITED
    if not picture.problem:
        limit.note(stamp)
    return picture.problem


def time_of(nanoseconds: int) -> Time:
    """Give nanoseconds as a stamp, exactly."""
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)

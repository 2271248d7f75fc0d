"""Play a recording to a node in the time of the recording, without losing images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
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
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import LabelInfo

from face_classification_ros.io.bag_messages import (
    CAMERA_INFO,
    COMPRESSED,
    MessageError,
    RAW,
    read_image_message,
    RecordedMessage,
)
from face_classification_ros.io.bags import Recording
from face_classification_ros.io.image_encodings import NANOSECONDS
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.qos import LATCHED
from face_classification_ros.ros.endpoints import is_node, missing_node_text, similar_nodes
from face_classification_ros.ros.node.inputs.rate_limit import RateLimit
from face_classification_ros.ros.processes import START_TIMEOUT
from face_classification_ros.ros.replay.outcome import FrameOutcome, FrameStatus
from face_classification_ros.ros.runtime import start_errors

RESULT_TIMEOUT = 30.0
"""Seconds to wait for the faces of an image."""

DISCOVERY_TIMEOUT = 5.0
"""Seconds to wait for a node that runs already."""

CALL_TIMEOUT = 5.0
"""Seconds to wait for the response of a service before the request is repeated."""

CLOCK_PERIOD = 0.025
"""Seconds between two messages on /clock, as in `ros2 bag play --clock`."""

_TYPES = {RAW: ImageMessage, COMPRESSED: CompressedImage, CAMERA_INFO: CameraInfo}

# Reliable, and deeper than the number of messages in transit, so that no message is lost.
_LOSSLESS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=10, reliability=ReliabilityPolicy.RELIABLE
)


class NodeMissingError(TimeoutError):
    """The node that a replay is to use does not run.

    Attributes:
        alternatives: full names of other nodes that offer the same services.
    """

    def __init__(self, node: str, alternatives: Sequence[str]) -> None:
        """Name the node and what it may be instead."""
        super().__init__(missing_node_text(node, alternatives))
        self.alternatives = tuple(alternatives)


class ParameterMismatchError(ValueError):
    """A running node has a parameter value with which a replay loses images.

    Attributes:
        parameter: its name.
    """

    def __init__(self, node: str, parameter: str, value: object, expected: object) -> None:
        """Combine the names and values in one line."""
        super().__init__(f'{node} has {parameter} {value}, a replay needs {expected}')
        self.parameter = parameter


class ClockConflictError(ValueError):
    """Another node publishes /clock, so the time would jump."""

    def __init__(self) -> None:
        """Set a message that has the remedy."""
        super().__init__(
            'another node publishes /clock: end the other replay or simulation, or set another '
            'ROS_DOMAIN_ID'
        )


class BagPlayer:
    """Publishes the messages of a recording, and waits for the faces of each image."""

    def __init__(self, recording: Recording, node: str, context: Context) -> None:
        """Create the publishers and subscriptions.

        Args:
            recording: to play.
            node: full name of the node to play to.
            context: of ROS.
        """
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
        self._results: deque[tuple[FaceAttributesArray, float]] = deque()
        self._is_ready = False
        self._max_rate = 0.0
        self._limit = RateLimit()
        self._time = 0
        # In this order: a node whose latched label info arrives has also found the subscription to
        # its faces, so that none is lost from then on.
        self._node.create_subscription(
            FaceAttributesArray, f'{node}/faces', self._receive_faces, _LOSSLESS
        )
        self._node.create_subscription(
            LabelInfo, f'{node}/label_info', self._receive_label_info, LATCHED
        )
        self._clock = self._node.create_publisher(Clock, '/clock', _LOSSLESS)
        self._publishers = {
            topic: self._node.create_publisher(
                _TYPES[msgtype], self._played_topic(topic), _LOSSLESS
            )
            for topic, msgtype in recording.types.items()
        }
        self._images = self._publishers[recording.topic]
        self._parameters = AsyncParameterClient(self._node, node)

    def close(self) -> None:
        """Destroy the node of the player."""
        self._executor.shutdown()
        self._node.destroy_node()

    @property
    def transport(self) -> str:
        """Value that the parameter `image_transport` of the node must have."""
        msgtype = self._recording.types[self._recording.topic]
        return 'compressed' if msgtype == COMPRESSED else 'raw'

    @property
    def image_topic(self) -> str:
        """Name to which the topic `image` of the node must be remapped."""
        topic = self._recording.topic
        return topic.removesuffix('/compressed') if self.transport == 'compressed' else topic

    def _played_topic(self, topic: str) -> str:
        if topic == self._recording.topic and self.transport == 'compressed':
            return f'{self.image_topic}/compressed'
        return topic

    def connect(self, process: subprocess.Popen[str] | None) -> None:
        """Wait until the node is ready, and check its parameters.

        Args:
            process: of the node, if this program started it.

        Raises:
            NodeMissingError: the node should run already and does not.
            TimeoutError: the node is not ready in time.
            ChildProcessError: the process ended.
            ParameterMismatchError: the node would lose images.
        """
        self._process = process
        if process is None:
            self._wait_for_running_node()
        self._wait(lambda: self._is_ready, START_TIMEOUT, f'{self._node_name} did not start')
        self._wait(
            self._images.get_subscription_count,
            START_TIMEOUT,
            f'{self._node_name} did not subscribe to {self._images.topic_name}',
        )
        required = {
            'use_sim_time': True,
            'image_reliability': 'reliable',
            'image_transport': self.transport,
        }
        values = self._get_parameters([*required, 'max_processing_rate'])
        for name, expected in required.items():
            if values[name] != expected:
                raise ParameterMismatchError(self._node_name, name, values[name], expected)
        self._max_rate = values['max_processing_rate']

    def _wait_for_running_node(self) -> None:
        end = time.monotonic() + DISCOVERY_TIMEOUT
        while not is_node(self._node, self._node_name):
            if time.monotonic() > end:
                raise NodeMissingError(self._node_name, similar_nodes(self._node))
            self._spin(CLOCK_PERIOD)

    def play(self, rate: float) -> Iterator[FrameOutcome]:
        """Play the recording, and yield what happens to each image.

        Args:
            rate: factor to the speed of the recording; a node that is slower determines the speed.

        Raises:
            TimeoutError: the faces of an image did not arrive in time.
            ChildProcessError: the process of the node ended.
            ClockConflictError: another node publishes /clock.
        """
        number = 0
        start, first = time.monotonic(), None
        for message in self._recording.messages:
            if first is None:
                first = message.time
            due = start + (message.time - first) / NANOSECONDS / rate
            while (remaining := due - time.monotonic()) > 0:
                self._publish_clock(message.time - round(remaining * rate * NANOSECONDS))
                self._spin(min(remaining, CLOCK_PERIOD))
            self._publish_clock(message.time)
            if message.topic == self._recording.topic:
                yield self._play_image(number, message)
                number += 1
            else:
                self._publishers[message.topic].publish(message.data)

    def _play_image(self, number: int, message: RecordedMessage) -> FrameOutcome:
        """Publish a valid image, and wait for its faces if the node processes it."""
        if self._node.count_publishers('/clock') > 1:
            raise ClockConflictError
        try:
            image = read_image_message(message)
        except MessageError as error:
            return FrameOutcome(number, message.time, FrameStatus.INVALID, error=str(error))
        if image.image is None:
            return FrameOutcome(number, message.time, FrameStatus.INVALID, error=str(image.error))
        self._results.clear()
        published = time.monotonic()
        self._images.publish(message.data)
        if not self._limit.admit(image.stamp, self._max_rate):
            return FrameOutcome(number, message.time, FrameStatus.RATE_LIMITED)
        stamp = Time(sec=image.header.stamp.sec, nanosec=image.header.stamp.nanosec)
        result, received = self._wait(
            lambda: self._result_of(stamp),
            RESULT_TIMEOUT,
            f'{self._node_name} did not publish the faces of image {number}',
        )
        latency = received - published
        return FrameOutcome(number, message.time, FrameStatus.PROCESSED, result, latency)

    def _result_of(self, stamp: Time) -> tuple[FaceAttributesArray, float] | None:
        return next((each for each in self._results if each[0].header.stamp == stamp), None)

    def _receive_faces(self, message: FaceAttributesArray) -> None:
        self._results.append((message, time.monotonic()))

    def _receive_label_info(self, _: LabelInfo) -> None:
        self._is_ready = True

    def _publish_clock(self, now: int) -> None:
        """Publish the time in nanoseconds; it never goes back."""
        self._time = max(self._time, now)
        seconds, nanoseconds = divmod(self._time, NANOSECONDS)
        self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def _get_parameters(self, names: list[str]) -> dict[str, Any]:
        """Return the values of parameters of the node."""
        self._wait(
            self._parameters.services_are_ready,
            START_TIMEOUT,
            f'{self._node_name} did not offer parameter services',
        )
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            # The response is lost if the node receives the request before it has discovered the
            # reader of the response, which happens on a busy machine.
            future = self._parameters.get_parameters(names)
            call_end = time.monotonic() + CALL_TIMEOUT
            while not future.done() and time.monotonic() < call_end:
                self._spin(CLOCK_PERIOD)
            if future.done():
                values = map(parameter_value_to_python, future.result().values)
                return dict(zip(names, values, strict=True))
        raise TimeoutError(f'{self._node_name} did not return its parameters')

    def _wait(self, predicate: Callable[[], Any], timeout: float, problem: str) -> Any:
        """Wait until the predicate returns a true value, and return it."""
        end = time.monotonic() + timeout
        while not (result := predicate()):
            if self._process is not None and (code := self._process.poll()) is not None:
                raise ChildProcessError(f'the node ended with exit code {code}')
            if time.monotonic() > end:
                raise TimeoutError(f'{problem} within {timeout:.0f} s')
            self._spin(CLOCK_PERIOD)
        return result

    def _spin(self, timeout: float) -> None:
        self._executor.spin_once(timeout_sec=timeout)


@contextmanager
def bag_player(recording: Recording, node: str) -> Iterator[BagPlayer]:
    """Create a player in a context of its own, next to other uses of ROS in this process.

    Args:
        recording: to play.
        node: full name of the node to play to.

    Raises:
        RosStartError: ROS cannot start in this environment.
    """
    context = Context()
    with start_errors():
        rclpy.init(args=[], context=context)
    try:
        player = BagPlayer(recording, node, context)
        try:
            yield player
        finally:
            player.close()
    finally:
        context.try_shutdown()

"""Recordings played through the node, or through its pipeline alone, and what comes out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, ExitStack
from dataclasses import dataclass, field
import math
import os
from pathlib import Path
import subprocess
import time
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from face_classification_ros.evaluation.results import (
    AttributeResult,
    FaceResult,
    PictureResult,
    record_of,
)
from face_classification_ros.face import Box
from face_classification_ros.files import record_writer, VIDEOS
from face_classification_ros.msg import AttributeEstimate, FaceAttributes, FaceAttributesArray
from face_classification_ros.ros.bags import (
    CAMERA_INFO,
    CAMERA_TOPIC,
    COMPRESSED,
    FACES,
    NANOSECONDS,
    open_recording,
    open_video_recording,
    RAW,
    read_picture_message,
    RecordedMessage,
    RecordedPicture,
    Recording,
    STORAGES,
    write_bag,
)
from face_classification_ros.ros.messages import faces_message
from face_classification_ros.ros.parameters import (
    make_parameters,
    Parameters,
    parse_assignments,
    read_parameter_file,
)
from face_classification_ros.ros.pipelines import make_pipeline
from face_classification_ros.ros.processes import ros_environment, start, START_LIMIT, stop
from face_classification_ros.ros.rate_limit import RateLimit
from face_classification_ros.tracking.tracker import Tracker

NODE = '/face_classification'
"""Name of the node that is started, and of the one without which there is none."""

REPLAY_DOMAIN = '87'
"""ROS domain of a replay unless the user sets another, so that it meets no robot by chance."""

ANSWER_LIMIT = 30.0
"""Seconds after which a node that has not answered a picture will not."""

CALL_LIMIT = 5.0
"""Seconds after which the response of a service must have got lost."""

CLOCK_PERIOD = 0.025
"""Seconds between two messages on /clock, as `ros2 bag play --clock` has it."""

LEFT_OUT = 'left out by max_rate'

SET_BY_REPLAY = ('autostart', 'image_reliability', 'image_transport')

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


@dataclass(frozen=True)
class ReplayOptions:
    """What is replayed, and how.

    Attributes:
        source: a rosbag2 folder, one of its files, or a video.
        topic: of the pictures; "" is the only one.
        depth: topic of depth pictures that is played, too; "" is none.
        camera_info: likewise, of the camera's calibration.
        parameters: of the node, as `name:=value`; they stand above the file.
        parameter_file: of the node.
        rate: how many times as fast as it was recorded; without a node it is as fast as it goes.
        node: full name of a running node; "" starts one.
        offline: through the pipeline in this process, without DDS.
    """

    source: Path
    topic: str = ''
    depth: str = ''
    camera_info: str = ''
    parameters: Sequence[str] = ()
    parameter_file: Path | None = None
    rate: float = 1.0
    node: str = ''
    offline: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of a picture of a recording.

    Attributes:
        number: counted from 0.
        recorded: when it was, in nanoseconds.
        message: its faces; None where it has none.
        latency: seconds from when it was sent to when the faces came; None without a node.
        complaint: why it has no faces, `LEFT_OUT` or what makes it unreadable.
    """

    number: int
    recorded: int
    message: FaceAttributesArray | None
    latency: float | None = None
    complaint: str = ''


@dataclass
class ReplayResult:
    """What a replay gave.

    Attributes:
        pictures: with their faces, in the order of the recording.
        left_out: how many pictures `max_rate` left out.
        unreadable: a line for each malformed picture.
    """

    pictures: list[PictureResult] = field(default_factory=list)
    left_out: int = 0
    unreadable: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take in what became of the next picture."""
        if outcome.message is not None:
            self.pictures.append(self._result(outcome.number, outcome.message, outcome.latency))
        elif outcome.complaint == LEFT_OUT:
            self.left_out += 1
        else:
            self.unreadable.append(f'picture {outcome.number}: {outcome.complaint}')

    def summary(self) -> str:
        """Say in a line or two what came."""
        faces = [face for picture in self.pictures for face in picture.faces]
        tracks = len({face.track_id for face in faces})
        text = (
            f'{len(self.pictures)} pictures answered, {self.left_out} left out by max_rate, '
            f'{len(self.unreadable)} unreadable; {len(faces)} faces, {tracks} tracks'
        )
        latencies = [each.latency for each in self.pictures if each.latency is not None]
        if latencies:
            median, high = (1000 * float(each) for each in np.percentile(latencies, [50, 95]))
            text += f'\nlatency {median:.1f} ms, 95th percentile {high:.1f} ms'
        return text

    def _result(
        self, number: int, message: FaceAttributesArray, latency: float | None
    ) -> PictureResult:
        stamp = message.header.stamp.sec + message.header.stamp.nanosec / NANOSECONDS
        return PictureResult(
            number=number,
            stamp=stamp,
            time=stamp - self.pictures[0].stamp if self.pictures else 0.0,
            width=message.image_width,
            height=message.image_height,
            faces=tuple(_face_result(face) for face in message.faces),
            latency=latency,
        )


def replay(options: ReplayOptions) -> Iterator[Outcome]:
    """Play a recording, and give what became of each picture as it comes.

    No picture is lost: the next one is sent when the one before is answered.

    Raises:
        ValueError: an option or a parameter cannot be, or the recording cannot be read
            (`UnreadableError`); the latter at its end, too, where it breaks off.
        OSError: a file cannot be read, the node does not start, ends, or does not answer.
        ImportError: what the chosen detector needs is missing.
    """
    if not (options.rate > 0 and math.isfinite(options.rate)):
        raise ValueError(f'rate {options.rate:g} is not above 0')
    assignments = parse_assignments(options.parameters)
    for name in SET_BY_REPLAY:
        if name in assignments:
            raise ValueError(f'the parameter {name} is set by the replay itself')
    values: dict[str, Any] = {}
    if options.parameter_file:
        values = read_parameter_file(options.parameter_file, NODE)
    # Also where a node takes them: what it would refuse is told at once.
    parameters = make_parameters({**values, **assignments})
    if options.offline:
        yield from _replay_offline(options, parameters)
    else:
        yield from _replay_online(options)


def _open(options: ReplayOptions) -> AbstractContextManager[Recording]:
    if options.source.suffix.lower() in VIDEOS:
        if options.depth or options.camera_info:
            raise ValueError(f'{options.source} is a video, it has no other topics')
        return open_video_recording(options.source, options.topic or CAMERA_TOPIC)
    others = {options.depth: RAW, options.camera_info: CAMERA_INFO}
    others.pop('', None)
    return open_recording(options.source, options.topic, others)


# Without a node


def _replay_offline(options: ReplayOptions, parameters: Parameters) -> Iterator[Outcome]:
    if options.depth or options.camera_info or options.node:
        raise ValueError('offline there is no node that a topic could be played to')
    pipeline = make_pipeline(parameters, Tracker(parameters.track_timeout))
    limit = RateLimit()
    with _open(options) as recording:
        for number, message in enumerate(recording.messages):
            try:
                picture = read_picture_message(message)
            except ValueError as error:
                yield Outcome(number, message.time, None, complaint=str(error))
                continue
            stamp = picture.stamp / NANOSECONDS
            complaint = _complaint(picture, limit, parameters.max_rate)
            if complaint or picture.image is None:
                yield Outcome(number, message.time, None, complaint=complaint)
                continue
            faces = pipeline.process(picture.image, stamp)
            height, width = picture.image.shape[:2]
            header = Header(stamp=_time(picture.stamp), frame_id=picture.frame_id)
            # The time that it took is left 0, as it differs from run to run.
            answer = faces_message(faces, header, width, height, 0.0)
            # As a subscriber gets it, with the precision of its types.
            answer = deserialize_message(serialize_message(answer), FaceAttributesArray)
            yield Outcome(number, message.time, answer)


def _complaint(picture: RecordedPicture, limit: RateLimit, rate: float) -> str:
    """Say why the node does not answer a picture, "" where it does."""
    stamp = picture.stamp / NANOSECONDS
    if limit.leaves_out(stamp, rate):
        return LEFT_OUT
    if not picture.complaint:
        limit.note(stamp)
    return picture.complaint


# Through the node


def _replay_online(options: ReplayOptions) -> Iterator[Outcome]:
    with ExitStack() as stack:
        recording = stack.enter_context(_open(options))
        stack.enter_context(_environment(ros_environment('' if options.node else REPLAY_DOMAIN)))
        player = stack.enter_context(_joined(recording, options.node or NODE))
        process = None
        if not options.node:
            process = start('face_classification_node', '--ros-args', *_arguments(options, player))
            stack.callback(stop, process, 'node')
        player.connect(process)
        yield from player.play(options.rate)


def _arguments(options: ReplayOptions, player: _Player) -> list[str]:
    arguments = ['--log-level', 'warn', '-r', f'image:={player.image_topic}']
    for name, topic in (('depth', options.depth), ('camera_info', options.camera_info)):
        if topic:
            arguments += ['-r', f'{name}:={topic}']
    if options.parameter_file:
        arguments += ['--params-file', str(options.parameter_file)]
    own = {
        'use_sim_time': 'true',
        'image_reliability': 'reliable',
        'image_transport': player.transport,
        'autostart': 'true',
    }
    for assignment in (*options.parameters, *(f'{name}:={value}' for name, value in own.items())):
        arguments += ['-p', assignment]
    return arguments


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for a block of code and the processes that it starts."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)


@contextmanager
def _joined(recording: Recording, node: str) -> Iterator[_Player]:
    """Join ROS beside whatever else this process does there."""
    context = Context()
    rclpy.init(args=[], context=context)
    try:
        player = _Player(recording, node, context)
        try:
            yield player
        finally:
            player.close()
    finally:
        context.try_shutdown()


class _Player:
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
        if self._node.count_publishers('/clock') > 1:
            raise ValueError(
                'somebody else publishes /clock: end the other replay or simulation, or choose '
                'another ROS_DOMAIN_ID'
            )
        wanted = {
            'use_sim_time': True,
            'image_reliability': 'reliable',
            'image_transport': self.transport,
        }
        found = self._ask([*wanted, 'max_rate'])
        for name, value in wanted.items():
            if found[name] != value:
                raise ValueError(
                    f'the parameter {name} of {self._node_name} is {found[name]}, a replay needs '
                    f'{value}'
                )
        self._max_rate = found['max_rate']

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
        try:
            picture = read_picture_message(message)
        except ValueError as error:
            # DDS could not hand it to anybody.
            return Outcome(number, message.time, None, complaint=str(error))
        self._arrived.clear()
        sent = time.monotonic()
        self._pictures.publish(message.data)
        if complaint := _complaint(picture, limit, self._max_rate):
            return Outcome(number, message.time, None, complaint=complaint)
        stamp = _time(picture.stamp)
        answer = self._wait(
            lambda: self._answer_to(stamp),
            ANSWER_LIMIT,
            f'{self._node_name} does not answer picture {number}',
        )
        return Outcome(number, message.time, answer[0], answer[1] - sent)

    def _answer_to(self, stamp: Time) -> tuple[FaceAttributesArray, float] | None:
        return next((each for each in self._arrived if each[0].header.stamp == stamp), None)

    def _take(self, message: FaceAttributesArray) -> None:
        self._arrived.append((message, time.monotonic()))

    def _take_label_info(self, _: LabelInfo) -> None:
        self._is_ready = True

    def _tick(self, now: int) -> None:
        """Set the time of all who listen, in nanoseconds; it never goes back."""
        self._time = max(self._time, now)
        self._clock.publish(Clock(clock=_time(self._time)))

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

    def _wait(self, predicate: Callable[[], Any], limit: float, complaint: str) -> Any:
        """Wait until the predicate gives something true, and give that."""
        end = time.monotonic() + limit
        while not (result := predicate()):
            if self._process is not None and (code := self._process.poll()) is not None:
                raise ChildProcessError(f'the node ended with exit code {code}')
            if time.monotonic() > end:
                raise TimeoutError(f'{complaint} within {limit:.0f} s')
            self._spin(CLOCK_PERIOD)
        return result

    def _spin(self, limit: float) -> None:
        self._executor.spin_once(timeout_sec=limit)


def _time(nanoseconds: int) -> Time:
    return Time(sec=nanoseconds // NANOSECONDS, nanosec=nanoseconds % NANOSECONDS)


# Plain objects


def _face_result(face: FaceAttributes) -> FaceResult:
    roi, position = face.roi, face.position
    return FaceResult(
        track_id=face.track_id,
        box=Box(roi.x_offset, roi.y_offset, roi.width, roi.height),
        confidence=face.detection_confidence,
        landmarks=tuple((point.x, point.y) for point in face.landmarks),
        gender=_attribute_result(face.gender),
        emotion=_attribute_result(face.emotion),
        position=(position.x, position.y, position.z) if face.has_position else None,
    )


def _attribute_result(estimate: AttributeEstimate) -> AttributeResult | None:
    if not estimate.labels:
        return None
    probabilities = dict(zip(estimate.labels, map(float, estimate.probabilities), strict=True))
    return AttributeResult(
        estimate.label, estimate.confidence, probabilities, estimate.observations
    )


# Records

Keep = Callable[[Outcome, PictureResult], None]


@contextmanager
def recorder(path: Path) -> Iterator[Keep]:
    """Write faces down as they come.

    Args:
        path: a file that ends in .json; anything else is the folder of a rosbag2 recording,
            MCAP, with the faces on /face_classification/faces and as `faces.json` beside it.

    Yields:
        what keeps the faces of a picture.

    Raises:
        OSError: the folder is there already, or it cannot be written.
    """
    with ExitStack() as stack:
        write: Callable[[int, bytes], None] | None = None
        if path.suffix != '.json':
            write = stack.enter_context(write_bag(path, f'{NODE}/faces', FACES, STORAGES[0]))
            path = path / 'faces.json'
        write_record = stack.enter_context(record_writer(path))

        def keep(outcome: Outcome, picture: PictureResult) -> None:
            if write is not None:
                write(outcome.recorded, serialize_message(outcome.message))
            write_record(record_of(picture))

        yield keep


def collect(options: ReplayOptions, *records: Path) -> ReplayResult:
    """Replay a recording to its end.

    Args:
        options: what and how; the errors are those of `replay`.
        records: where the faces are written, see `recorder`; whole also where an error ends it.
    """
    result = ReplayResult()
    with ExitStack() as stack:
        keepers = [stack.enter_context(recorder(path)) for path in records]
        # Closed here, so that the node ends with what ends this.
        for outcome in stack.enter_context(closing(replay(options))):
            result.add(outcome)
            if outcome.message is not None:
                for keep in keepers:
                    keep(outcome, result.pictures[-1])
    return result

"""Recordings played through the node, or through its pipeline alone, and what comes out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, ExitStack
from dataclasses import dataclass
import math
import os
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from face_classification_ros.io.files import VIDEOS
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.bags import (
    CAMERA_INFO,
    CAMERA_TOPIC,
    NANOSECONDS,
    open_recording,
    open_video_recording,
    RAW,
    read_picture_message,
    Recording,
)
from face_classification_ros.ros.conversions.messages import faces_message
from face_classification_ros.ros.node.parameters import (
    make_parameters,
    Parameters,
    parse_assignments,
    read_parameter_file,
)
from face_classification_ros.ros.node.pipelines import make_pipeline
from face_classification_ros.ros.node.rate_limit import RateLimit
from face_classification_ros.ros.processes import ros_environment, start, stop
from face_classification_ros.ros.replay.bag_player import (
    complaint_about_picture,
    joined,
    Player,
    time_of,
)
from face_classification_ros.ros.replay.result import Outcome, recorder, ReplayResult
from face_classification_ros.tracking.tracker import Tracker

NODE = '/face_classification'
"""Name of the node that is started, and of the one without which there is none."""

REPLAY_DOMAIN = '87'
"""ROS domain of a replay unless the user sets another, so that it meets no robot by chance."""

SET_BY_REPLAY = ('autostart', 'image_reliability', 'image_transport')


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


def replay(options: ReplayOptions) -> Generator[Outcome, None, None]:
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


def _replay_offline(
    options: ReplayOptions, parameters: Parameters
) -> Generator[Outcome, None, None]:
    if options.depth or options.camera_info or options.node:
        raise ValueError('offline there is no node that a topic could be played to')
    pipeline = make_pipeline(parameters, Tracker(parameters.track_timeout))
    limit = RateLimit()
    with _open(options) as recording:
        for number, message in enumerate(recording.messages):
            try:
                picture = read_picture_message(message)
            except ValueError as error:
                yield Outcome(number, message.time, None, problem=str(error))
                continue
            stamp = picture.stamp / NANOSECONDS
            problem = complaint_about_picture(picture, limit, parameters.max_processing_rate)
            if problem or picture.image is None:
                yield Outcome(number, message.time, None, problem=problem)
                continue
            faces = pipeline.process(picture.image, stamp)
            height, width = picture.image.shape[:2]
            header = Header(stamp=time_of(picture.stamp), frame_id=picture.frame_id)
            # The time that it took is left 0, as it differs from run to run.
            answer = faces_message(faces, header, width, height, 0.0)
            # As a subscriber gets it, with the precision of its types.
            answer = deserialize_message(serialize_message(answer), FaceAttributesArray)
            yield Outcome(number, message.time, answer)


# Through the node


def _replay_online(options: ReplayOptions) -> Generator[Outcome, None, None]:
    with ExitStack() as stack:
        recording = stack.enter_context(_open(options))
        stack.enter_context(_environment(ros_environment('' if options.node else REPLAY_DOMAIN)))
        player = stack.enter_context(joined(recording, options.node or NODE))
        process = None
        if not options.node:
            process = start('face_classification_node', '--ros-args', *_arguments(options, player))
            stack.callback(stop, process, 'node')
        player.connect(process)
        yield from player.play(options.rate)


def _arguments(options: ReplayOptions, player: Player) -> list[str]:
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
        **({'use_depth': 'true'} if options.depth else {}),
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

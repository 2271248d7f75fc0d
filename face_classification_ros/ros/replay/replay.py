"""Replay a recording through the node, or offline through its pipeline."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, ExitStack
from dataclasses import dataclass
import math
import os
from pathlib import Path
from typing import Any

from face_classification_ros.classification.classifier import load_classifiers
from face_classification_ros.config import SettingError
from face_classification_ros.io.bag_messages import CAMERA_INFO, RAW
from face_classification_ros.io.bags import (
    CAMERA_TOPIC,
    open_recording,
    open_video_recording,
    Recording,
)
from face_classification_ros.io.sources import VIDEO_SUFFIXES
from face_classification_ros.progress import progress
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.ros.node.parameters.sources import (
    parse_assignments,
    read_parameter_file,
)
from face_classification_ros.ros.processes import ros_environment, start, stop
from face_classification_ros.ros.replay.bag_player import bag_player, BagPlayer
from face_classification_ros.ros.replay.expectation import Expectation
from face_classification_ros.ros.replay.offline import OfflineReplay
from face_classification_ros.ros.replay.outcome import FrameOutcome
from face_classification_ros.ros.replay.result import recorder, ReplayResult

NODE = '/face_classification'
"""Name of the node that a replay starts, and whose section of a parameter file applies."""

REPLAY_DOMAIN = '87'
"""ROS domain of a replay unless the user sets one, so that no robot is in it."""

RESERVED_PARAMETERS = ('autostart', 'image_reliability', 'image_transport')
"""Parameters that the replay itself sets."""


class ReplayOptionError(ValueError):
    """An option of a replay is invalid.

    Attributes:
        option: its name in `ReplayOptions`.
    """

    def __init__(self, option: str, problem: str) -> None:
        """Name the option and the problem."""
        super().__init__(f'{option}: {problem}')
        self.option = option


@dataclass(frozen=True)
class ReplayOptions:
    """The options of a replay.

    Attributes:
        source: a rosbag2 folder, one of its files, or a video.
        topic: of the images; "" if there is only one such topic.
        depth: topic of the depth images; "" for none.
        camera_info: topic of the calibration of the camera; "" for none.
        parameters: of the node, as `name:=value`; they take precedence over the file.
        parameter_file: of the node.
        rate: factor to the speed of the recording; ignored offline.
        node: full name of a running node; "" starts one.
        offline: whether to use the pipeline in this process, without DDS.
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


def replay(options: ReplayOptions, *records: Path) -> ReplayResult:
    """Replay a recording to its end.

    Args:
        options: what to replay and how.
        records: where to write the faces, see `recorder`; they are complete up to an error.

    Raises:
        ReplayOptionError, SettingError: an option or a parameter is invalid.
        UnreadableError: the recording cannot be read, or not to its end.
        OSError: a file cannot be read or written, or the node does not start, ends early, or does
            not publish faces in time.
        ImportError: the chosen detector needs a package that is not installed.
        ValueError: see `BagPlayer` and `create_pipeline`.
    """
    result = ReplayResult(str(options.source))
    with ExitStack() as stack:
        writers = [stack.enter_context(recorder(path)) for path in records]
        # An exception here also ends the node, since the generator is closed.
        frames = stack.enter_context(closing(replay_frames(options)))
        for outcome in progress(frames, 'image', task='replay'):
            result.add(outcome)
            if outcome.message is not None:
                for write in writers:
                    write(outcome, result.frames[-1])
    return result


def replay_frames(options: ReplayOptions) -> Generator[FrameOutcome, None, None]:
    """Replay a recording, and yield what happens to each image.

    No image is lost: the next one is published after the faces of the previous one.

    Raises:
        see `replay`.
    """
    if not (options.rate > 0 and math.isfinite(options.rate)):
        raise ReplayOptionError('rate', f'{options.rate:g} is not greater than 0')
    if options.offline and options.node:
        raise ReplayOptionError('node', 'an offline replay does not use a node')
    # Also if a node receives them: an invalid value is reported before anything starts.
    config = _node_config(options)
    with _open(options) as recording:
        if options.offline:
            yield from OfflineReplay(config).play(recording)
        else:
            yield from _replay_online(options, recording)


def check_expectation(expectation: Expectation, options: ReplayOptions, path: Path | None) -> None:
    """Check, before anything starts, that the models of a replay estimate what is expected.

    The models of a running node are not known here, so they are not checked.

    Args:
        expectation: of labels of attributes, among others.
        options: of the replay.
        path: file of the expectation, for the error.

    Raises:
        SettingError: a parameter is invalid.
        FileNotFoundError, ValueError: see `load_classifiers` and `Expectation.check_attributes`.
    """
    if not expectation.labels or options.node:
        return
    config = _node_config(options)
    expectation.check_attributes(load_classifiers(config.models, config.attributes), path)


def _node_config(options: ReplayOptions) -> NodeConfig:
    assignments = parse_assignments(options.parameters)
    for name in RESERVED_PARAMETERS:
        if name in assignments:
            raise SettingError(name, 'is set by the replay itself')
    values: dict[str, Any] = {}
    if options.parameter_file:
        values = read_parameter_file(options.parameter_file, NODE)
    if options.depth:
        assignments['use_depth'] = True
    return NodeConfig().changed({**values, **assignments})


def _open(options: ReplayOptions) -> AbstractContextManager[Recording]:
    if options.source.suffix.lower() in VIDEO_SUFFIXES:
        for option in ('depth', 'camera_info'):
            if getattr(options, option):
                raise ReplayOptionError(option, f'{options.source} is a video without topics')
        return open_video_recording(options.source, options.topic or CAMERA_TOPIC)
    others = {options.depth: RAW, options.camera_info: CAMERA_INFO}
    others.pop('', None)
    return open_recording(options.source, options.topic, others)


def _replay_online(
    options: ReplayOptions, recording: Recording
) -> Generator[FrameOutcome, None, None]:
    with ExitStack() as stack:
        domain = '' if options.node else REPLAY_DOMAIN
        stack.enter_context(_environment(ros_environment(domain)))
        player = stack.enter_context(bag_player(recording, options.node or NODE))
        process = None
        if not options.node:
            arguments = _node_arguments(options, player)
            process = start('face_classification_node', '--ros-args', *arguments)
            stack.callback(stop, process, 'node')
        player.connect(process)
        yield from player.play(options.rate)


def _node_arguments(options: ReplayOptions, player: BagPlayer) -> list[str]:
    arguments = ['--log-level', 'warn', '-r', f'image:={player.image_topic}']
    for name, topic in (('depth', options.depth), ('camera_info', options.camera_info)):
        if topic:
            arguments += ['-r', f'{name}:={topic}']
    if options.parameter_file:
        arguments += ['--params-file', str(options.parameter_file)]
    required = {
        'use_sim_time': 'true',
        'image_reliability': 'reliable',
        'image_transport': player.transport,
        'autostart': 'true',
        **({'use_depth': 'true'} if options.depth else {}),
    }
    assignments = [*options.parameters, *(f'{name}:={each}' for name, each in required.items())]
    for assignment in assignments:
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

"""rosbag2 recordings, SQLite and MCAP, read and written without a running ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from face_classification_ros.inference.model_zoo import PACKAGE, share_folder
from face_classification_ros.io.files import (
    DEFAULT_FPS,
    Frame,
    Frames,
    MAX_FPS,
    naming_file,
    read_video,
    UnreadableError,
)
from face_classification_ros.ros.conversions.images import (
    image_from_compressed,
    image_from_message,
)
from face_classification_ros.types import Image

RAW, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
"""The types of messages that have a picture."""

CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
FACES = f'{PACKAGE}/msg/FaceAttributesArray'
STORAGES = ('mcap', 'sqlite3')
NANOSECONDS = 1_000_000_000

CAMERA_TOPIC = '/camera/image_raw'
FRAME_ID = 'camera_optical_frame'
"""Of samples and videos."""

SAMPLE_START = 1_700_000_000 * NANOSECONDS
SAMPLE_DELAY = 5_000_000
"""Nanoseconds."""

VIDEO_START = 1.0
"""Stamp in seconds of a video's first frame: in ROS, 0 stands for no time."""

_CONVERSIONS = {COMPRESSED: image_from_compressed, RAW: image_from_message}

# The messages of pictures are the same in all distributions of ROS 2; old bags do not define them.
_TYPES = get_typestore(Stores.ROS2_JAZZY)


class RecordedMessage(NamedTuple):
    """A message of a recording.

    Attributes:
        topic: its name.
        kind: its type, such as `RAW`.
        time: when it was recorded, in nanoseconds.
        data: serialized, CDR.
    """

    topic: str
    kind: str
    time: int
    data: bytes


@dataclass(frozen=True)
class Recording:
    """Some topics of a recording, that of the pictures first of all.

    Attributes:
        topic: of the pictures.
        kinds: topic -> type of all topics that are read.
        fps: pictures per second, the mean.
        messages: in the order in which they were recorded, read as they are asked for; an
            `UnreadableError` where the recording breaks off.
    """

    topic: str
    kinds: Mapping[str, str]
    fps: float
    messages: Iterator[RecordedMessage]


@dataclass(frozen=True)
class RecordedPicture:
    """A picture message, taken apart.

    Attributes:
        stamp: of its header, in nanoseconds.
        frame_id: of its header.
        image: uint8 H x W x 3 in BGR; None where it is malformed.
        problem: why it is malformed, "" where it is not.
    """

    stamp: int
    frame_id: str
    image: Image | None
    problem: str


def read_picture_message(message: RecordedMessage) -> RecordedPicture:
    """Take a message of type `RAW` or `COMPRESSED` apart.

    Raises:
        ValueError: it has no readable header either.
    """
    # The library tells of broken bytes with several kinds of exceptions.
    try:
        content: Any = _TYPES.deserialize_cdr(message.data, message.kind)
    except Exception as error:
        raise ValueError(_reason(error)) from error
    header = content.header
    stamp = header.stamp.sec * NANOSECONDS + header.stamp.nanosec
    try:
        image, problem = _CONVERSIONS[message.kind](content), ''
    except ValueError as error:
        image, problem = None, str(error)
    return RecordedPicture(stamp, header.frame_id, image, problem)


@contextmanager
def open_recording(
    path: Path, topic: str = '', others: Mapping[str, str] | None = None
) -> Iterator[Recording]:
    """Open a rosbag2 recording.

    Args:
        path: its folder, or one of its files, .db3 or .mcap.
        topic: of type `RAW` or `COMPRESSED`; "" is the only one.
        others: topics that are read, too, with the type that each must have.

    Yields:
        the recording.

    Raises:
        UnreadableError: it cannot be read, has no such topic, or several to choose from; while
            its messages are read: it breaks off.
    """
    others = others or {}
    # The library tells of broken bytes with many kinds of exceptions, of SQLite, zstd and struct,
    # too; whatever it is, this file cannot be read.
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:
        raise UnreadableError(path, f'is not a readable bag: {_reason(error)}') from error
    try:
        pictures = _choose(path, reader.connections, topic, others)
        connections = pictures + _find_others(path, reader.connections, others)
        yield Recording(
            pictures[0].topic,
            {each.topic: each.msgtype for each in connections},
            _rate(reader, pictures),
            _messages(path, reader, connections),
        )
    finally:
        reader.close()


@contextmanager
def open_video_recording(path: Path, topic: str) -> Iterator[Recording]:
    """Open a video as if its frames had been recorded on a topic, with stamps from `VIDEO_START`.

    Raises:
        UnreadableError: it is no video, or breaks off; while its messages are read.
    """
    with read_video(path) as frames:
        messages = (
            RecordedMessage(
                topic,
                RAW,
                stamp,
                picture_message(each.image, stamp, compressed=False, frame_id=FRAME_ID),
            )
            for each in frames.frames
            for stamp in [round((VIDEO_START + each.stamp) * NANOSECONDS)]
        )
        yield Recording(topic, {topic: RAW}, frames.fps, messages)


@contextmanager
def open_bag(path: Path, topic: str = '') -> Iterator[Frames]:
    """Open the pictures of a rosbag2 recording.

    Args:
        path: its folder, or one of its files, .db3 or .mcap.
        topic: see `open_recording`, as are the errors.

    Yields:
        Its pictures with the stamps of their headers, in the order in which they were recorded. A
        picture that is malformed is left out, its number too; that some were is told at the end.

    Raises:
        UnreadableError: also where some are malformed, at the end of the frames.
    """
    with open_recording(path, topic) as recording:
        yield Frames(recording.fps, _frames(path, recording.messages))


def _choose(
    path: Path, connections: list[Connection], topic: str, others: Mapping[str, str]
) -> list[Connection]:
    """Give the connections of the topic to read."""
    pictures = sorted(
        {each.topic for each in connections if each.msgtype in _CONVERSIONS} - others.keys()
    )
    if not pictures:
        raise UnreadableError(path, 'has no topic of sensor_msgs/msg/Image or CompressedImage')
    if topic and topic not in pictures:
        raise UnreadableError(
            path, f'has no pictures on the topic {topic}, only on {", ".join(pictures)}'
        )
    if not topic and len(pictures) > 1:
        raise UnreadableError(
            path, f'has several topics with pictures, choose by --topic: {", ".join(pictures)}'
        )
    return [
        each
        for each in connections
        if each.topic == (topic or pictures[0]) and each.msgtype in _CONVERSIONS
    ]


def _find_others(
    path: Path, connections: list[Connection], others: Mapping[str, str]
) -> list[Connection]:
    found = [each for each in connections if others.get(each.topic) == each.msgtype]
    for topic, kind in others.items():
        if topic not in {each.topic for each in found}:
            there = sorted({each.topic for each in connections if each.msgtype == kind})
            raise UnreadableError(
                path, f'has no {kind} on the topic {topic}, only on {", ".join(there) or "none"}'
            )
    return found


def _rate(reader: Reader, connections: list[Connection]) -> float:
    """Give pictures per second, in steps that an MP4 video takes."""
    count = sum(each.msgcount for each in connections)
    # The duration is what a broken bag says it is.
    if count < 2 or reader.duration <= 0:
        return DEFAULT_FPS
    rate = max(1.0, round((count - 1) / (reader.duration * 1e-9), 1))
    return rate if rate <= MAX_FPS else DEFAULT_FPS


def _messages(
    path: Path, reader: Reader, connections: list[Connection]
) -> Iterator[RecordedMessage]:
    messages = reader.messages(connections)
    number = 0
    while True:
        try:
            connection, time, data = next(messages)
        except StopIteration:
            return
        except Exception as error:
            raise UnreadableError(
                path, f'breaks off after {number} messages: {_reason(error)}'
            ) from error
        yield RecordedMessage(connection.topic, connection.msgtype, time, data)
        number += 1


def _frames(path: Path, messages: Iterable[RecordedMessage]) -> Iterator[Frame]:
    number, unreadable, first = -1, 0, ''
    for number, message in enumerate(messages):
        try:
            picture = read_picture_message(message)
        except ValueError as error:
            problem = str(error)
        else:
            problem = picture.problem
            if picture.image is not None:
                yield Frame(number, picture.stamp / NANOSECONDS, picture.image)
        if problem:
            unreadable += 1
            first = first or f'picture {number}: {problem}'
    if unreadable:
        raise UnreadableError(
            path, f'has {unreadable} unreadable of {number + 1} pictures; {first}'
        )


def _reason(error: Exception) -> str:
    """Give the text of any exception in one line."""
    return ' '.join(str(error).split()) or type(error).__name__


def picture_message(image: Image, stamp: int, *, compressed: bool, frame_id: str) -> bytes:
    """Make a serialized message of a picture.

    Args:
        image: uint8 H x W x 3 in BGR.
        stamp: of its header, in nanoseconds.
        compressed: as a JPEG in a message of type `COMPRESSED`, or as it is, bgr8, in a `RAW` one.
        frame_id: of its header.
    """
    types = _TYPES.types
    time = types['builtin_interfaces/msg/Time'](
        sec=stamp // NANOSECONDS, nanosec=stamp % NANOSECONDS
    )
    header = types['std_msgs/msg/Header'](stamp=time, frame_id=frame_id)
    if compressed:
        _, encoded = cv2.imencode('.jpg', image)
        message = types[COMPRESSED](
            header=header, format='bgr8; jpeg compressed bgr8', data=encoded.ravel()
        )
        return bytes(_TYPES.serialize_cdr(message, COMPRESSED))
    height, width = image.shape[:2]
    message = types[RAW](
        header=header,
        height=height,
        width=width,
        encoding='bgr8',
        is_bigendian=0,
        step=3 * width,
        data=np.ascontiguousarray(image).ravel(),
    )
    return bytes(_TYPES.serialize_cdr(message, RAW))


@contextmanager
def write_bag(
    path: Path, topic: str, kind: str, storage: str
) -> Iterator[Callable[[int, bytes], None]]:
    """Write a rosbag2 recording with one topic, which `ros2 bag` of Jazzy and later plays.

    Args:
        path: the folder that is made.
        topic: its name.
        kind: `RAW`, `COMPRESSED` or `FACES`.
        storage: one of `STORAGES`.

    Yields:
        what writes a message, given the time in nanoseconds at which it is recorded and its CDR.

    Raises:
        OSError: the folder is there already, or cannot be written.
    """
    types = get_typestore(Stores.ROS2_JAZZY)
    for name in ('AttributeEstimate', 'FaceAttributes', 'FaceAttributesArray'):
        definition = (share_folder() / 'msg' / f'{name}.msg').read_text()
        types.register(get_types_from_msg(definition, f'{PACKAGE}/msg/{name}'))
    try:
        writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
        writer.open()
    except WriterError as error:
        raise OSError(str(error)) from error
    with naming_file(path):
        try:
            connection = writer.add_connection(topic, kind, typestore=types)

            def write(time: int, data: bytes) -> None:
                # ROS leaves chance in the gaps between values; equal messages shall have equal
                # bytes.
                message = types.deserialize_cdr(data, kind)
                writer.write(connection, time, types.serialize_cdr(message, kind))

            yield write
        finally:
            writer.close()


def write_sample(
    path: Path, frames: Iterable[Image], fps: float, storage: str, *, compressed: bool
) -> str:
    """Record pictures as a camera would send them.

    Args:
        path: the folder that is made.
        frames: uint8 H x W x 3 in BGR.
        fps: how many of them come in a second.
        storage: one of `STORAGES`.
        compressed: as JPEG, of type `COMPRESSED`.

    Returns:
        the topic that they are on.

    Raises:
        OSError: the folder is there already, or cannot be written.
    """
    topic = f'{CAMERA_TOPIC}/compressed' if compressed else CAMERA_TOPIC
    with write_bag(path, topic, COMPRESSED if compressed else RAW, storage) as write:
        for number, frame in enumerate(frames):
            stamp = SAMPLE_START + round(number / fps * NANOSECONDS)
            # A camera's message is recorded a little later than its picture is taken.
            write(
                stamp + SAMPLE_DELAY,
                picture_message(frame, stamp, compressed=compressed, frame_id=FRAME_ID),
            )
    return topic

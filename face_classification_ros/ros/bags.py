"""Pictures from rosbag2 recordings, SQLite and MCAP, without a running ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.face import Image
from face_classification_ros.files import DEFAULT_FPS, Frame, Frames, MAX_FPS, UnreadableError
from face_classification_ros.ros.images import image_from_compressed, image_from_message

_CONVERSIONS = {
    'sensor_msgs/msg/CompressedImage': image_from_compressed,
    'sensor_msgs/msg/Image': image_from_message,
}

# The two messages are the same in all distributions of ROS 2; old bags do not define them.
_TYPES = get_typestore(Stores.ROS2_JAZZY)


@contextmanager
def open_bag(path: Path, topic: str = '') -> Iterator[Frames]:
    """Open a rosbag2 recording.

    Args:
        path: its folder, or one of its files, .db3 or .mcap.
        topic: of type sensor_msgs/msg/Image or CompressedImage; "" is the only one.

    Yields:
        Its pictures with the stamps of their headers, in the order in which they were recorded. A
        picture that is malformed is left out, its number too; that some were is told at the end.

    Raises:
        UnreadableError: it cannot be read, has no such topic, or several to choose from; while
            its frames are read: some are malformed, or it breaks off.
    """
    # The library tells of broken bytes with many kinds of exceptions, of SQLite, zstd and struct,
    # too; whatever it is, this file cannot be read.
    try:
        reader = Reader(path)
        reader.open()
    except Exception as error:
        raise UnreadableError(path, f'is not a readable bag: {_reason(error)}') from error
    try:
        connections = _choose(path, reader.connections, topic)
        yield Frames(_rate(reader, connections), _frames(path, reader, connections))
    finally:
        reader.close()


def _choose(path: Path, connections: list[Connection], topic: str) -> list[Connection]:
    """Give the connections of the topic to read."""
    pictures = sorted({each.topic for each in connections if each.msgtype in _CONVERSIONS})
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


def _rate(reader: Reader, connections: list[Connection]) -> float:
    """Give pictures per second, in steps that an MP4 video takes."""
    count = sum(each.msgcount for each in connections)
    # The duration is what a broken bag says it is.
    if count < 2 or reader.duration <= 0:
        return DEFAULT_FPS
    rate = max(1.0, round((count - 1) / (reader.duration * 1e-9), 1))
    return rate if rate <= MAX_FPS else DEFAULT_FPS


def _frames(path: Path, reader: Reader, connections: list[Connection]) -> Iterator[Frame]:
    number = malformed = 0
    first = ''
    messages = reader.messages(connections)
    while True:
        try:
            connection, _, data = next(messages)
        except StopIteration:
            break
        except Exception as error:
            raise UnreadableError(
                path, f'breaks off after {number} pictures: {_reason(error)}'
            ) from error
        try:
            stamp, image = _picture(data, connection.msgtype)
        except Exception as error:
            malformed += 1
            first = first or f'picture {number}: {_reason(error)}'
        else:
            yield Frame(number, stamp, image)
        number += 1
    if malformed:
        raise UnreadableError(path, f'has {malformed} unreadable of {number} pictures; {first}')


def _picture(data: bytes, kind: str) -> tuple[float, Image]:
    """Give the stamp of a serialised message, in seconds, and its picture."""
    message: Any = _TYPES.deserialize_cdr(data, kind)
    stamp = message.header.stamp
    return stamp.sec + 1e-9 * stamp.nanosec, _CONVERSIONS[kind](message)


def _reason(error: Exception) -> str:
    """Give the text of any exception in one line."""
    return ' '.join(str(error).split()) or type(error).__name__

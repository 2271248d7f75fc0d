"""Read rosbag2 recordings, SQLite and MCAP, without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from face_classification_ros.io.bag_messages import (
    CAMERA_INFO,
    COMPRESSED,
    MessageError,
    one_line,
    RAW,
    read_image_message,
    RecordedMessage,
    serialize_image,
)
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.file_names import portable_name
from face_classification_ros.io.image_encodings import NANOSECONDS
from face_classification_ros.io.sources import METADATA
from face_classification_ros.io.videos import DEFAULT_FPS, Frame, Frames, MAX_FPS, read_video

CAMERA_TOPIC = '/camera/image_raw'
FRAME_ID = 'camera_optical_frame'
"""Topic and frame of samples and videos."""

VIDEO_START = 1.0
"""Stamp in seconds of the first frame of a video, since 0 means an unset time in ROS."""


class TopicError(UnreadableError):
    """A recording does not have the topic to read, or several to choose from.

    Attributes:
        available: the topics of the right type.
    """

    def __init__(self, path: Path, problem: str, available: Sequence[str]) -> None:
        """Describe the problem; the available topics, if any, follow it."""
        text = f'{problem}: {", ".join(available)}' if available else problem
        super().__init__(path, text, 'topic')
        self.available = tuple(available)


class IncompleteError(UnreadableError):
    """A recording has fewer messages of a topic than it should.

    Attributes:
        topic: its name.
        found: number of its messages that can be read.
        expected: number of its messages according to the recording, at least 1.
    """

    def __init__(self, path: Path, topic: str, found: int, expected: int) -> None:
        """Compare the numbers."""
        super().__init__(
            path, f'contains only {found} of at least {expected} messages of {topic}', 'incomplete'
        )
        self.topic = topic
        self.found = found
        self.expected = expected


@dataclass(frozen=True)
class Recording:
    """Some topics of a recording.

    Attributes:
        topic: topic of the images.
        types: topic -> type of its messages, for all topics that are read.
        fps: mean number of images per second.
        messages: in the order in which they were recorded, read one by one; raises an
            `UnreadableError` where the recording is truncated, and at the end if it has fewer
            messages than it should.
    """

    topic: str
    types: Mapping[str, str]
    fps: float
    messages: Iterator[RecordedMessage]


@contextmanager
def open_recording(
    path: Path, topic: str = '', others: Mapping[str, str] | None = None
) -> Iterator[Recording]:
    """Open a rosbag2 recording.

    Args:
        path: its folder, or one of its files, .db3 or .mcap.
        topic: topic of the images; "" if there is only one such topic.
        others: other topics to read -> expected type of their messages.

    Yields:
        The recording.

    Raises:
        TopicError: one of the topics is missing, or the topic of the images is ambiguous.
        UnreadableError: the recording cannot be read; while its messages are read: it is
            truncated.
        IncompleteError: at the end of the messages: a topic has fewer than the recording states,
            or none of the images can be read.
    """
    others = others or {}
    if path.is_dir() and not (path / METADATA).is_file():
        raise UnreadableError(path, f'is not a readable bag: it has no {METADATA}')
    # Invalid files raise many kinds of exceptions in the library, also those of SQLite, zstd and
    # struct; whichever it is, this file cannot be read.
    try:
        with portable_name(path) as name:
            reader = Reader(name)
            reader.open()
    except Exception as error:
        reason = one_line(error).replace(name, str(path))
        raise UnreadableError(path, f'is not a readable bag: {reason}') from error
    try:
        images = _image_connections(path, reader.connections, topic, others)
        connections = images + _other_connections(path, reader.connections, others)
        yield Recording(
            images[0].topic,
            {each.topic: each.msgtype for each in connections},
            _rate(reader, images),
            _messages(path, reader, connections, images[0].topic),
        )
    finally:
        reader.close()


@contextmanager
def open_video_recording(path: Path, topic: str) -> Iterator[Recording]:
    """Open a video like a recording of its frames on a topic, with stamps from `VIDEO_START`.

    Raises:
        UnreadableError: see `read_video`; while its messages are read: it is truncated.
    """
    with read_video(path) as frames:
        yield Recording(topic, {topic: RAW}, frames.fps, _video_messages(frames, topic))


@contextmanager
def open_bag(path: Path, topic: str = '') -> Iterator[Frames]:
    """Open the images of a rosbag2 recording.

    Args:
        path: its folder, or one of its files, .db3 or .mcap.
        topic: see `open_recording`.

    Yields:
        Its images with the stamps of their headers, in the order in which they were recorded.
        Invalid images are counted but not returned.

    Raises:
        UnreadableError: see `open_recording`; at the end of the frames also if some were invalid,
            with the error of the first one as its cause.
    """
    with open_recording(path, topic) as recording:
        yield Frames(recording.fps, _frames(path, recording.messages))


def _image_connections(
    path: Path, connections: list[Connection], topic: str, others: Mapping[str, str]
) -> list[Connection]:
    """Return the connections of the topic of the images."""
    images = [each for each in connections if each.msgtype in (RAW, COMPRESSED)]
    available = sorted({each.topic for each in images} - others.keys())
    if not available:
        raise TopicError(path, 'has no topic of sensor_msgs/Image or CompressedImage', available)
    if topic and topic not in available:
        raise TopicError(path, f'has no images on the topic {topic}, only on', available)
    if not topic and len(available) > 1:
        raise TopicError(path, 'has several topics with images, choose one', available)
    return [each for each in images if each.topic == (topic or available[0])]


def _other_connections(
    path: Path, connections: list[Connection], others: Mapping[str, str]
) -> list[Connection]:
    found = [each for each in connections if others.get(each.topic) == each.msgtype]
    for topic, msgtype in others.items():
        if topic not in {each.topic for each in found}:
            available = sorted({each.topic for each in connections if each.msgtype == msgtype})
            if not available:
                kind = 'camera_info' if msgtype == CAMERA_INFO else 'depth'
                raise TopicError(path, f'has no {kind} topic {topic}', available)
            raise TopicError(path, f'has no {msgtype} on the topic {topic}, only on', available)
    return found


def _rate(reader: Reader, connections: list[Connection]) -> float:
    """Return images per second, in steps that an MP4 video supports."""
    count = sum(each.msgcount for each in connections)
    # A damaged bag may have any duration.
    if count < 2 or reader.duration <= 0:
        return DEFAULT_FPS
    rate = max(1.0, round((count - 1) / (reader.duration * 1e-9), 1))
    return rate if rate <= MAX_FPS else DEFAULT_FPS


def _messages(
    path: Path, reader: Reader, connections: list[Connection], image_topic: str
) -> Iterator[RecordedMessage]:
    expected = Counter[str]()
    for each in connections:
        expected[each.topic] += each.msgcount
    # Without statistics, a recording does not state any number.
    expected[image_topic] = max(expected[image_topic], 1)
    found: Counter[str] = Counter()
    messages = reader.messages(connections)
    while True:
        try:
            connection, time, data = next(messages)
        except StopIteration:
            break
        except Exception as error:
            problem = f'is truncated after {found.total()} messages: {one_line(error)}'
            raise UnreadableError(path, problem, 'truncated') from error
        yield RecordedMessage(connection.topic, connection.msgtype, time, data)
        found[connection.topic] += 1
    # The library passes over messages whose index or quality of service does not match.
    for topic, count in expected.items():
        if found[topic] < count:
            raise IncompleteError(path, topic, found[topic], count)
    for log in _write_ahead_logs(path):
        raise UnreadableError(
            path,
            f'may have more messages in {log.name}, as after a crash of the recorder: merge it by '
            f'sqlite3 {log.name.removesuffix("-wal")} "PRAGMA wal_checkpoint(TRUNCATE)"',
            'incomplete',
        )


def _write_ahead_logs(path: Path) -> list[Path]:
    """Return the logs of SQLite, whose messages are not in the files of a recording yet."""
    logs = path.glob('*.db3-wal') if path.is_dir() else [path.with_name(f'{path.name}-wal')]
    return [each for each in logs if each.is_file() and each.stat().st_size]


def _video_messages(frames: Frames, topic: str) -> Iterator[RecordedMessage]:
    for frame in frames.frames:
        stamp = round((VIDEO_START + frame.stamp) * NANOSECONDS)
        data = serialize_image(frame.image, stamp, FRAME_ID, compressed=False)
        yield RecordedMessage(topic, RAW, stamp, data)


def _frames(path: Path, messages: Iterable[RecordedMessage]) -> Iterator[Frame]:
    count = invalid = 0
    first_error: Exception | None = None
    first_number = 0
    for number, message in enumerate(messages):
        count += 1
        error: Exception | None
        try:
            recorded = read_image_message(message)
        except MessageError as invalid_message:
            error = invalid_message
        else:
            error = recorded.error
            if recorded.image is not None:
                yield Frame(number, recorded.stamp, recorded.image)
        if error is not None:
            invalid += 1
            if first_error is None:
                first_error, first_number = error, number
    if first_error is not None:
        raise UnreadableError(
            path,
            f'has {invalid} invalid of {count} images, the first is image {first_number}: '
            f'{first_error}',
            'invalid_images',
        ) from first_error

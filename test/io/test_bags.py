"""Images are read from recordings that another writer has written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
import re
import shutil
import sqlite3
import struct
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='needs the extra [archive]')
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores
import yaml

from face_classification_ros.io.bag_messages import MessageError
from face_classification_ros.io.bags import IncompleteError, open_bag, open_recording, TopicError
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.image_encodings import ImageError
from face_classification_ros.io.videos import DEFAULT_FPS, Frame

HEIGHT, WIDTH = 6, 8
BGR = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)

TYPES = get_typestore(Stores.ROS2_HUMBLE)
START = 1_700_000_000
"""Stamp of the first image in seconds."""

DURATION = {'sec': 0, 'nsec': 0}
QUALITY_OF_SERVICE = {
    'history': 'keep_last',
    'depth': 10,
    'reliability': 'reliable',
    'durability': 'volatile',
    'deadline': DURATION,
    'lifespan': DURATION,
    'liveliness': 'automatic',
    'liveliness_lease_duration': DURATION,
    'avoid_ros_namespace_conventions': False,
}

MakeMessage = Callable[[int], Any]


def header(number: int) -> Any:
    """Return the header of one of ten images per second."""
    stamp = TYPES.types['builtin_interfaces/msg/Time'](sec=START, nanosec=number * 100_000_000)
    return TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')


def raw(number: int, encoding: str = 'bgr8') -> Any:
    """Return a raw image as a camera publishes it."""
    depth = np.zeros((HEIGHT, WIDTH), np.float32)
    choices: dict[str, np.ndarray] = {'bgr8': BGR, 'rgb8': BGR[..., ::-1], '32FC1': depth}
    pixels = choices[encoding]
    return TYPES.types['sensor_msgs/msg/Image'](
        header=header(number),
        height=HEIGHT,
        width=WIDTH,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // HEIGHT,
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )


def compressed(number: int) -> Any:
    """Return an image as image_transport publishes it."""
    return TYPES.types['sensor_msgs/msg/CompressedImage'](
        header=header(number),
        format='bgr8; png compressed bgr8',
        data=cv2.imencode('.png', BGR)[1].ravel(),
    )


def text(_number: int) -> Any:
    """Return a message that is not an image."""
    return TYPES.types['std_msgs/msg/String'](data='hello')


def write_bag(
    path: Path,
    topics: Mapping[str, MakeMessage],
    count: int = 5,
    storage: str = 'MCAP',
    period: float = 0.1,
) -> Path:
    """Record `count` messages on each topic, `period` seconds apart."""
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage]) as writer:
        for topic, make in topics.items():
            msgtype = make(0).__msgtype__
            connection = writer.add_connection(topic, msgtype, typestore=TYPES)
            for number in range(count):
                recorded = START * 10**9 + round(number * period * 1e9)
                data = TYPES.serialize_cdr(make(number), msgtype)
                writer.write(connection, recorded, data)
    return path


def frames_of(path: Path, topic: str = '') -> list[Frame]:
    """Read a bag to its end."""
    with open_bag(path, topic) as frames:
        return list(frames.frames)


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
@pytest.mark.parametrize('make', [raw, compressed])
def test_images_and_stamps_are_read_as_recorded(
    make: MakeMessage, storage: str, tmp_path: Path
) -> None:
    """Both storages and both types of messages, next to a topic without images."""
    path = write_bag(tmp_path / 'bag', {'/image': make, '/chatter': text}, 5, storage)
    frames = frames_of(path)
    assert [frame.number for frame in frames] == list(range(5))
    assert [frame.stamp - START for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert all(np.array_equal(frame.image, BGR) for frame in frames)


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_file_of_a_bag_is_read_without_its_folder(storage: str, tmp_path: Path) -> None:
    """A recorder that loses power leaves no metadata.yaml."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 2, storage)
    (path / 'metadata.yaml').unlink()
    (file,) = path.iterdir()
    assert len(frames_of(file)) == 2


def test_folder_without_metadata_is_no_recording(tmp_path: Path) -> None:
    """The error names the folder and the missing file."""
    with pytest.raises(UnreadableError) as caught:
        frames_of(tmp_path)
    assert caught.value.code == 'invalid'
    assert str(tmp_path) in str(caught.value) and 'metadata.yaml' in str(caught.value)


def test_other_encodings_are_converted(tmp_path: Path) -> None:
    """A bag may have any encoding that the node accepts."""
    path = write_bag(tmp_path / 'bag', {'/image': lambda number: raw(number, 'rgb8')}, 1)
    assert np.array_equal(frames_of(path)[0].image, BGR)


def test_rate_is_the_mean_of_the_recording(tmp_path: Path) -> None:
    """An annotated video plays in real time."""
    with open_bag(write_bag(tmp_path / 'bag', {'/image': compressed}, 5)) as frames:
        assert frames.fps == 10


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_impossible_rate_is_replaced(storage: str, tmp_path: Path) -> None:
    """All images at the same time, as a recorder without a clock stamps them."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 3, storage, period=0.0)
    with open_bag(path) as frames:
        assert frames.fps == DEFAULT_FPS
        assert len(list(frames.frames)) == 3


@pytest.mark.parametrize('wrong_topic', ['', '/chatter', '/missing'])
def test_topic_is_chosen_from_several(wrong_topic: str, tmp_path: Path) -> None:
    """Without a topic, or with a wrong one, the error has those with images."""
    topics = {'/left/image': raw, '/right/image': compressed, '/chatter': text}
    path = write_bag(tmp_path / 'bag', topics, 2)
    assert len(frames_of(path, '/right/image')) == 2
    with pytest.raises(TopicError) as caught:
        frames_of(path, wrong_topic)
    assert caught.value.available == ('/left/image', '/right/image')


def test_bag_without_images_has_no_topic(tmp_path: Path) -> None:
    """The error names the expected types."""
    with pytest.raises(TopicError, match='sensor_msgs/Image or CompressedImage') as caught:
        frames_of(write_bag(tmp_path / 'bag', {'/chatter': text}))
    assert caught.value.available == ()


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_truncated_bag_is_unreadable(storage: str, tmp_path: Path) -> None:
    """As after a power failure or on a full disk: the error is one line."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 5, storage)
    (file,) = (each for each in path.iterdir() if each.suffix != '.yaml')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UnreadableError) as caught:
        frames_of(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_invalid_image_does_not_hide_the_others(tmp_path: Path) -> None:
    """The valid ones keep their numbers, and the first error is the cause at the end."""

    def make(number: int) -> Any:
        return raw(number, '32FC1' if number in (1, 3) else 'bgr8')

    numbers = []
    with (
        pytest.raises(UnreadableError, match='2 invalid of 5 images') as caught,
        open_bag(write_bag(tmp_path / 'bag', {'/image': make}, 5)) as frames,
    ):
        for frame in frames.frames:
            numbers.append(frame.number)
    assert numbers == [0, 2, 4]
    assert isinstance(caught.value.__cause__, ImageError)
    assert caught.value.__cause__.code == 'depth_image'


def test_invalid_stamp_is_an_invalid_image(tmp_path: Path) -> None:
    """Two seconds in nanoseconds belong to the seconds."""

    def make(number: int) -> Any:
        message = raw(number)
        message.header.stamp.nanosec = 2_000_000_000
        return message

    with pytest.raises(UnreadableError) as caught:
        frames_of(write_bag(tmp_path / 'bag', {'/image': make}, 1))
    assert isinstance(caught.value.__cause__, ImageError)
    assert caught.value.__cause__.code == 'invalid_stamp'


def test_bytes_that_are_not_a_message_are_an_invalid_image(tmp_path: Path) -> None:
    """As a faulty publisher leaves them."""
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection('/image', 'sensor_msgs/msg/Image', typestore=TYPES)
        writer.write(connection, START * 10**9, b'\0\1\0\0abc')
    with pytest.raises(UnreadableError) as caught:
        frames_of(path)
    assert isinstance(caught.value.__cause__, MessageError)


def messages_of(caught: pytest.ExceptionInfo[IncompleteError]) -> tuple[str, int, int]:
    """Return topic, and the numbers of found and expected messages of an error."""
    return caught.value.topic, caught.value.found, caught.value.expected


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_recording_with_fewer_messages_than_promised_is_incomplete(
    storage: str, tmp_path: Path
) -> None:
    """All that exist are read before the error."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 5, storage)
    metadata = path / 'metadata.yaml'
    metadata.write_text(re.sub('message_count: 5', 'message_count: 500', metadata.read_text()))
    frames: list[Frame] = []
    with pytest.raises(IncompleteError) as caught, open_bag(path) as opened:
        frames.extend(opened.frames)
    assert len(frames) == 5
    assert messages_of(caught) == ('/image', 5, 500)


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_recording_with_edited_quality_of_service_is_incomplete(
    storage: str, tmp_path: Path
) -> None:
    """As `ros2 bag` users edit it to play a recording of a sensor reliably."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 5, storage)
    metadata = path / 'metadata.yaml'
    edited = yaml.safe_load(metadata.read_text())
    for topic in edited['rosbag2_bagfile_information']['topics_with_message_count']:
        topic['topic_metadata']['offered_qos_profiles'] = [QUALITY_OF_SERVICE]
    metadata.write_text(yaml.safe_dump(edited))
    with pytest.raises(IncompleteError) as caught:
        frames_of(path)
    assert messages_of(caught) == ('/image', 0, 5)


def test_recording_with_another_incomplete_topic_is_incomplete(tmp_path: Path) -> None:
    """As depth images that a replay needs."""
    path = write_bag(tmp_path / 'bag', {'/image': raw, '/depth': raw}, 5)
    metadata = path / 'metadata.yaml'
    edited = yaml.safe_load(metadata.read_text())
    edited['rosbag2_bagfile_information']['topics_with_message_count'][1]['message_count'] = 7
    metadata.write_text(yaml.safe_dump(edited))
    others = {'/depth': 'sensor_msgs/msg/Image'}
    with (
        pytest.raises(IncompleteError) as caught,
        open_recording(path, '/image', others) as recording,
    ):
        list(recording.messages)
    assert messages_of(caught) == ('/depth', 5, 7)


def test_messages_in_the_log_of_a_killed_recorder_are_missed(tmp_path: Path) -> None:
    """The recorder of ROS writes ahead; whoever kills it leaves messages in the log only."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 6, 'SQLITE3')
    (file,) = path.glob('*.db3')
    (path / 'metadata.yaml').unlink()
    killed = tmp_path / 'killed'
    killed.mkdir()
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA journal_mode=WAL')
        database.execute('PRAGMA wal_autocheckpoint=0')
        rows = database.execute('SELECT topic_id, timestamp, data FROM messages').fetchall()
        command = 'INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)'
        database.executemany(command, rows)
        database.commit()
        for each in (file, file.with_name(f'{file.name}-wal')):
            shutil.copy(each, killed)
    frames: list[Frame] = []
    with (
        pytest.raises(UnreadableError) as caught,
        open_bag(killed / file.name) as opened,
    ):
        frames.extend(opened.frames)
    assert len(frames) == 6
    assert caught.value.code == 'incomplete'
    with closing(sqlite3.connect(killed / file.name)) as database:
        database.execute('PRAGMA wal_checkpoint(TRUNCATE)')
    assert len(frames_of(killed / file.name)) == 12


def without_message_index(content: bytes, *, statistics: bool) -> bytes:
    """Return an MCAP file with an index of chunks, but none of the messages in them."""
    records, start = [content[:8]], 8
    while start < len(content) - 8:
        kind, size = struct.unpack_from('<BQ', content, start)
        body = content[start + 9 : start + 9 + size]
        start += 9 + size
        if kind == 8:
            # Times, offset and length; offsets of the message indexes; their length; the rest.
            (length,) = struct.unpack_from('<I', body, 32)
            body = body[:32] + bytes(4 + 8) + body[36 + length + 8 :]
        if kind == 7 or (kind == 11 and not statistics):
            # A kind that readers must ignore.
            kind = 0x80
        records.append(struct.pack('<BQ', kind, len(body)) + body)
    return b''.join([*records, content[-8:]])


@pytest.mark.parametrize(('statistics', 'expected'), [(True, 5), (False, 1)])
def test_mcap_without_message_index_is_incomplete(
    statistics: bool, expected: int, tmp_path: Path
) -> None:
    """The library would read nothing from it."""
    (file,) = write_bag(tmp_path / 'bag', {'/image': raw}, 5).glob('*.mcap')
    file.write_bytes(without_message_index(file.read_bytes(), statistics=statistics))
    with pytest.raises(IncompleteError) as caught:
        frames_of(file)
    assert messages_of(caught) == ('/image', 0, expected)

"""Pictures from recordings, which the tests write with another library's writer."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from ros_peers import HEAD

pytest.importorskip('rosbags', reason='needs the extra [archive]')
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.io.files import Frame, UnreadableError
from face_classification_ros.ros.bags import open_bag

TYPES = get_typestore(Stores.ROS2_HUMBLE)
START = 1_700_000_000
"""Stamp of the first picture in seconds."""


def header(number: int):
    """Give the header of a picture; ten come in a second."""
    stamp = TYPES.types['builtin_interfaces/msg/Time'](sec=START, nanosec=number * 100_000_000)
    return TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')


def raw(number: int, encoding: str = 'bgr8'):
    """Give a picture as a camera sends it."""
    pixels = {'bgr8': HEAD, 'rgb8': HEAD[..., ::-1], '32FC1': np.zeros((200, 200, 4), np.uint8)}
    return TYPES.types['sensor_msgs/msg/Image'](
        header=header(number),
        height=200,
        width=200,
        encoding=encoding,
        is_bigendian=0,
        step=pixels[encoding].nbytes // 200,
        data=np.ascontiguousarray(pixels[encoding]).ravel(),
    )


def compressed(number: int, suffix: str = 'png'):
    """Give a picture as image_transport sends it."""
    return TYPES.types['sensor_msgs/msg/CompressedImage'](
        header=header(number),
        format=f'bgr8; {suffix} compressed bgr8',
        data=cv2.imencode(f'.{suffix}', HEAD)[1].ravel(),
    )


def text(_number: int):
    """Give what is no picture."""
    return TYPES.types['std_msgs/msg/String'](data='hello')


def write_bag(
    path: Path, topics: dict, count: int = 5, storage: str = 'MCAP', period: float = 0.1
) -> Path:
    """Record so many messages on each topic, `period` seconds apart."""
    with Writer(path, version=9, storage_plugin=StoragePlugin[storage]) as writer:
        for topic, make in topics.items():
            kind = make(0).__msgtype__
            connection = writer.add_connection(topic, kind, typestore=TYPES)
            for number in range(count):
                recorded = START * 10**9 + round(number * period * 1e9)
                writer.write(connection, recorded, TYPES.serialize_cdr(make(number), kind))
    return path


def frames_of(path: Path, topic: str = '') -> list[Frame]:
    """Read a bag to its end."""
    with open_bag(path, topic) as frames:
        return list(frames.frames)


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
@pytest.mark.parametrize('make', [raw, compressed])
def test_pictures_and_stamps_come_as_they_were_recorded(make, storage: str, tmp_path: Path):
    """Both storages and both kinds of messages, beside a topic that is no picture."""
    path = write_bag(tmp_path / 'bag', {'/image': make, '/chatter': text}, 5, storage)
    frames = frames_of(path)
    assert [frame.number for frame in frames] == list(range(5))
    assert [frame.stamp - START for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert all(np.array_equal(frame.image, HEAD) for frame in frames)


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_a_file_of_a_bag_is_read_without_its_folder(storage: str, tmp_path: Path):
    """A recorder that was switched off leaves no metadata.yaml."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 2, storage)
    (path / 'metadata.yaml').unlink()
    (file,) = path.iterdir()
    assert len(frames_of(file)) == 2


def test_pictures_of_another_encoding_are_converted(tmp_path: Path):
    """What a message of the running node may be, one of a bag may be."""
    path = write_bag(tmp_path / 'bag', {'/image': lambda number: raw(number, 'rgb8')}, 1)
    assert np.array_equal(frames_of(path)[0].image, HEAD)


def test_the_rate_is_the_mean_of_the_recording(tmp_path: Path):
    """An annotated video plays as fast as what happened."""
    with open_bag(write_bag(tmp_path / 'bag', {'/image': compressed}, 5)) as frames:
        assert frames.fps == 10


def test_one_of_several_topics_is_chosen_by_its_name(tmp_path: Path):
    """Without a name, and with a wrong one, the error lists what there is."""
    topics = {'/left/image': raw, '/right/image': compressed, '/chatter': text}
    path = write_bag(tmp_path / 'bag', topics, 2)
    assert len(frames_of(path, '/right/image')) == 2
    with pytest.raises(UnreadableError, match='choose by --topic: /left/image, /right/image'):
        frames_of(path)
    with pytest.raises(UnreadableError, match='on the topic /chatter, only on /left/image, /ri'):
        frames_of(path, '/chatter')


def test_a_bag_without_pictures_says_so(tmp_path: Path):
    """The types that would do are named."""
    with pytest.raises(UnreadableError, match='bag has no topic of sensor_msgs/msg/Image or Com'):
        frames_of(write_bag(tmp_path / 'bag', {'/chatter': text}))


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_a_bag_that_is_cut_off_is_named(storage: str, tmp_path: Path):
    """As after a power failure or on a full disk: one line, whatever the library raises."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 5, storage)
    (file,) = (each for each in path.iterdir() if each.suffix != '.yaml')
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UnreadableError, match=r'is not a readable bag|breaks off') as told:
        frames_of(path)
    assert '\n' not in str(told.value)


def test_an_unreadable_picture_does_not_hide_the_others(tmp_path: Path):
    """The good ones come with their own numbers, and the end tells of the bad one."""

    def make(number: int):
        return raw(number, '32FC1' if number == 1 else 'bgr8')

    read = []
    with (
        pytest.raises(UnreadableError, match=r'1 unreadable of 3 pictures; picture 1: .*32FC1'),
        open_bag(write_bag(tmp_path / 'bag', {'/image': make}, 3)) as frames,
    ):
        for frame in frames.frames:
            read.append(frame.number)
    assert read == [0, 2]


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_a_rate_that_cannot_be_is_not_believed(storage: str, tmp_path: Path):
    """All pictures at one moment, as a recorder without a clock stamps them."""
    path = write_bag(tmp_path / 'bag', {'/image': raw}, 3, storage, period=0.0)
    with open_bag(path) as frames:
        assert frames.fps == 25
        assert len(list(frames.frames)) == 3

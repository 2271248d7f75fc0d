"""Write rosbag2 recordings, SQLite and MCAP, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from face_classification_ros.inference.model_zoo import PACKAGE, share_folder
from face_classification_ros.io.bag_messages import COMPRESSED, RAW, serialize_image
from face_classification_ros.io.bags import CAMERA_TOPIC, FRAME_ID
from face_classification_ros.io.errors import naming_file
from face_classification_ros.io.image_encodings import NANOSECONDS
from face_classification_ros.types import Image

STORAGES = ('mcap', 'sqlite3')

SAMPLE_START = 1_700_000_000 * NANOSECONDS
"""Stamp of the first image of a sample, in nanoseconds."""

SAMPLE_DELAY = 5_000_000
"""Nanoseconds from the stamp of an image to the time at which it is recorded."""

WriteMessage = Callable[[int, bytes], None]
"""Writes a message, given the time in nanoseconds at which it is recorded and its CDR."""


@contextmanager
def write_bag(path: Path, topic: str, msgtype: str, storage: str) -> Iterator[WriteMessage]:
    """Write a rosbag2 recording with one topic, which `ros2 bag` of Jazzy and later plays.

    Args:
        path: folder to create.
        topic: its name.
        msgtype: `RAW`, `COMPRESSED` or `FACES`.
        storage: one of `STORAGES`.

    Yields:
        A function that writes a message.

    Raises:
        OSError: the folder exists, or cannot be written.
    """
    if path.exists():
        raise FileExistsError(f'{path} already exists')
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
            connection = writer.add_connection(topic, msgtype, typestore=types)

            def write(time: int, data: bytes) -> None:
                # ROS leaves random bytes in the padding between values; equal messages must have
                # equal bytes.
                message = types.deserialize_cdr(data, msgtype)
                writer.write(connection, time, types.serialize_cdr(message, msgtype))

            yield write
        finally:
            writer.close()


def write_sample(
    path: Path, frames: Iterable[Image], fps: float, storage: str, *, compressed: bool
) -> str:
    """Record images as a camera would publish them.

    Args:
        path: folder to create.
        frames: uint8 H x W x 3 in BGR.
        fps: frames per second.
        storage: one of `STORAGES`.
        compressed: as JPEG, in messages of type `COMPRESSED`.

    Returns:
        The topic of the images.

    Raises:
        OSError: the folder exists, or cannot be written.
    """
    topic = f'{CAMERA_TOPIC}/compressed' if compressed else CAMERA_TOPIC
    with write_bag(path, topic, COMPRESSED if compressed else RAW, storage) as write:
        for number, frame in enumerate(frames):
            stamp = SAMPLE_START + round(number / fps * NANOSECONDS)
            data = serialize_image(frame, stamp, FRAME_ID, compressed=compressed)
            write(stamp + SAMPLE_DELAY, data)
    return topic

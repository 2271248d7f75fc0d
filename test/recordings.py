"""Recordings for tests: frames of a moving face, with depth images and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ros_peers import HEAD
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.ros.replay.result import ReplayResult
from face_classification_ros.types import Image

TYPES = get_typestore(Stores.ROS2_JAZZY)
START = 1_700_000_000 * 10**9
"""Time of the first image in nanoseconds."""

PERIOD = 10**8
"""Nanoseconds between two images."""

FPS = 10.0
COUNT = 12
"""Number of frames."""

IMAGE_TOPIC, DEPTH_TOPIC, INFO_TOPIC = '/cam/image', '/cam/depth', '/cam/camera_info'
IMAGE, CAMERA_INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
WIDTH, HEIGHT = 320, 240


def moving_face(count: int = COUNT) -> Iterator[Image]:
    """Yield frames of a face that moves to the right; the last three have no face."""
    for number in range(count):
        frame: Image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        if number < count - 3:
            x = 10 + 8 * number
            frame[20:220, x : x + 200] = HEAD
        yield frame


def header_at(time: int) -> Any:
    """Return a std_msgs/Header with a stamp in nanoseconds."""
    stamp = TYPES.types['builtin_interfaces/msg/Time'](sec=time // 10**9, nanosec=time % 10**9)
    return TYPES.types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')


def image_at(time: int, pixels: np.ndarray, encoding: str = 'bgr8') -> bytes:
    """Return a serialized sensor_msgs/Image."""
    message = TYPES.types[IMAGE](
        header=header_at(time),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=pixels.nbytes // pixels.shape[0],
        data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
    )
    return bytes(TYPES.serialize_cdr(message, IMAGE))


def camera_info_at(time: int) -> bytes:
    """Return a serialized sensor_msgs/CameraInfo with a focal length of 300 pixels."""
    message = TYPES.types[CAMERA_INFO](
        header=header_at(time),
        height=HEIGHT,
        width=WIDTH,
        distortion_model='plumb_bob',
        d=np.zeros(5),
        k=np.array([300.0, 0, 160, 0, 300, 120, 0, 0, 1]),
        r=np.eye(3).ravel(),
        p=np.array([300.0, 0, 160, 0, 0, 300, 120, 0, 0, 0, 1, 0]),
        binning_x=0,
        binning_y=0,
        roi=TYPES.types['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False),
    )
    return bytes(TYPES.serialize_cdr(message, CAMERA_INFO))


def write_messages(path: Path, messages: list[tuple[str, str, int, bytes]]) -> Path:
    """Record messages, each with its topic, type, time in nanoseconds and bytes."""
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(topic, msgtype, typestore=TYPES)
            for topic, msgtype in {each[:2]: None for each in messages}
        }
        for topic, _, time, data in messages:
            writer.write(connections[topic], time, data)
    return path


def write_depth_bag(path: Path, distance: int, count: int = 6) -> Path:
    """Record frames of a face, each with calibration and depth at a distance in millimeters."""
    depth = np.full((HEIGHT, WIDTH), distance, np.uint16)
    messages = []
    for number, frame in enumerate(moving_face(count)):
        time = START + number * PERIOD
        messages += [
            (INFO_TOPIC, CAMERA_INFO, time, camera_info_at(time)),
            (DEPTH_TOPIC, IMAGE, time, image_at(time, depth, '16UC1')),
            (IMAGE_TOPIC, IMAGE, time, image_at(time, frame)),
        ]
    return write_messages(path, messages)


def comparable(result: ReplayResult) -> list[Any]:
    """Return all of a result that is the same in every replay of a recording."""
    return [
        (
            replace(frame, latency=None).to_dict(),
            [
                (face.first_seen, face.position, face.is_size_plausible, face.detection)
                for face in frame.faces
            ],
            [
                [each.probabilities.tolist(), each.frame_probabilities.tolist(), each.frame_count]
                for face in frame.faces
                for each in face.attributes.values()
            ],
        )
        for frame in result.frames
    ]

"""A recording of a Care-O-bot 3, which runs ROS 1, is replayed as the manual says."""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from recordings import HEIGHT, moving_face, PERIOD, START, WIDTH
from rosbags.rosbag1 import Writer
from rosbags.typesys import get_typestore, Stores

from face_classification_ros.inference.model_zoo import share_folder

ROOT = Path(__file__).resolve().parents[3]
NOETIC = get_typestore(Stores.ROS1_NOETIC)
DISTANCE = 1.2
"""Meters from the camera to everything."""

FOCAL_LENGTH = 525.0


def make(name: str, **fields: Any) -> Any:
    """Return a message of ROS 1 with these fields."""
    return NOETIC.types[name](**fields)


def messages(count: int) -> Iterator[tuple[str, str, int, Any]]:
    """Yield topic, type, time in nanoseconds and message of the camera `cam3d`."""
    zero = make(
        'sensor_msgs/msg/RegionOfInterest',
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    for number, frame in enumerate(moving_face(count + 3)):
        if number == count:
            return
        time = START + number * PERIOD
        header = make(
            'std_msgs/msg/Header',
            seq=number,
            stamp=make('builtin_interfaces/msg/Time', sec=time // 10**9, nanosec=time % 10**9),
            frame_id='cam3d_rgb_optical_frame',
        )
        center = WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5
        k = [FOCAL_LENGTH, 0, center[0], 0, FOCAL_LENGTH, center[1], 0, 0, 1]
        p = [*k[:3], 0, *k[3:6], 0, *k[6:], 0]
        info = make(
            'sensor_msgs/msg/CameraInfo',
            header=header,
            height=HEIGHT,
            width=WIDTH,
            distortion_model='plumb_bob',
            D=np.zeros(5),
            K=np.array(k),
            R=np.eye(3).ravel(),
            P=np.array(p),
            binning_x=0,
            binning_y=0,
            roi=zero,
        )
        yield '/cam3d/rgb/camera_info', 'sensor_msgs/msg/CameraInfo', time, info
        depth = np.full((HEIGHT, WIDTH), DISTANCE * 1000, np.uint16)
        topics = {
            '/cam3d/depth_registered/image_raw': (depth, '16UC1'),
            '/cam3d/rgb/image_raw': (frame[..., ::-1], 'rgb8'),
        }
        for topic, (pixels, encoding) in topics.items():
            image = make(
                'sensor_msgs/msg/Image',
                header=header,
                height=HEIGHT,
                width=WIDTH,
                encoding=encoding,
                is_bigendian=0,
                step=pixels.nbytes // HEIGHT,
                data=np.ascontiguousarray(pixels).view(np.uint8).ravel(),
            )
            yield topic, 'sensor_msgs/msg/Image', time, image


def write_noetic_bag(path: Path, count: int) -> None:
    """Record frames of a face with depth and calibration as ROS 1 does."""
    with Writer(path) as writer:
        connections: dict[str, Any] = {}
        for topic, kind, time, message in messages(count):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=NOETIC)
            data = NOETIC.serialize_ros1(message, kind)
            writer.write(connections[topic], time, data)


def documented_commands() -> str:
    """Return the commands of the manual that convert and replay a recording."""
    page = (ROOT / 'docs' / 'how_to' / 'care_o_bot.md').read_text()
    (block,) = re.findall(r'```bash\n(rosbags-convert .*?)```', page, re.DOTALL)
    return str(block)


def test_recording_of_noetic_is_converted_and_replayed(tmp_path: Path, domain: int) -> None:
    """The commands of the manual give a face with its position in every image."""
    write_noetic_bag(tmp_path / 'noetic.bag', 5)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    done = subprocess.run(
        ['bash', '-ec', documented_commands()],
        cwd=tmp_path,
        env={
            **os.environ,
            'PATH': path,
            'share': str(share_folder()),
            'ROS_DOMAIN_ID': str(domain),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    frames = json.loads((tmp_path / 'faces.json').read_text())
    assert len(frames) == 5
    for number, frame in enumerate(frames):
        assert frame['stamp'] == pytest.approx((START + number * PERIOD) / 1e9)
        (face,) = frame['faces']
        x, y, width, height = face['box']
        expected = (
            (x + width / 2 - WIDTH / 2) / FOCAL_LENGTH * DISTANCE,
            (y + height / 2 - HEIGHT / 2) / FOCAL_LENGTH * DISTANCE,
            DISTANCE,
        )
        assert face['position'] == pytest.approx(expected, abs=0.01)

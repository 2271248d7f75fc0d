"""The demo: the real node, a camera that plays a sample, and a recorder of what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
from dataclasses import dataclass
import math
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import LabelInfo

from face_classification_ros.evaluation.results import face_record
from face_classification_ros.io.files import VideoFile, write_image, write_json
from face_classification_ros.io.sample import FPS
from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
from face_classification_ros.ros.conversions.images import image_from_message
from face_classification_ros.ros.conversions.messages import face_result_from_message, seconds
from face_classification_ros.ros.conversions.qos import LATCHED, RESULTS
from face_classification_ros.ros.demo.sample_camera import read_frames
from face_classification_ros.ros.node.node import NODE_NAME
from face_classification_ros.ros.processes import ros_environment, start, START_LIMIT, stop
from face_classification_ros.ros.runtime import ros_running, signals_as_interrupt
from face_classification_ros.types import Image
from face_classification_ros.visualization.annotation import contact_sheet

QUIET = 1.0
"""Seconds without a result after which no late ones are waited for."""

PRINT_PERIOD = 1.0
SHEET_PICTURES = 12
SHEET_COLUMNS = 4
SHEET_WIDTH = 1920

NAMESPACE = '/demo'
TOPIC = '/demo/camera/image'

DEMO_DOMAIN = '86'
"""ROS domain of the demo unless the user sets another, so that it meets no robot by chance."""


@dataclass(frozen=True)
class DemoOptions:
    """What the demo plays and where its results go.

    Attributes:
        source: 'sample', path of a video, or number of a camera; '' where a topic is given.
        topic: pictures of somebody else's camera; '' plays `source`.
        output: folder for the results.
        seconds: how long a camera or a topic is watched.
        parameters: of the node, as `name:=value`.
    """

    source: str
    topic: str
    output: Path
    seconds: float
    parameters: Sequence[str] = ()


class Recorder(Node):
    """Listens to the node like any other program: prints faces, keeps annotated pictures."""

    def __init__(self, output: Path, rate: float) -> None:
        """Subscribe to faces and annotated pictures of the node in the same namespace.

        Args:
            output: folder for the annotated video.
            rate: its frames per second.
        """
        super().__init__('recorder', namespace=NAMESPACE)
        self.records: list[dict[str, Any]] = []
        self.sheet: list[Image] = []
        self.is_node_ready = False
        self.last_arrival = time.monotonic()
        self._video = VideoFile(output / 'annotated.mp4', rate)
        self._annotated = 0
        self._every = 1
        self._printed = float('-inf')
        self.create_subscription(
            FaceAttributesArray, f'{NODE_NAME}/faces', self._take_faces, RESULTS
        )
        self.create_subscription(
            ImageMessage, f'{NODE_NAME}/image_annotated', self._take_image, RESULTS
        )
        self.create_subscription(LabelInfo, f'{NODE_NAME}/label_info', self._take_labels, LATCHED)

    def is_quiet(self) -> bool:
        """Tell whether no result came for a while."""
        return time.monotonic() - self.last_arrival > QUIET

    def close(self) -> None:
        """Finish the video, and leave ROS in this order, not in that of Python's own end."""
        self._video.close()
        self.destroy_node()

    def _take_labels(self, _: LabelInfo) -> None:
        self.is_node_ready = True

    def _take_faces(self, message: FaceAttributesArray) -> None:
        self.last_arrival = time.monotonic()
        stamp = seconds(message.header.stamp)
        self.records.append(
            {
                'frame': len(self.records),
                'stamp': stamp,
                'width': message.image_width,
                'height': message.image_height,
                'processing_time': round(message.processing_time, 5),
                'faces': [face_record(face_result_from_message(face)) for face in message.faces],
            }
        )
        elapsed = stamp - self.records[0]['stamp']
        if elapsed - self._printed >= PRINT_PERIOD:
            self._printed = elapsed
            faces = '   '.join(_short(face) for face in message.faces) or 'nobody'
            print(f'{elapsed:6.1f} s  {faces}', flush=True)

    def _take_image(self, message: ImageMessage) -> None:
        picture = image_from_message(message)
        self._video.write(picture)
        # A sheet of evenly spaced pictures of a stream whose length is not known beforehand:
        # keep every n-th, and double n whenever there are twice as many as needed.
        if self._annotated % self._every == 0:
            self.sheet.append(picture.copy())
        self._annotated += 1
        if len(self.sheet) >= 2 * SHEET_PICTURES:
            self.sheet, self._every = self.sheet[::2], 2 * self._every


def run_demo(options: DemoOptions) -> int:
    """Run node, camera and recorder until the source ends.

    Leaves `annotated.mp4`, `contact_sheet.png` and `faces.json` in the output folder.

    Returns:
        0 if faces were received, 1 if none were, 2 if something did not start or go on.

    Raises:
        ValueError: the video cannot be opened.
        ImportError: the sample needs scikit-image.
    """
    is_live = bool(options.topic) or options.source.isdecimal()
    rate = FPS if is_live else read_frames(options.source)[1]
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ.update(ros_environment('' if options.topic else DEMO_DOMAIN))
    with ros_running([]), contextlib.closing(Recorder(options.output, rate)) as recorder:
        node = start('face_classification_node', '--ros-args', *_node_arguments(options))
        camera = None
        try:
            with signals_as_interrupt():
                if not _spin(recorder, START_LIMIT, lambda: recorder.is_node_ready, node):
                    print('the node did not start', file=sys.stderr)
                    return 2
                if options.topic:
                    _spin(recorder, options.seconds, lambda: False, node)
                else:
                    camera = start(
                        'face_classification_camera',
                        *(options.source, '--ros-args', '-r', f'image:={TOPIC}'),
                    )
                    limit = options.seconds if is_live else math.inf
                    _spin(recorder, limit, lambda: False, node, camera)
                    camera.terminate()
                    recorder.last_arrival = time.monotonic()
                    _spin(recorder, START_LIMIT, recorder.is_quiet, node)
        except KeyboardInterrupt:
            print('interrupted')
        finally:
            sent = stop(camera, 'camera')
            stop(node, 'node')
    if node.returncode != 0:
        print(f'the node ended with exit code {node.returncode}', file=sys.stderr)
        return 2
    if camera is not None and camera.returncode != 0:
        return 2
    return _report(recorder, options, sent)


def _node_arguments(options: DemoOptions) -> list[str]:
    arguments = ['-r', f'__ns:={NAMESPACE}', '-r', f'image:={options.topic or TOPIC}']
    for parameter in options.parameters:
        arguments += ['-p', parameter]
    return arguments


def _spin(
    recorder: Recorder,
    limit: float,
    is_done: Callable[[], bool],
    *processes: subprocess.Popen[str],
) -> bool:
    """Listen until it is done, `limit` seconds are over or a process ends; tell whether done."""
    start = time.monotonic()
    while time.monotonic() - start < limit:
        if is_done():
            return True
        if any(process.poll() is not None for process in processes):
            return False
        rclpy.spin_once(recorder, timeout_sec=0.05)
    return False


def _report(recorder: Recorder, options: DemoOptions, sent: str) -> int:
    """Write what was received and say where it is."""
    records = recorder.records
    faces = sum(len(each['faces']) for each in records)
    with_faces = sum(bool(each['faces']) for each in records)
    written = [options.output / 'faces.json']
    write_json(written[0], records)
    if recorder.sheet:
        written += [options.output / 'annotated.mp4', options.output / 'contact_sheet.png']
        chosen = np.linspace(0, len(recorder.sheet) - 1, SHEET_PICTURES).round().astype(int)
        pictures = [recorder.sheet[index] for index in dict.fromkeys(chosen)]
        write_image(written[2], contact_sheet(pictures, SHEET_COLUMNS, SHEET_WIDTH))
    sent_text = f'{sent} pictures, ' if sent else ''
    print(f'{sent_text}{len(records)} processed, {faces} faces found in {with_faces} of them')
    for path in written:
        print(f'  {path}')
    return 0 if faces else 1


def _short(face: FaceAttributes) -> str:
    told = [
        f'{estimate.label} {estimate.confidence:.0%}'
        for estimate in (face.gender, face.emotion)
        if estimate.labels
    ]
    return f'[{face.track_id}] {", ".join(told)}'

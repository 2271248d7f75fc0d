"""Run the node on a sample, a video or a camera, and record its results like any subscriber."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import contextlib
from dataclasses import dataclass
import math
import os
from pathlib import Path
import subprocess
import time

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image as ImageMessage
from vision_msgs.msg import LabelInfo

from face_classification_ros.io.images import write_image
from face_classification_ros.io.records import record_writer
from face_classification_ros.io.sample import FPS, sample_credits
from face_classification_ros.io.videos import VideoFile
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.images import image_from_message
from face_classification_ros.ros.conversions.messages import frame_from_message
from face_classification_ros.ros.conversions.qos import LATCHED, RESULTS
from face_classification_ros.ros.demo.sample_camera import open_source, SAMPLE
from face_classification_ros.ros.node.node import NODE_NAME
from face_classification_ros.ros.node.parameters.sources import parse_assignments
from face_classification_ros.ros.processes import (
    check_exit_codes,
    ros_environment,
    start,
    START_TIMEOUT,
    stop,
)
from face_classification_ros.ros.runtime import ros_running, signals_as_interrupt
from face_classification_ros.types import Face, FrameFaces, Image
from face_classification_ros.visualization.contact_sheet import contact_sheet
from face_classification_ros.visualization.text import estimates_text

QUIET_TIME = 1.0
"""Seconds without a result after which all results have arrived."""

PRINT_PERIOD = 1.0
SHEET_IMAGES = 12
SHEET_COLUMNS = 4
SHEET_WIDTH = 1920

NAMESPACE = '/demo'
TOPIC = '/demo/camera/image'

DEMO_DOMAIN = '86'
"""ROS domain of the demo unless the user sets one, so that no robot is in it."""

DONE, NO_FACES = 0, 1
"""Exit codes of the demo."""


@dataclass(frozen=True)
class DemoOptions:
    """The options of the demo.

    Attributes:
        source: 'sample', path of a video, or number of a camera; ignored with a topic.
        topic: images of another camera; '' plays `source`.
        output: folder for the results.
        seconds: after which the demo stops, unless the images end before; counted from the first
            result, or from when the node is ready for a topic or a page. May be infinite.
        parameters: of the node, as `name:=value`.
    """

    source: str
    topic: str
    output: Path
    seconds: float
    parameters: Sequence[str] = ()

    @property
    def is_live(self) -> bool:
        """Whether the images do not end by themselves."""
        return bool(self.topic) or self.source.isdecimal()


class Recorder(Node):
    """Subscribes to the results of the node: prints faces, and keeps annotated images.

    Attributes:
        frames: the faces of each processed image.
        sheet: evenly spaced annotated images.
        is_node_ready: whether the node publishes.
        last_arrival: of a result, by `time.monotonic`.
    """

    def __init__(self, output: Path, fps: float) -> None:
        """Subscribe to faces and annotated images of the node in the same namespace.

        Args:
            output: folder for the annotated video.
            fps: its frames per second.
        """
        super().__init__('recorder', namespace=NAMESPACE)
        self.frames: list[FrameFaces] = []
        self.sheet: list[Image] = []
        self.is_node_ready = False
        self.last_arrival = time.monotonic()
        self._video = VideoFile(output / 'annotated.mp4', fps)
        self._annotated = 0
        self._interval = 1
        self._printed = -math.inf
        self.create_subscription(
            FaceAttributesArray, f'{NODE_NAME}/faces', self._receive_faces, RESULTS
        )
        self.create_subscription(
            ImageMessage, f'{NODE_NAME}/image_annotated', self._receive_image, RESULTS
        )
        self.create_subscription(
            LabelInfo, f'{NODE_NAME}/label_info', self._receive_label_info, LATCHED
        )

    def is_quiet(self) -> bool:
        """Return whether no result arrived for `QUIET_TIME`."""
        return time.monotonic() - self.last_arrival > QUIET_TIME

    def close(self) -> None:
        """Finish the video, then destroy the node; Python's own order at exit is different."""
        self._video.close()
        self.destroy_node()

    def _receive_label_info(self, _: LabelInfo) -> None:
        self.is_node_ready = True

    def _receive_faces(self, message: FaceAttributesArray) -> None:
        self.last_arrival = time.monotonic()
        frame = frame_from_message(message, frame=len(self.frames))
        self.frames.append(frame)
        elapsed = frame.stamp - self.frames[0].stamp
        if elapsed - self._printed >= PRINT_PERIOD:
            self._printed = elapsed
            print(f'{elapsed:6.1f} s  {faces_text(frame.faces)}', flush=True)

    def _receive_image(self, message: ImageMessage) -> None:
        image = image_from_message(message)
        self._video.write(image)
        # The length of the stream is unknown: keep every n-th image, and double n whenever there
        # are twice as many as the sheet needs.
        if self._annotated % self._interval == 0:
            self.sheet.append(image.copy())
        self._annotated += 1
        if len(self.sheet) >= 2 * SHEET_IMAGES:
            self.sheet, self._interval = self.sheet[::2], 2 * self._interval


def faces_text(faces: Sequence[Face]) -> str:
    """Return the faces of a frame in one line: track id and estimates."""
    return '   '.join(map(_face_text, faces)) or 'no face'


def _face_text(face: Face) -> str:
    return f'[{face.track_id}] {estimates_text(face)}'.rstrip()


def run_demo(options: DemoOptions) -> int:
    """Run the node, a camera and the recorder until the images end.

    Writes `annotated.mp4`, `contact_sheet.png` and `faces.json` to the output folder.

    Returns:
        `DONE`, or `NO_FACES` if no face was detected.

    Raises:
        UnreadableError: the video cannot be read.
        ImportError: the sample needs packages of the extra [demo].
        OSError: a process did not start or ended early, or a result cannot be written.
    """
    fps = FPS if options.is_live else _rate(options.source)
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ.update(ros_environment('' if options.topic else DEMO_DOMAIN))
    processes = _Processes()
    with ros_running([]):
        with signals_as_interrupt():
            recorder = Recorder(options.output, fps)
        with contextlib.closing(recorder):
            try:
                with signals_as_interrupt():
                    processes.run(options, recorder)
                processes.check(were_stopped=False)
            except KeyboardInterrupt:
                print('interrupted')
            finally:
                published = processes.stop()
    processes.check(were_stopped=True)
    return _report(recorder, options, published)


def _rate(source: str) -> float:
    with open_source(source) as frames:
        return float(frames.fps)


class _Processes:
    """The node and the camera as processes."""

    def __init__(self) -> None:
        self._running: dict[str, subprocess.Popen[str]] = {}

    def run(self, options: DemoOptions, recorder: Recorder) -> None:
        """Start the node and the camera, and record until the images end or a process ends."""
        node = self._start('node', 'face_classification_node', *node_arguments(options))
        if not _spin(recorder, START_TIMEOUT, lambda: recorder.is_node_ready, node):
            if node.poll() is None:
                raise TimeoutError(f'the node did not start within {START_TIMEOUT:.0f} s')
            return
        if options.topic:
            _spin(recorder, options.seconds, lambda: False, node)
            return
        arguments = [options.source, '--ros-args', '-r', f'image:={TOPIC}']
        camera = self._start('camera', 'face_classification_camera', *arguments)
        # The seconds count from the first result: a camera takes long to start on a busy machine.
        if _spin(recorder, START_TIMEOUT, lambda: bool(recorder.frames), node, camera):
            _spin(recorder, options.seconds, lambda: False, node, camera)
        camera.terminate()
        recorder.last_arrival = time.monotonic()
        _spin(recorder, START_TIMEOUT, recorder.is_quiet, node)

    def stop(self) -> str:
        """Stop the camera, then the node; return what the camera printed."""
        printed = stop(self._running.get('camera'), 'camera')
        stop(self._running.get('node'), 'node')
        return printed

    def check(self, were_stopped: bool) -> None:
        """Raise a ChildProcessError if a process ended with an error."""
        check_exit_codes(self._running, were_stopped=were_stopped)

    def _start(self, name: str, executable: str, *arguments: str) -> subprocess.Popen[str]:
        process = start(executable, *arguments)
        self._running[name] = process
        return process


def node_arguments(options: DemoOptions) -> list[str]:
    """Return the arguments of the node: namespace, topic and parameters.

    Raises:
        ValueError: the node does not have one of the parameters.
    """
    arguments = ['--ros-args', '-r', f'__ns:={NAMESPACE}']
    arguments += ['-r', f'image:={options.topic or TOPIC}']
    # ROS would ignore a parameter that the node does not have.
    parse_assignments(options.parameters)
    for parameter in options.parameters:
        arguments += ['-p', parameter]
    return arguments


def _spin(
    recorder: Recorder,
    timeout: float,
    is_done: Callable[[], bool],
    *processes: subprocess.Popen[str],
) -> bool:
    """Receive results until `is_done`, a timeout or the end of a process; return `is_done`."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if is_done():
            return True
        if any(process.poll() is not None for process in processes):
            return False
        rclpy.spin_once(recorder, timeout_sec=0.05)
    return False


def _report(recorder: Recorder, options: DemoOptions, published: str) -> int:
    """Write the results, print their paths, and return the exit code."""
    files = [options.output / 'faces.json']
    with record_writer(files[0]) as write:
        for frame in recorder.frames:
            write(frame)
    if recorder.sheet:
        files += [options.output / 'annotated.mp4', options.output / 'contact_sheet.png']
        chosen = np.linspace(0, len(recorder.sheet) - 1, SHEET_IMAGES).round().astype(int)
        images = [recorder.sheet[index] for index in dict.fromkeys(chosen)]
        write_image(files[2], contact_sheet(images, SHEET_COLUMNS, SHEET_WIDTH))
    faces = sum(len(frame.faces) for frame in recorder.frames)
    with_faces = sum(bool(frame.faces) for frame in recorder.frames)
    published_text = f'{published}, ' if published else ''
    print(
        f'{published_text}{len(recorder.frames)} images processed, '
        f'{faces} faces in {with_faces} of them'
    )
    for path in files:
        print(f'  {path}')
    if options.source == SAMPLE and not options.topic:
        print('photographs of the sample:', *sample_credits(), sep='\n  ')
    return DONE if faces else NO_FACES

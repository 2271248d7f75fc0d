"""Publish a sample, a video or a camera of this machine on `image`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
import time

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.io.sample import FPS, sample_frames
from face_classification_ros.io.videos import Frame, Frames, read_video
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.runtime import ros_running, RosStartError, signals_as_interrupt
from face_classification_ros.types import Image

SAMPLE = 'sample'
FRAME_ID = 'camera_optical_frame'
DEFAULT_FPS = 30.0
"""Frames per second of a camera that does not report its own."""

SUBSCRIBER_TIMEOUT = 30.0
"""Seconds to wait for a subscriber."""


class CameraError(ValueError):
    """A camera cannot be opened.

    Attributes:
        number: of the camera.
    """

    def __init__(self, number: int) -> None:
        """Name the camera."""
        super().__init__(f'camera {number} cannot be opened')
        self.number = number


class Camera(Node):
    """Publishes images to its subscribers."""

    def __init__(self) -> None:
        """Create the publisher, which is reliable and so matches all subscriptions."""
        super().__init__('camera')
        self._publisher = self.create_publisher(
            ImageMessage,
            'image',
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=2,
                reliability=ReliabilityPolicy.RELIABLE,
            ),
        )

    def play(self, frames: Iterator[Frame], rate: float | None) -> int:
        """Publish all frames after the first subscriber is there.

        Args:
            frames: their stamps say when they are published.
            rate: images per second, instead of the stamps.

        Returns:
            Number of published images.

        Raises:
            TimeoutError: nobody subscribes.
        """
        end = time.monotonic() + SUBSCRIBER_TIMEOUT
        while not self._publisher.get_subscription_count():
            if time.monotonic() > end:
                raise TimeoutError(
                    f'nobody subscribed to {self._publisher.topic_name} within '
                    f'{SUBSCRIBER_TIMEOUT:.0f} s'
                )
            time.sleep(0.02)
        published = 0
        start = 0.0
        for frame in frames:
            message = image_to_message(frame.image, Header(frame_id=FRAME_ID))
            if not published:
                # Opening a source and the first message take a third of a second, which the next
                # images would make up for in a burst.
                start = time.monotonic()
            due = start + (frame.number / rate if rate else frame.stamp)
            time.sleep(max(0.0, due - time.monotonic()))
            if not rclpy.ok():
                break
            message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(message)
            published += 1
        return published


@contextmanager
def open_source(source: str) -> Iterator[Frames]:
    """Open a sample, a video or a camera.

    Args:
        source: 'sample', the path of a video, or the number of a camera.

    Yields:
        Its frames.

    Raises:
        CameraError: the camera cannot be opened.
        UnreadableError: see `read_video`, which rejects playlists of other files and addresses.
        ImportError: the sample needs packages of the extra [demo].
    """
    if source == SAMPLE:
        yield _at_rate(sample_frames(), FPS)
    elif source.isdecimal():
        camera = cv2.VideoCapture(int(source))
        if not camera.isOpened():
            raise CameraError(int(source))
        yield _at_rate(_images(camera), camera.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS)
    else:
        with read_video(Path(source)) as video:
            yield video


def _at_rate(images: Iterator[Image], fps: float) -> Frames:
    return Frames(fps, (Frame(number, number / fps, each) for number, each in enumerate(images)))


def _images(camera: cv2.VideoCapture) -> Iterator[Image]:
    while True:
        readable, image = camera.read()
        if not readable:
            return
        yield image.astype(np.uint8, copy=False)


def _play(arguments: argparse.Namespace, args: list[str] | None) -> int:
    """Publish the source once or again and again, and return the number of published images."""
    published = 0
    # Opened before ROS starts, so that a source that cannot be opened is reported at once.
    with open_source(arguments.source) as source, ros_running(args), signals_as_interrupt():
        camera = Camera()
        published += camera.play(source.frames, arguments.rate)
        while arguments.repeat and rclpy.ok():
            with open_source(arguments.source) as again:
                published += camera.play(again.frames, arguments.rate)
    return published


def main(args: list[str] | None = None) -> int:
    """Publish a source, and print the number of published images.

    Returns:
        Exit code: 0, or 2 if the source cannot be opened, ROS cannot start, or nobody subscribes.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'source',
        nargs='?',
        default=SAMPLE,
        help='sample (the default, 20 s), the path of a video, or the number of a camera',
    )
    parser.add_argument(
        '--rate', type=float, help='images per second (default: the times of the source)'
    )
    parser.add_argument('--repeat', action='store_true', help='play the source again and again')
    try:
        given = sys.argv if args is None else args
        arguments = parser.parse_args(rclpy.utilities.remove_ros_args(given)[1:])
        if arguments.rate is not None and not arguments.rate > 0:
            raise ValueError(f'--rate {arguments.rate} is not above 0')
        published = _play(arguments, args)
        print(f'{published} images published', flush=True)
    except (ValueError, ImportError, RosStartError, TimeoutError) as error:
        print(f'camera: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0

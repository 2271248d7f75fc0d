"""A camera for trying things out: plays a sample, a video or a real camera on `image`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
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
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.runtime import ros_running, signals_as_interrupt
from face_classification_ros.types import Image

SAMPLE = 'sample'
FRAME_ID = 'camera_optical_frame'
WAIT_FOR_SUBSCRIBER = 30.0
"""Seconds after which a camera that nobody looks at gives up."""


class Camera(Node):
    """Publishes pictures at a steady rate once somebody subscribes."""

    def __init__(self) -> None:
        """Offer the topic; reliable, so that subscribers of both kinds are served."""
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

    def play(self, frames: Iterator[Image], rate: float) -> int:
        """Publish all frames, `rate` of them in a second.

        Returns:
            How many were sent.

        Raises:
            TimeoutError: nobody subscribes.
        """
        limit = time.monotonic() + WAIT_FOR_SUBSCRIBER
        while not self._publisher.get_subscription_count():
            if time.monotonic() > limit:
                raise TimeoutError(
                    f'nobody subscribed to {self._publisher.topic_name} within '
                    f'{WAIT_FOR_SUBSCRIBER:.0f} s'
                )
            time.sleep(0.02)
        sent = 0
        start = 0.0
        for frame in frames:
            message = image_to_message(frame, Header(frame_id=FRAME_ID))
            if not sent:
                # Opening a source and loading what makes messages takes a third of a second, after
                # which the next pictures would come all at once.
                start = time.monotonic()
            time.sleep(max(0.0, start + sent / rate - time.monotonic()))
            if not rclpy.ok():
                break
            message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(message)
            sent += 1
        return sent


def read_frames(source: str) -> tuple[Iterator[Image], float]:
    """Open a source of frames.

    Args:
        source: 'sample', the path of a video, or the number of a camera.

    Returns:
        The frames, and how many of them are shown in a second.

    Raises:
        ValueError: it cannot be opened.
        ImportError: the sample needs scikit-image.
    """
    if source == SAMPLE:
        return sample_frames(), FPS
    video = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not video.isOpened():
        kind = 'camera' if source.isdecimal() else 'video'
        raise ValueError(f'{kind} {source} cannot be opened')
    return _frames(video), video.get(cv2.CAP_PROP_FPS) or 30.0


def _frames(video: cv2.VideoCapture) -> Iterator[Image]:
    while True:
        readable, frame = video.read()
        if not readable:
            return
        yield frame.astype(np.uint8, copy=False)


def main(args: list[str] | None = None) -> int:
    """Play a source and say how many pictures were sent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', nargs='?', default=SAMPLE, help='sample, video or camera number')
    parser.add_argument('--rate', type=float, help="pictures per second; the source's own if left")
    try:
        given = sys.argv if args is None else args
        arguments = parser.parse_args(rclpy.utilities.remove_ros_args(given)[1:])
        frames, rate = read_frames(arguments.source)
        with ros_running(args), signals_as_interrupt():
            sent = Camera().play(frames, arguments.rate or rate)
        print(f'sent {sent}', flush=True)
    except (ValueError, ImportError, TimeoutError) as error:
        print(f'camera: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0

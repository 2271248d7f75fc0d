"""Check whether images arrive, with the current settings of DDS."""

from __future__ import annotations

from collections.abc import Iterator
import os
import subprocess
import sys
import time

import numpy as np
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.doctor.dds import PROFILE_VARIABLES
from face_classification_ros.doctor.findings import ERROR, Finding, OK
from face_classification_ros.inference.model_zoo import dds_profile
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.doctor.environment import temporary_node

IMAGE_COUNT = 60

RATE = 30.0
"""Test images per second, 640x480 bgr8."""

MIN_FRACTION = 0.95
"""Fraction of the test images that has to arrive."""


def check_throughput() -> Iterator[Finding]:
    """Send test images from one process to another."""
    with temporary_node('face_classification_doctor') as node:
        yield evaluate_throughput(measure_throughput(node), IMAGE_COUNT)


def evaluate_throughput(received: int, sent: int) -> Finding:
    """Compare the number of received test images with that of the sent ones."""
    text = f'{received} of {sent} test images of 640x480 arrived, best effort, at {RATE:.0f} Hz'
    if received >= MIN_FRACTION * sent:
        return Finding('throughput-ok', OK, 'throughput', text)
    variables = ' '.join(f'{name}={dds_profile()}' for name in PROFILE_VARIABLES)
    remedy = f'export {variables}, here and for the camera driver'
    return Finding('throughput-too-low', ERROR, 'throughput', text, remedy)


def measure_throughput(node: Node) -> int:
    """Return how many of `IMAGE_COUNT` test images arrive from a child process, best effort.

    Raises:
        RuntimeError: the child process failed.
    """
    topic = f'/face_classification_doctor_{os.getpid()}/image'
    received: list[None] = []
    # Deep enough for all images: this measures the transport, not this loop.
    qos = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=IMAGE_COUNT,
        reliability=ReliabilityPolicy.BEST_EFFORT,
    )
    subscription = node.create_subscription(
        ImageMessage, topic, lambda message: received.append(None), qos
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    program = f'from {__name__} import send_images; send_images({topic!r})'
    sender = subprocess.Popen([sys.executable, '-c', program], text=True, stderr=subprocess.PIPE)
    try:
        while sender.poll() is None:
            executor.spin_once(timeout_sec=0.1)
        # The last images may still be in transport.
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.remove_node(node)
        executor.shutdown()
        sender.kill()
        _, errors = sender.communicate()
        node.destroy_subscription(subscription)
    if sender.returncode != 0:
        lines = errors.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f'exit code {sender.returncode}')
    return len(received)


def send_images(topic: str) -> None:
    """Publish `IMAGE_COUNT` images once there is a subscriber; runs in the child process.

    Raises:
        TimeoutError: no subscriber within 30 seconds.
    """
    with temporary_node('face_classification_doctor_camera') as node:
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.RELIABLE
        )
        publisher = node.create_publisher(ImageMessage, topic, qos)
        end = time.monotonic() + 30
        while not publisher.get_subscription_count():
            if time.monotonic() > end:
                raise TimeoutError(f'{topic} has no subscriber after 30 s')
            time.sleep(0.05)
        # The subscriber may not have discovered this publisher yet.
        time.sleep(0.5)
        message = image_to_message(np.zeros((480, 640, 3), np.uint8), Header())
        start = time.monotonic()
        for number in range(IMAGE_COUNT):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            publisher.publish(message)
        publisher.wait_for_all_acked(Duration(seconds=5))

"""Say how ROS and DDS are set up, which cameras are there, and whether their pictures arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
import os
import subprocess
import sys
import time

import numpy as np
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import (
    HistoryPolicy,
    qos_check_compatible,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.topic_endpoint_info import TopicEndpointInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.doctor import Finding, HINT, look, OK, PROFILE_VARIABLES, WRONG
from face_classification_ros.inference.model_zoo import dds_profile
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.runtime import ros_running

DISCOVERY = 3.0
"""Seconds that are given to others to be found."""

PICTURES = 60
RATE = 30.0
"""Of the test pictures, 640x480 bgr8."""

ARRIVED = 0.95
"""Share of the test pictures that has to arrive."""

PICTURE_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')

# As the node subscribes unless `image_reliability` says otherwise.
BEST_EFFORT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)


@dataclass(frozen=True)
class CameraTopic:
    """A topic with pictures.

    Attributes:
        name: of the topic.
        publishers: who sends them.
        subscribers: nodes of this package that want them.
    """

    name: str
    publishers: Sequence[TopicEndpointInfo]
    subscribers: Sequence[TopicEndpointInfo]


def examine_ros() -> Iterator[Finding]:
    """Look at everything that needs ROS; a few seconds long."""
    yield look('ROS', check_ros)
    with ros_running([], ends_at_signal=False):
        node = Node('face_classification_doctor', start_parameter_services=False)
        yield from evaluate_topics(find_topics(node))
        yield look('throughput', lambda: evaluate_throughput(*measure_throughput(node)))
        node.destroy_node()


def check_ros() -> Finding:
    """Tell which ROS and which DDS is there, and how far it reaches."""
    environment = os.environ
    reach = environment.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    rmw = rclpy.get_rmw_implementation_identifier()
    text = (
        f'{environment.get("ROS_DISTRO", "from wheels")}, {rmw}, domain '
        f'{environment.get("ROS_DOMAIN_ID", "0")}, discovery range {reach}'
    )
    if 'fastrtps' not in rmw:
        return Finding(
            'ROS', HINT, text, 'tried with Fast DDS alone: export RMW_IMPLEMENTATION='
            'rmw_fastrtps_cpp, or see in the throughput below that pictures arrive',
        )  # fmt: skip
    return Finding('ROS', OK, text)


def find_topics(node: Node) -> list[CameraTopic]:
    """Give all topics with pictures that are found within `DISCOVERY` seconds."""
    # DDS looks for them in threads of its own.
    time.sleep(DISCOVERY)
    return [
        CameraTopic(
            name,
            node.get_publishers_info_by_topic(name),
            [
                each
                for each in node.get_subscriptions_info_by_topic(name)
                if each.node_name == 'face_classification'
            ],
        )
        for name, types in sorted(node.get_topic_names_and_types())
        if set(types) & set(PICTURE_TYPES)
    ]


def evaluate_topics(topics: Sequence[CameraTopic]) -> Iterator[Finding]:
    """Judge whether the pictures of each topic get to the node, if it is there, or would."""
    cameras = [topic for topic in topics if topic.publishers]
    if not cameras:
        yield Finding(
            'camera topics',
            HINT,
            'nobody publishes pictures here',
            'start the driver of the camera; compare ROS_DOMAIN_ID and '
            'ROS_AUTOMATIC_DISCOVERY_RANGE with its',
        )
    for topic in topics:
        yield evaluate_topic(topic)


def evaluate_topic(topic: CameraTopic) -> Finding:
    """Compare the QoS of publishers and subscribers, as DDS does, silently."""
    subject = f'topic {topic.name}'
    if not topic.publishers:
        return Finding(
            subject,
            WRONG if topic.subscribers else HINT,
            'nobody publishes it' + (', and the node waits for it' if topic.subscribers else ''),
            'remap `image` to a topic that is published',
        )
    wanted = [each.qos_profile for each in topic.subscribers] or [BEST_EFFORT]
    for publisher in topic.publishers:
        for qos in wanted:
            verdict, reason = qos_check_compatible(publisher.qos_profile, qos)
            if verdict == QoSCompatibility.ERROR:
                return Finding(
                    subject,
                    WRONG,
                    f'{_name(publisher)} cannot serve the node: {" ".join(reason.split())}',
                    'set image_reliability to best_effort',
                )
    for subscriber in topic.subscribers:
        if subscriber.topic_type != topic.publishers[0].topic_type:
            return Finding(
                subject,
                WRONG,
                f'{topic.publishers[0].topic_type} is sent, the node wants '
                f'{subscriber.topic_type}',
                'set image_transport, and remap `image` without the name of a transport',
            )
    who = ', '.join(
        f'{_name(each)} ({each.topic_type}, {each.qos_profile.reliability.name.lower()})'
        for each in topic.publishers
    )
    return Finding(subject, OK, f'{who}; {len(topic.subscribers)} node(s) listen')


def measure_throughput(node: Node) -> tuple[int, int]:
    """Send pictures from a process of its own, with the present settings of DDS.

    Returns:
        How many of 640x480 arrived, best effort, and how many were sent.

    Raises:
        RuntimeError: the process did not send.
    """
    topic = f'/face_classification_doctor_{os.getpid()}/image'
    arrived: list[None] = []
    # As deep as all pictures: what is measured is the way, not this loop.
    qos = QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=PICTURES,
        reliability=ReliabilityPolicy.BEST_EFFORT,
    )
    subscription = node.create_subscription(
        ImageMessage, topic, lambda message: arrived.append(None), qos
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    program = f'from {__name__} import send_pictures; send_pictures({topic!r})'
    sender = subprocess.Popen([sys.executable, '-c', program], text=True, stderr=subprocess.PIPE)
    try:
        while sender.poll() is None:
            executor.spin_once(timeout_sec=0.1)
        # The last ones are on their way.
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
    return len(arrived), PICTURES


def send_pictures(topic: str) -> None:
    """Publish `PICTURES` pictures once somebody listens: what the process of its own runs.

    Raises:
        TimeoutError: nobody does.
    """
    with ros_running([], ends_at_signal=False):
        node = Node('face_classification_doctor_camera', start_parameter_services=False)
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=2, reliability=ReliabilityPolicy.RELIABLE
        )
        publisher = node.create_publisher(ImageMessage, topic, qos)
        end = time.monotonic() + 30
        while not publisher.get_subscription_count():
            if time.monotonic() > end:
                raise TimeoutError(f'nobody subscribed to {topic} within 30 s')
            time.sleep(0.05)
        # The subscriber may not know of this publisher yet.
        time.sleep(0.5)
        message = image_to_message(np.zeros((480, 640, 3), np.uint8), Header())
        start = time.monotonic()
        for number in range(PICTURES):
            time.sleep(max(0.0, start + number / RATE - time.monotonic()))
            publisher.publish(message)
        publisher.wait_for_all_acked(Duration(seconds=5))
        node.destroy_node()


def evaluate_throughput(arrived: int, sent: int) -> Finding:
    """Judge how many test pictures arrived."""
    text = f'{arrived} of {sent} test pictures of 640x480 arrived, best effort, at {RATE:.0f} Hz'
    if arrived >= ARRIVED * sent:
        return Finding('throughput', OK, text)
    variables = ' '.join(f'{name}={dds_profile()}' for name in PROFILE_VARIABLES)
    return Finding(
        'throughput', WRONG, text, f'export {variables}, here and for the driver of the camera'
    )


def _name(info: TopicEndpointInfo) -> str:
    return f'{info.node_namespace.rstrip("/")}/{info.node_name}'

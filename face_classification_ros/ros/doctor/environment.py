"""Check which ROS and which DDS are used, and run nodes for other checks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os

import rclpy
from rclpy.node import Node

from face_classification_ros.doctor.findings import Finding, OK, WARN
from face_classification_ros.ros.compat import distribution
from face_classification_ros.ros.runtime import ros_running


def check_ros() -> Iterator[Finding]:
    """Report distribution, DDS, domain and discovery range."""
    environment = os.environ
    rmw = rclpy.get_rmw_implementation_identifier()
    text = (
        f'{distribution()}, {rmw}, domain '
        f'{environment.get("ROS_DOMAIN_ID", "0")}, discovery range '
        f'{environment.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")}'
    )
    if 'fastrtps' in rmw:
        yield Finding('ros-ok', OK, 'ROS', text)
    else:
        yield Finding(
            'rmw-untested',
            WARN,
            'ROS',
            text,
            'only Fast DDS is tested: export RMW_IMPLEMENTATION=rmw_fastrtps_cpp, or check below '
            'whether images arrive',
        )


@contextmanager
def temporary_node(name: str) -> Iterator[Node]:
    """Start ROS and a node for a block of code."""
    with ros_running([], ends_at_signal=False):
        node = Node(name, start_parameter_services=False)
        try:
            yield node
        finally:
            node.destroy_node()

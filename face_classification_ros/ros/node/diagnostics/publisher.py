"""Publish the status of the node on `/diagnostics`, once a second in every state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from face_classification_ros.ros.node.diagnostics.status import Status
from face_classification_ros.ros.node.steady_clock import STEADY

PERIOD = 1.0
"""Seconds between two messages."""


class Diagnostics:
    """Publishes the status of each part; diagnostic_updater does the same but is in no wheel."""

    def __init__(self, node: Node, evaluate: Callable[[], Mapping[str, Status]]) -> None:
        """Start immediately.

        Args:
            node: publishes; its name is part of the name of each status.
            evaluate: returns name -> status of each part of the node; called once a second.
        """
        self._node = node
        self._evaluate = evaluate
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Of the steady clock: simulated time may stand still, and the status must not.
        self._timer = node.create_timer(PERIOD, self._publish, clock=STEADY)

    def _publish(self) -> None:
        # As diagnostic_updater does: the name of the node without the leading slash.
        name = self._node.get_fully_qualified_name().lstrip('/')
        camera = self._node.resolve_topic_name('image')
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        for part, status in self._evaluate().items():
            values = {'code': status.code, **status.values}
            message.status.append(
                DiagnosticStatus(
                    level=bytes([status.level]),
                    name=f'{name}: {part}',
                    message=status.message,
                    hardware_id=camera,
                    values=[KeyValue(key=key, value=value) for key, value in values.items()],
                )
            )
        self._publisher.publish(message)

"""The node's health on `/diagnostics`, once a second and in every state of its life cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from face_classification_ros.ros.node.diagnostics.status import Status

PERIOD = 1.0
"""Seconds between two messages."""


class Diagnostics:
    """Publishes what `evaluate` says; diagnostic_updater does the same but is in no wheel."""

    def __init__(self, node: Node, evaluate: Callable[[], Mapping[str, Status]]) -> None:
        """Begin at once.

        Args:
            node: whose name the lines carry.
            evaluate: gives name -> health of each part of the node; called once a second.
        """
        self._node = node
        self._evaluate_status = evaluate
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Of the steady clock: a simulated one may stand still, and that is no reason for silence.
        self._timer = node.create_timer(
            PERIOD, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def _publish(self) -> None:
        # As diagnostic_updater has it: the name of the node, without the slash in front.
        name = self._node.get_fully_qualified_name().lstrip('/')
        camera = self._node.resolve_topic_name('image')
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                level=bytes([status.level]),
                name=f'{name}: {part}',
                message=status.message,
                hardware_id=camera,
                values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
            )
            for part, status in self._evaluate_status().items()
        ]
        self._publisher.publish(message)

"""Detect other nodes of the same name, whose results cannot be distinguished."""

from __future__ import annotations

from rclpy.node import Node

from face_classification_ros.ros.node.diagnostics.status import Level, Status

LEASE = 25.0
"""Seconds for which a killed node remains in the graph: 20 with Fast DDS, and some margin."""


class NameConflicts:
    """Checks for nodes with the name and namespace of the node."""

    def __init__(self, node: Node) -> None:
        """Start without a conflict."""
        self._node = node
        self._since: float | None = None
        self._is_reported = False

    def evaluate(self, now: float) -> Status | None:
        """Return the status of a conflict, None if there is none; call it once a second.

        A restarted node meets its dead predecessor for a while, so a conflict counts after
        `LEASE`.

        Args:
            now: seconds of the steady clock.
        """
        own = self._node.get_name(), self._node.get_namespace()
        count = self._node.get_node_names_and_namespaces().count(own)
        if count < 2:
            self._since, self._is_reported = None, False
            return None
        self._since = now if self._since is None else self._since
        if now - self._since < LEASE:
            return None
        problem = (
            f'{count} nodes have the name {self._node.get_fully_qualified_name()}: all of them '
            'publish faces, and any of them responds to services; use a namespace for each'
        )
        if not self._is_reported:
            self._is_reported = True
            self._node.get_logger().warning(problem)
        return Status(Level.WARN, 'name_conflict', problem)

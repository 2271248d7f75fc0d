"""Notice nodes of the same name, between whose answers nobody can tell."""

from __future__ import annotations

from rclpy.node import Node

from face_classification_ros.ros.node.diagnostics.status import Level, Status

LEASE = 25.0
"""Seconds for which a node that was killed seems to live on: 20 by Fast DDS, and some."""


class NameConflicts:
    """Looks for nodes of the node's own name and namespace."""

    def __init__(self, node: Node) -> None:
        """Have seen none yet."""
        self._node = node
        self._since: float | None = None
        self._is_told = False

    def evaluate(self, now: float) -> Status | None:
        """Give what is to be told of them; to be called once a second.

        A node that has been started again meets its dead predecessor for a while, so a namesake is
        told after `LEASE`.

        Args:
            now: seconds of the steady clock.
        """
        own = self._node.get_name(), self._node.get_namespace()
        count = self._node.get_node_names_and_namespaces().count(own)
        if count < 2:
            self._since, self._is_told = None, False
            return None
        self._since = now if self._since is None else self._since
        if now - self._since < LEASE:
            return None
        problem = (
            f'{count} nodes are called {self._node.get_fully_qualified_name()}: faces come from '
            'all of them, and services are answered by any; start each in a namespace of its own'
        )
        if not self._is_told:
            self._is_told = True
            self._node.get_logger().warning(problem)
        return Status(Level.WARN, problem)

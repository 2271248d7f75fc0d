"""Select the reliability of the subscriptions to images and depth."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

from face_classification_ros.ros.node.parameters.node_config import NodeConfig


class Reliability:
    """Selects the reliability of subscriptions by the configuration and by what is lost.

    With `auto`, subscriptions are best effort, which matches every publisher, until images are
    lost in transport, as those are that do not fit into the shared memory of a camera without the
    DDS profile. From then on they are reliable where all publishers are.
    """

    def __init__(self, node: Node) -> None:
        """Create the selection for the subscriptions of a node."""
        self._node = node
        self._has_lost = False

    def record_loss(self) -> None:
        """Record that images are lost in transport."""
        self._has_lost = True

    def select(self, topic: str, config: NodeConfig) -> ReliabilityPolicy:
        """Return the reliability for a subscription to a topic, given by its resolved name."""
        is_reliable = config.image_reliability == 'reliable' or (
            config.image_reliability == 'auto' and self._has_lost and self._is_offered(topic)
        )
        return ReliabilityPolicy.RELIABLE if is_reliable else ReliabilityPolicy.BEST_EFFORT

    def _is_offered(self, topic: str) -> bool:
        publishers = self._node.get_publishers_info_by_topic(topic)
        return bool(publishers) and all(
            each.qos_profile.reliability == ReliabilityPolicy.RELIABLE for each in publishers
        )

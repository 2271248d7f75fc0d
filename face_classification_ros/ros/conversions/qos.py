"""Define the quality of service of the node's topics."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)
"""Of everything that is published per image; rviz and image viewers require reliable images."""

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
"""Of what late subscribers receive, too."""

REQUESTS = QoSProfile(depth=100)
"""Of services; DDS silently drops requests that exceed the depth while the node is busy."""

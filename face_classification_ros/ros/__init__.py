"""The ROS part of the package: node, client, replay, demo, and conversions of messages."""

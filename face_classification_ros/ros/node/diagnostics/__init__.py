"""The state of the node as ROS diagnostics."""

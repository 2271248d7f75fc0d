"""Publish the status of the node as ROS diagnostics."""

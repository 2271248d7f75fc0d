"""The ROS side: node, parameters, and conversion of pictures and messages."""

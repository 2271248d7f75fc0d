"""Check how ROS, DDS and cv_bridge are set up, and whether images arrive."""

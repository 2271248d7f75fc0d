"""The checks that need ROS, in the order in which they run; they take a few seconds."""

from face_classification_ros.doctor.findings import Check
from face_classification_ros.ros.doctor import cv_bridge, environment, throughput, topics

CHECKS = (
    Check('ROS', environment.check_ros),
    Check('cv_bridge', cv_bridge.check_cv_bridge),
    Check('image topics', topics.check_topics),
    Check('throughput', throughput.check_throughput),
)

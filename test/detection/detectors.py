"""Create detectors for tests, each image searched as a whole."""

from typing import Any

from face_classification_ros.config import DetectorConfig
from face_classification_ros.detection import create_detector, Detector


def create(name: str, **settings: Any) -> Detector:
    """Create a detector by its name and further settings."""
    return create_detector(DetectorConfig(detector=name, **({'detection_interval': 1} | settings)))

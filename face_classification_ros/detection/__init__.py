"""Find faces: a picture goes in, bounding boxes come out."""

from face_classification_ros.detection.registry import create_detector, Detector, DETECTORS

__all__ = ['DETECTORS', 'Detector', 'create_detector']

"""Detect faces: an image goes in, bounding boxes come out."""

from face_classification_ros.detection.registry import create_detector, Detector

__all__ = ['Detector', 'create_detector']

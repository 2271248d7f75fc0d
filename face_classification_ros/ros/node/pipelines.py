"""The pipeline that the node's parameters describe, for the node and for what replays without."""

from __future__ import annotations

import cv2

from face_classification_ros.detection import create_detector
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.pipeline import FacePipeline, load_classifiers
from face_classification_ros.ros.node.parameters import Parameters
from face_classification_ros.tracking.tracker import Tracker


def make_pipeline(parameters: Parameters, tracker: Tracker) -> FacePipeline:
    """Load detector and models.

    Raises:
        FileNotFoundError, ImportError, ValueError: see `create_detector`, `load_classifiers` and
            `model_path`.
    """
    # OpenCV's threads are one pool for the whole process; it scales and converts pictures.
    cv2.setNumThreads(parameters.num_threads)
    detector = create_detector(
        parameters.detector,
        model=parameters.detector_model,
        threshold=parameters.detection_threshold,
        width=parameters.detection_size,
        min_face_size=parameters.min_face_size,
        num_threads=parameters.num_threads,
        interval=parameters.detection_interval,
    )
    classifiers = load_classifiers(
        {
            'gender': model_path(parameters.gender_model),
            'emotion': model_path(parameters.emotion_model),
        },
        num_threads=parameters.num_threads,
    )
    return FacePipeline(
        detector,
        classifiers,
        tracker,
        parameters.thresholds,
        parameters.smoothing_time,
        parameters.rotation,
    )

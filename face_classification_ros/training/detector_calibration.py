"""Calibrate the score of a trained detector on labeled scenes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logit

from face_classification_ros.config import DetectorConfig
from face_classification_ros.datasets.face_scenes import Scene
from face_classification_ros.datasets.scene_matching import match_scenes
from face_classification_ros.detection import create_detector

SIZES = (320, 640)
"""Longer sides in pixels to which scenes are resized: as for the node, and for still images."""

LOWEST_SCORE = 0.05
"""Detections below it are nearly never used, and would outnumber the others."""


@dataclass(frozen=True)
class ScoreCalibration:
    """Parameters of probability = sigmoid(scale * logit + offset) (Platt 1999)."""

    scale: float = 1.0
    offset: float = 0.0


def calibrate_detector(model: Path, scenes: Sequence[Scene]) -> ScoreCalibration:
    """Return the calibration with which a score is the probability that there is a face.

    Args:
        model: file of a detector without calibration.
        scenes: labeled; their regions to ignore count neither as faces nor as false alarms.

    Raises:
        ValueError: an image cannot be read.
    """
    matched = []
    for size in SIZES:
        config = DetectorConfig(
            detector='yunet',
            detector_model=str(model),
            detection_size=size,
            detection_threshold=LOWEST_SCORE,
            detection_interval=1,
        )
        matched += match_scenes(create_detector(config), scenes)
    return fit_score_calibration(
        np.array([each.confidence for each in matched]),
        np.array([each.size is not None for each in matched], bool),
    )


def fit_score_calibration(
    scores: NDArray[np.float64], is_face: NDArray[np.bool_]
) -> ScoreCalibration:
    """Return the calibration that minimizes the mean negative log-likelihood.

    Args:
        scores: of detections, N, above 0 and at most 1.
        is_face: whether each of them is a face, N.

    Returns:
        The calibration; that which changes nothing if all detections are faces or none is.
    """
    if is_face.all() or not is_face.any():
        return ScoreCalibration()
    logits = logit(np.clip(scores, 1e-6, 1 - 1e-6))
    sign = np.where(is_face, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> float:
        scale, offset = parameters
        return float(np.logaddexp(0, -sign * (scale * logits + offset)).mean())

    scale, offset = minimize(loss, (1.0, 0.0)).x
    return ScoreCalibration(float(scale), float(offset))

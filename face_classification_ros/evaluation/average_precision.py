"""Evaluate a detector over all its thresholds: average precision, recall, landmark error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_scenes import Scene
from face_classification_ros.datasets.scene_matching import match_scenes, MatchedDetection
from face_classification_ros.detection import Detector

FALSE_ALARMS = (0.05, 0.2)
"""False alarms per image at which the recall is reported."""

SIZES = (0, 16, 32, 64, 128, math.inf)
"""Limits of the groups of faces by size in pixels, the root of width times height."""

LOWEST_CONFIDENCE = 0.02
"""Detections below it are not needed: they would be false alarms by the thousand."""


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold of the detector and what it means.

    Attributes:
        false_alarms: the largest allowed number per image.
        threshold: the lowest confidence that has no more of them.
        recall: found fraction of the faces, 0 to 1.
        recall_by_size: `16-32` and so on -> number of faces and found fraction of them; groups
            without faces are absent.
        landmark_error: mean of the found faces, as a fraction of the width of the box; None
            without landmarks.
    """

    false_alarms: float
    threshold: float
    recall: float
    recall_by_size: dict[str, dict[str, float]]
    landmark_error: float | None


@dataclass(frozen=True)
class PrecisionReport:
    """A detector over all its thresholds.

    Attributes:
        images: their number.
        faces: number of labeled faces.
        average_precision: area under the curve of precision over recall, 0 to 1.
        operating_points: one for each of `FALSE_ALARMS`.
        recall: of the curve, after each detection in descending order of confidence.
        precision: of the curve, at the same places.
        false_alarms: per image, at the same places.
    """

    images: int
    faces: int
    average_precision: float
    operating_points: tuple[OperatingPoint, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    false_alarms: tuple[float, ...]


def evaluate_scenes(detector: Detector, scenes: Sequence[Scene]) -> PrecisionReport:
    """Run a detector on labeled scenes and measure it over all its thresholds.

    Args:
        detector: with a threshold of `LOWEST_CONFIDENCE`.
        scenes: images with faces and regions to ignore.

    Raises:
        ValueError: the scenes have no faces, or an image cannot be read.
    """
    sizes = [math.sqrt(box.area) for scene in scenes for box in scene.boxes('face')]
    return summarize(match_scenes(detector, scenes), sizes, len(scenes))


def summarize(
    matched: Sequence[MatchedDetection], sizes: Sequence[float], images: int
) -> PrecisionReport:
    """Compute the figures of a detector.

    Args:
        matched: all its detections that count.
        sizes: of all labeled faces in pixels.
        images: their number.

    Raises:
        ValueError: there is no labeled face.
    """
    if not sizes:
        raise ValueError('the scenes have no labeled faces')
    ranked = sorted(matched, key=lambda each: each.confidence, reverse=True)
    is_face = np.array([each.size is not None for each in ranked], bool)
    found, false = np.cumsum(is_face), np.cumsum(~is_face)
    recall = found / len(sizes)
    precision = found / np.arange(1, len(ranked) + 1)
    return PrecisionReport(
        images,
        len(sizes),
        _average_precision(recall, precision),
        tuple(_operating_point(ranked, sizes, images, limit) for limit in FALSE_ALARMS),
        tuple(recall.tolist()),
        tuple(precision.tolist()),
        tuple((false / images).tolist()),
    )


def _average_precision(recall: NDArray[np.float64], precision: NDArray[np.float64]) -> float:
    """Return the area under the curve, in which precision never rises with recall."""
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * highest).sum())


def _operating_point(
    ranked: Sequence[MatchedDetection], sizes: Sequence[float], images: int, limit: float
) -> OperatingPoint:
    accepted: list[MatchedDetection] = []
    false = 0
    for each in ranked:
        false += each.size is None
        if false > limit * images:
            # Detections of the same confidence pass the same threshold.
            accepted = [one for one in accepted if one.confidence > each.confidence]
            break
        accepted.append(each)
    found = [each.size for each in accepted if each.size is not None]
    errors = [each.landmark_error for each in accepted if each.landmark_error is not None]
    by_size = {}
    for low, high in itertools.pairwise(SIZES):
        faces = sum(low <= size < high for size in sizes)
        if faces:
            name = f'{low:g}-{high:g}' if high < math.inf else f'{low:g}-'
            hits = sum(low <= size < high for size in found)
            by_size[name] = {'faces': faces, 'recall': hits / faces}
    return OperatingPoint(
        limit,
        accepted[-1].confidence if accepted else 1.0,
        len(found) / len(sizes),
        by_size,
        sum(errors) / len(errors) if errors else None,
    )

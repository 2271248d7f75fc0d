"""Faces with known estimates, for tests of people over time."""

import numpy as np

from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face

GENDERS = ('woman', 'man')


def gender(woman: float, threshold: float = 0.7) -> AttributeEstimate:
    """Return an estimate with this probability of "woman"."""
    probabilities = np.array([woman, 1 - woman], np.float32)
    return AttributeEstimate(GENDERS, probabilities, probabilities, 1, threshold)


def face(
    track_id: str,
    woman: float | None = 0.9,
    *,
    size: float = 50.0,
    position: tuple[float, float, float] | None = None,
) -> Face:
    """Return a face; without an estimate of gender if `woman` is None."""
    attributes = {} if woman is None else {'gender': gender(woman)}
    detection = Detection(BoundingBox(10.0, 10.0, size, size), 0.9)
    return Face(detection, attributes, track_id, 1.0, position)

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
    x: float = 10.0,
    size: float = 50.0,
    position: tuple[float, float, float] | None = None,
    color: float | None = None,
    looking: float = 0.0,
) -> Face:
    """Return a face; without an estimate of gender if `woman` is None.

    Args:
        track_id: of its track.
        woman: probability of "woman".
        x: left edge of its box.
        size: sides of its box.
        position: in meters.
        color: appearance of the person in all cells, None if unknown.
        looking: probability that the person looks at the camera; 0 has no orientation.
    """
    attributes = {} if woman is None else {'gender': gender(woman)}
    detection = Detection(BoundingBox(x, 10.0, size, size), 0.9)
    appearance = None if color is None else np.full((48, 3), color, np.float32)
    return Face(
        detection,
        attributes,
        track_id,
        1.0,
        position,
        orientation=(0.5, 0.5, -0.5, 0.5) if looking else None,
        looking_at_camera=looking,
        appearance=appearance,
    )

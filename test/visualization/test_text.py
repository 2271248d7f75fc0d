"""The estimates of a face are described in one line."""

from __future__ import annotations

import numpy as np

from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face
from face_classification_ros.visualization.text import estimates_text

DETECTION = Detection(BoundingBox(0, 0, 10, 10), 0.9)


def estimate(threshold: float) -> AttributeEstimate:
    """Return an estimate with 80 % for the label "cap"."""
    probabilities = np.array([0.8, 0.2], np.float32)
    return AttributeEstimate(('cap', 'none'), probabilities, probabilities, 1, threshold)


def test_every_attribute_is_named() -> None:
    """Also one whose label is unknown, which has no confidence."""
    face = Face(DETECTION, {'hat': estimate(0.5), 'mood': estimate(0.9)})
    assert estimates_text(face) == 'hat cap 80%, mood unknown'


def test_a_face_without_attributes_has_no_text() -> None:
    """The caller decides what to print instead."""
    assert estimates_text(Face(DETECTION)) == ''

"""Describe the estimates of a face as text for a terminal."""

from __future__ import annotations

from face_classification_ros.types import Face, UNKNOWN


def estimates_text(face: Face) -> str:
    """Return name, label and confidence of each attribute, such as "gender woman 85%".

    Attributes are separated by commas, and an unknown label has no confidence; "" if there are no
    attributes.
    """
    return ', '.join(
        f'{name} {UNKNOWN}'
        if each.label == UNKNOWN
        else f'{name} {each.label} {each.confidence:.0%}'
        for name, each in face.attributes.items()
    )

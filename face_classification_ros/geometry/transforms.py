"""Transform positions and orientations from one frame to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from face_classification_ros.types import Position, Quaternion


@dataclass(frozen=True, slots=True)
class Transform:
    """A rigid transform from a source frame to a target frame.

    Attributes:
        translation: origin of the source frame in the target frame, in meters.
        rotation: orientation of the source frame in the target frame; of length 1.
    """

    translation: Position = (0.0, 0.0, 0.0)
    rotation: Quaternion = (0.0, 0.0, 0.0, 1.0)

    def position(self, position: Position) -> Position:
        """Return a position of the source frame in the target frame."""
        x, y, z = np.add(self.vector(position), self.translation)
        return float(x), float(y), float(z)

    def vector(self, vector: Position) -> Position:
        """Return a vector of the source frame, such as a direction, in the target frame."""
        axis, w = np.array(self.rotation[:3]), self.rotation[3]
        value = np.array(vector)
        perpendicular = np.cross(axis, value)
        x, y, z = value + 2 * (w * perpendicular + np.cross(axis, perpendicular))
        return float(x), float(y), float(z)

    def orientation(self, orientation: Quaternion) -> Quaternion:
        """Return an orientation in the source frame as one in the target frame."""
        first, second = np.array(self.rotation[:3]), np.array(orientation[:3])
        first_w, second_w = self.rotation[3], orientation[3]
        x, y, z = first_w * second + second_w * first + np.cross(first, second)
        return float(x), float(y), float(z), float(first_w * second_w - first @ second)


IDENTITY = Transform()
"""From a frame to itself."""

"""Filter the orientation of a head over a track."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import Quaternion


@dataclass
class OrientationFilter:
    """An exponentially weighted mean of orientations.

    The normalized sum of quaternions with equal signs is the mean rotation for angles as small as
    those between the images of a head (Gramkow, "On averaging rotations", 2001).

    Attributes:
        total: weighted sum of the quaternions x, y, z, w.
        stamp: time of the newest image in seconds.
    """

    total: NDArray[np.float64] | None = None
    stamp: float = 0.0

    def add(
        self, orientation: Quaternion, stamp: float, smoothing_time: float, weight: float = 1.0
    ) -> Quaternion:
        """Add the orientation in an image, and return the mean.

        For the arguments see `TemporalFilter.add`; a weight of 0 changes nothing unless the image
        is the first.
        """
        newest = np.array(orientation)
        if self.total is None or smoothing_time == 0:
            self.total, self.stamp = newest * (weight or 1.0), stamp
        elif weight != 0 and stamp != self.stamp:
            sign = 1.0 if newest @ self.total >= 0 else -1.0
            decay = math.exp(-(stamp - self.stamp) / smoothing_time)
            self.total = self.total * decay + newest * sign * weight
            self.stamp = stamp
        x, y, z, w = (self.total / np.linalg.norm(self.total)).tolist()
        return x, y, z, w

"""Filter the distribution of an attribute over a track, and keep its label stable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import UNKNOWN

MIN_LEAD = 0.1
"""How much more probable another label must be to replace the stable one."""

HYSTERESIS = 0.05
"""How far above the threshold "unknown" becomes a label again."""


@dataclass
class TemporalFilter:
    """An exponentially weighted mean of distributions, and its stable label.

    Attributes:
        total: weighted sum of the distributions, float32, one per label.
        stamp: time of the newest image in seconds.
        frame_count: number of images in the mean.
        label: the stable label, None before the first image.
    """

    total: NDArray[np.float32] | None = None
    stamp: float = 0.0
    frame_count: int = 0
    label: str | None = None

    def add(
        self,
        probabilities: NDArray[np.float32],
        stamp: float,
        smoothing_time: float,
        weight: float = 1.0,
    ) -> None:
        """Add the distribution of an image.

        Args:
            probabilities: one per label, sum 1; not changed.
            stamp: time of the image in seconds, not before the last one. An image of the same
                time as the last one is a repetition and is ignored.
            smoothing_time: seconds in which the weight of an image decays to 1/e; 0 keeps only
                the newest.
            weight: weight of the image, 0 or more. 0 changes nothing unless it is the first.
        """
        if self.total is None or smoothing_time == 0:
            self.total, self.frame_count = probabilities * np.float32(weight or 1), 1
        elif weight == 0 or stamp == self.stamp:
            return
        else:
            decay = math.exp(-(stamp - self.stamp) / smoothing_time)
            self.total = self.total * np.float32(decay) + probabilities * np.float32(weight)
            self.frame_count += 1
        self.stamp = stamp

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The mean distribution: float32, sum 1."""
        assert self.total is not None
        return self.total / np.float32(self.total.sum())

    def update_label(self, labels: Sequence[str], threshold: float) -> str:
        """Return the stable label, which changes only if another one clearly leads.

        Below the threshold it becomes "unknown" immediately, and a label again slightly above it.
        The first label needs the threshold alone, as in a single image.
        """
        probabilities = self.probabilities
        best = int(probabilities.argmax())
        required = threshold
        if self.label == UNKNOWN:
            required = min(threshold + HYSTERESIS, (1 + threshold) / 2)
        elif self.label in labels:
            current = labels.index(self.label)
            if probabilities[best] - probabilities[current] < MIN_LEAD:
                best = current
        self.label = labels[best] if probabilities[best] >= required else UNKNOWN
        return self.label

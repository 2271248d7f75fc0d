"""What is believed of an attribute of a person: an average that forgets, a label that holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import UNKNOWN

LEAD = 0.1
"""By how much another label must be more probable to replace the one that is told."""

RETURN = 0.05
"""By how much "unknown" must be above the threshold to become a label again."""


@dataclass
class TemporalFilter:
    """A weighted mean of distributions that forgets, and the label that is told of it."""

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
        """Take a picture's distribution.

        Args:
            probabilities: one per label, sum 1; not changed.
            stamp: time of the picture in seconds, not before the last one.
            smoothing_time: seconds in which the weight of a picture falls by 1/e; 0 keeps only
                the newest.
            weight: how much it counts, above 0; 0 leaves all as it is, unless it is the first.
                So does a picture of the same time as the last: it is that again.
        """
        if self.total is None or smoothing_time == 0:
            self.total, self.frame_count = probabilities * np.float32(weight or 1), 1
        elif weight == 0 or stamp == self.stamp:
            return
        else:
            kept = math.exp(-(stamp - self.stamp) / smoothing_time)
            self.total = self.total * np.float32(kept) + probabilities * np.float32(weight)
            self.frame_count += 1
        self.stamp = stamp

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """The average: float32, sum 1."""
        assert self.total is not None
        return self.total / np.float32(self.total.sum())

    def update_label(self, labels: Sequence[str], threshold: float) -> str:
        """Tell the label, which is changed only where another one leads clearly.

        Below the threshold it is "unknown" at once; it is told again from a little above it. The
        first label needs the threshold alone, as in a single picture.
        """
        probabilities = self.probabilities
        best = int(probabilities.argmax())
        needed = threshold
        if self.label == UNKNOWN:
            needed = min(threshold + RETURN, (1 + threshold) / 2)
        elif self.label in labels:
            stable_label = labels.index(self.label)
            if probabilities[best] - probabilities[stable_label] < LEAD:
                best = stable_label
        self.label = labels[best] if probabilities[best] >= needed else UNKNOWN
        return self.label

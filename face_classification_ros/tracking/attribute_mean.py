"""Put together what was seen of one person over many pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import AttributeEstimate, Face

ATTRIBUTES = ('gender', 'emotion')


class AttributeMean:
    """The mean distribution of one person's attributes over all pictures given to it.

    Unlike the average along a track it forgets nothing: each picture counts by its quality alone.
    """

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        """Make an aggregate of no picture.

        Args:
            thresholds: attribute -> mean probability below which the label is "unknown".
        """
        self.pictures = 0
        self._thresholds = thresholds
        self._newest: Face | None = None
        self._means: dict[str, _Mean] = {}

    def add(self, face: Face) -> None:
        """Take one more picture of the person; another model's labels start the mean anew."""
        self.pictures += 1
        self._newest = face
        for attribute in ATTRIBUTES:
            estimate: AttributeEstimate | None = getattr(face, attribute)
            if estimate is None:
                continue
            mean = self._means.get(attribute)
            if mean is None or mean.newest.labels != estimate.labels:
                zeros = np.zeros_like(estimate.frame_probabilities)
                mean = self._means[attribute] = _Mean(estimate, zeros)
            mean.add(estimate)

    @property
    def face(self) -> Face:
        """The face as it was seen last, with the distributions and counts of all pictures."""
        assert self._newest is not None
        return replace(
            self._newest, gender=self._estimate('gender'), emotion=self._estimate('emotion')
        )

    def _estimate(self, attribute: str) -> AttributeEstimate | None:
        mean = self._means.get(attribute)
        return mean.estimate(self._thresholds[attribute]) if mean else None


@dataclass
class _Mean:
    newest: AttributeEstimate
    total: NDArray[np.float32]
    frame_count: int = 0

    def add(self, estimate: AttributeEstimate) -> None:
        self.newest = estimate
        # A picture of uncertain worth is better than none, should there be no other.
        weight = np.float32(max(estimate.weight, 1e-3))
        self.total = self.total + weight * estimate.frame_probabilities
        self.frame_count += 1

    def estimate(self, threshold: float) -> AttributeEstimate:
        return replace(
            self.newest,
            probabilities=self.total / np.float32(self.total.sum()),
            frame_count=self.frame_count,
            threshold=threshold,
            stable_label=None,
        )

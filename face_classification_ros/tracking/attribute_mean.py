"""Average the estimates of one person over many images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import AttributeEstimate, Face

MIN_WEIGHT = np.float32(1e-3)
"""Weight of an image of unknown quality, in case there is no better one."""


class AttributeMean:
    """The mean distribution of all attributes of a person over all images.

    Unlike the temporal filter of a track it forgets nothing: images are weighted by their quality
    alone. The label is "unknown" below the threshold of the newest estimate.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self.frame_count = 0
        self._newest: Face | None = None
        self._means: dict[str, _Mean] = {}

    def add(self, face: Face) -> None:
        """Add an image of the person; other labels of an attribute start its mean again."""
        self.frame_count += 1
        self._newest = face
        for attribute, estimate in face.attributes.items():
            mean = self._means.get(attribute)
            if mean is None or mean.newest.labels != estimate.labels:
                zeros = np.zeros_like(estimate.frame_probabilities)
                mean = self._means[attribute] = _Mean(estimate, zeros)
            mean.add(estimate)

    @property
    def face(self) -> Face:
        """The face as it was seen last, with the distributions and counts of all images."""
        assert self._newest is not None
        estimates = {attribute: mean.estimate() for attribute, mean in self._means.items()}
        return replace(self._newest, attributes=estimates)


@dataclass
class _Mean:
    newest: AttributeEstimate
    total: NDArray[np.float32]
    frame_count: int = 0

    def add(self, estimate: AttributeEstimate) -> None:
        self.newest = estimate
        weight = max(np.float32(estimate.weight), MIN_WEIGHT)
        self.total = self.total + weight * estimate.frame_probabilities
        self.frame_count += 1

    def estimate(self) -> AttributeEstimate:
        return replace(
            self.newest,
            probabilities=self.total / np.float32(self.total.sum()),
            frame_count=self.frame_count,
            stable_label=None,
        )

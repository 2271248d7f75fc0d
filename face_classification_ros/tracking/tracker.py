"""Follow faces from picture to picture and smooth what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.face import Box, Detection

MAX_DISTANCE = 0.7
"""How far a face may move between two pictures, in sides of its box."""

MAX_GROWTH = 1.8
"""How much larger or smaller a face may become between two pictures."""


@dataclass
class Track:
    """One face through time.

    Attributes:
        id: given once in the life of a tracker.
        box: where it was seen last.
        first_seen: stamp in seconds.
        last_seen: stamp in seconds.
        averages: attribute -> what was seen of it so far.
    """

    id: str
    box: Box
    first_seen: float
    last_seen: float
    averages: dict[str, _Average] = field(default_factory=dict)

    def smoothed(
        self, attribute: str, probabilities: NDArray[np.float32], smoothing_time: float
    ) -> tuple[NDArray[np.float32], int]:
        """Add this picture's distribution; give the average and the number of pictures in it.

        The weight of a picture falls by 1/e in `smoothing_time` seconds; 0 smooths nothing.
        """
        average = self.averages.setdefault(attribute, _Average())
        return average.add(probabilities, self.last_seen, smoothing_time)


@dataclass
class _Average:
    """A weighted mean of distributions that forgets."""

    total: NDArray[np.float32] | None = None
    stamp: float = 0.0
    observations: int = 0

    def add(
        self, probabilities: NDArray[np.float32], stamp: float, smoothing_time: float
    ) -> tuple[NDArray[np.float32], int]:
        if self.total is None or smoothing_time == 0:
            self.total, self.observations = probabilities, 1
        else:
            kept = math.exp(-(stamp - self.stamp) / smoothing_time)
            self.total = self.total * np.float32(kept) + probabilities
            self.observations += 1
        self.stamp = stamp
        return self.total / np.float32(self.total.sum()), self.observations


class Tracker:
    """Gives each face the id that it had in the pictures before.

    Attributes:
        timeout: seconds after which a face that was not seen again is forgotten.
        resets: how often all tracks started anew, by a call or because time was set back.
    """

    def __init__(self, timeout: float) -> None:
        """Make a tracker that forgets a face not seen for `timeout` seconds."""
        self.timeout = timeout
        self.resets = 0
        self._tracks: list[Track] = []
        self._newest = float('-inf')
        self._given = 0

    def update(self, detections: Sequence[Detection], stamp: float) -> list[Track]:
        """Give the track of each detection, in the same order.

        Pairs are made by distance, nearest first, so that one face has one track and neither is
        shared. A stamp before the last one starts all tracks anew: time was set back, as it is
        when a recording starts again.

        Args:
            detections: faces of one picture.
            stamp: time of the picture in seconds.
        """
        if stamp < self._newest:
            self.reset()
        self._newest = stamp
        self._tracks = [t for t in self._tracks if stamp - t.last_seen <= self.timeout]

        pairs = sorted(
            (distance, index, number)
            for index, detection in enumerate(detections)
            for number, track in enumerate(self._tracks)
            if (distance := _distance(detection.box, track.box)) is not None
        )
        chosen: dict[int, int] = {}
        for _, index, number in pairs:
            if index not in chosen and number not in chosen.values():
                chosen[index] = number
        result = []
        for index, detection in enumerate(detections):
            if index in chosen:
                track = self._tracks[chosen[index]]
                track.box, track.last_seen = detection.box, stamp
            else:
                self._given += 1
                track = Track(str(self._given), detection.box, stamp, stamp)
                self._tracks.append(track)
            result.append(track)
        return result

    def forget_averages(self) -> None:
        """Start the averages of all faces anew, as another model's answers need; tracks go on."""
        for track in self._tracks:
            track.averages.clear()

    def reset(self) -> None:
        """Forget all faces; ids go on."""
        self.resets += 1
        self._tracks = []
        self._newest = float('-inf')


def _distance(one: Box, other: Box) -> float | None:
    """Distance of two centres in sides of the boxes; None where it cannot be one face."""
    size, other_size = math.sqrt(one.area), math.sqrt(other.area)
    if not 0 < max(size, other_size) <= MAX_GROWTH * min(size, other_size):
        return None
    distance = math.dist(one.centre, other.centre) / ((size + other_size) / 2)
    return distance if distance <= MAX_DISTANCE else None

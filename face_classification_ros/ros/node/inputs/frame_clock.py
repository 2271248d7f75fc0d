"""Determine the time of images: by their stamps, or by their arrival if stamps are constant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from face_classification_ros.tracking.tracker import REORDERING

CONSTANT = 1.0
"""Seconds after which the same stamp again is not a repeated image."""


class TimeSource(Enum):
    """Where the time of an image comes from."""

    STAMP = 'stamp'
    ARRIVAL_ZERO_STAMP = 'zero_stamp'
    """The stamp is zero, which stands for no stamp in ROS."""
    ARRIVAL_CONSTANT_STAMP = 'constant_stamp'


@dataclass(frozen=True, slots=True)
class FrameTime:
    """The time of an image.

    Attributes:
        seconds: on the time scale of the stamps.
        source: where it comes from.
    """

    seconds: float
    source: TimeSource

    @property
    def is_stamp(self) -> bool:
        """Whether the stamp of the image is its time."""
        return self.source is TimeSource.STAMP


class FrameClock:
    """Computes the time of images, also of a camera whose stamps are all zero or constant.

    With such stamps no time would pass, and tracks would never end. Time goes back only where the
    stamps do. If constant stamps start to change, time stays ahead of them by the time that
    passed meanwhile, until they catch up.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self._stamp = float('-inf')
        self._arrival = self._constant_for = self._ahead = 0.0

    def time_of(self, stamp: float, arrival: float) -> FrameTime:
        """Return the time of the next image.

        Args:
            stamp: of the image, in seconds.
            arrival: of the image, in seconds of any clock; if that jumps back no time passes.
        """
        elapsed, self._arrival = max(0.0, arrival - self._arrival), arrival
        source = TimeSource.STAMP
        if stamp == self._stamp:
            self._constant_for += elapsed
            if self._constant_for >= CONSTANT:
                source = TimeSource.ARRIVAL_CONSTANT_STAMP
            uncertain = 0.0 if stamp == 0 else CONSTANT
            self._ahead += min(elapsed, max(0.0, self._constant_for - uncertain))
        else:
            caught_up = max(0.0, stamp - self._stamp - elapsed)
            jumped_back = stamp < self._stamp - REORDERING
            self._ahead = 0.0 if jumped_back else max(0.0, self._ahead - caught_up)
            self._stamp, self._constant_for = stamp, 0.0
        if stamp == 0 and source is TimeSource.STAMP:
            source = TimeSource.ARRIVAL_ZERO_STAMP
        return FrameTime(stamp + self._ahead, source)

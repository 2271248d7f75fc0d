"""When pictures were taken: by their stamps, or by their arrival where those stand still."""

from __future__ import annotations

STILL = 1.0
"""Seconds of the steady clock after which the same stamp again is no repeated picture."""


class PictureTime:
    """Tells the time of pictures, also of a camera whose stamps are all zero or never move.

    By such stamps no time would pass: who left would be in view for ever.

    Attributes:
        is_still: whether the newest stamp stands still, so that time goes on by the arrival.
    """

    def __init__(self) -> None:
        """Know of no picture."""
        self.is_still = False
        self._stamp = float('nan')
        self._since = 0.0

    def of(self, stamp: float, arrival: float) -> float:
        """Give the time of the next picture in seconds of the stamps.

        Args:
            stamp: of the picture, in seconds.
            arrival: when it came, in seconds of the steady clock.
        """
        if stamp != self._stamp:
            self._stamp, self._since = stamp, arrival
        stood = arrival - self._since
        self.is_still = stood >= STILL
        return stamp + stood if self.is_still else stamp

"""When pictures were taken: by their stamps, or by their arrival where those stand still."""

from __future__ import annotations

from face_classification_ros.tracking.tracker import REORDERING

STILL = 1.0
"""Seconds of the steady clock after which the same stamp again is no repeated picture."""


class FrameClock:
    """Tells the time of pictures, also of a camera whose stamps are all zero or stand still.

    By such stamps no time would pass: who left would be in view for ever. Time goes back only
    where the stamps do. Those that stood still and go on from there are ahead of by what they
    stood, until they make up for it.

    Attributes:
        is_still: whether the newest stamp has stood still for so long that time goes on by the
            arrival of pictures.
        is_by_arrival: whether that is so, or the stamp is zero, which ROS has for none.
    """

    def __init__(self) -> None:
        """Know of no picture."""
        self.is_still = False
        self.is_by_arrival = False
        self._stamp = float('-inf')
        self._since = self._arrival = self._ahead = 0.0

    def of(self, stamp: float, arrival: float) -> float:
        """Give the time of the next picture in seconds of the stamps.

        Args:
            stamp: of the picture, in seconds.
            arrival: when it came, in seconds of the steady clock.
        """
        passed, self._arrival = arrival - self._arrival, arrival
        if stamp == self._stamp:
            stood = arrival - self._since
            self.is_still = stood >= STILL
            self._ahead += min(passed, stood if stamp == 0 else max(0.0, stood - STILL))
        else:
            self.is_still = False
            made_up = max(0.0, stamp - self._stamp - passed)
            is_set_back = stamp < self._stamp - REORDERING
            self._ahead = 0.0 if is_set_back else max(0.0, self._ahead - made_up)
            self._stamp, self._since = stamp, arrival
        self.is_by_arrival = self.is_still or stamp == 0
        return stamp + self._ahead

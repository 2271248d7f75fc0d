"""Which pictures `max_processing_rate` leaves out."""

from __future__ import annotations


class RateLimit:
    """Leaves pictures out by their stamps, so that a recording gives the same at any speed."""

    def __init__(self) -> None:
        """Leave nothing out before a picture was worked on."""
        self._last = float('-inf')

    def leaves_out(self, stamp: float, rate: float) -> bool:
        """Tell whether a picture comes too soon after the last one that was worked on.

        Args:
            stamp: of the picture, in seconds.
            rate: pictures per second at most; 0 is no limit.
        """
        elapsed = stamp - self._last
        # Half a millisecond of jitter must not halve the rate of a camera that runs at it. Stamps
        # that stand still or go back say nothing of time.
        return rate > 0 and 0 < elapsed < 1 / rate - 0.0005

    def note(self, stamp: float) -> None:
        """Remember that the picture of this stamp is worked on."""
        self._last = stamp

"""Limit the number of images per second."""

from __future__ import annotations

JITTER = 0.0005
"""Seconds by which an image may be early, so that jitter does not halve the rate of a camera."""


class RateLimit:
    """Admits images by their stamps, so that a recording gives the same result at any speed."""

    def __init__(self) -> None:
        """Start without an image."""
        self._last = self._before = float('-inf')

    def admit(self, stamp: float, rate: float) -> bool:
        """Return whether to process an image, which then counts as processed.

        Args:
            stamp: of the image, in seconds; one that is constant or goes back is always admitted.
            rate: maximum number of images per second; 0 is no limit.
        """
        elapsed = stamp - self._last
        if rate > 0 and 0 < elapsed < 1 / rate - JITTER:
            return False
        self._before, self._last = self._last, stamp
        return True

    def cancel(self) -> None:
        """Cancel the last admission, of an image that is not processed after all."""
        self._last = self._before

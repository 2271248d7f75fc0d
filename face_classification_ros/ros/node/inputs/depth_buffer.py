"""Find the depth image that belongs to an image, by their stamps."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
import statistics

from std_msgs.msg import Header

from face_classification_ros.geometry.positions import DepthImage
from face_classification_ros.ros.conversions.messages import seconds

BUFFERED = 5
"""Number of depth images that are kept, so that a delayed image finds its own."""

NOMINAL_FRAME_TIME = 1 / 15
"""Seconds between two depth images, until two have arrived."""

MAX_FRAME_TIME = 1.0
"""Longest frame time in seconds that counts for a slow depth camera."""

JITTER = 0.1
"""Fraction of a frame time by which stamps may be late."""


@dataclass(frozen=True)
class _Stamped:
    stamp: float
    frame_id: str
    depth: DepthImage


class DepthBuffer:
    """Keeps the newest depth images by their stamps."""

    def __init__(self) -> None:
        """Create an empty buffer."""
        self._images: deque[_Stamped] = deque(maxlen=BUFFERED)

    def add(self, header: Header, depth: DepthImage) -> None:
        """Add a depth image; a stamp before the last one means that time jumped back."""
        stamp = seconds(header.stamp)
        if self._images and stamp < self._images[-1].stamp:
            self._images.clear()
        self._images.append(_Stamped(stamp, header.frame_id, depth))

    @property
    def frame_time(self) -> float:
        """Seconds between two depth images, by their stamps."""
        stamps = [each.stamp for each in self._images]
        gaps = [after - before for before, after in pairwise(stamps) if after > before]
        return min(statistics.median(gaps), MAX_FRAME_TIME) if gaps else NOMINAL_FRAME_TIME

    def nearest(self, header: Header) -> DepthImage:
        """Return the depth image whose stamp is nearest to that of an image.

        Raises:
            LookupError: none is within one frame time and some jitter.
            ValueError: it is in another frame than the image, so it is not registered to it.
        """
        if not self._images:
            raise LookupError('no depth image has arrived')
        stamp = seconds(header.stamp)
        # The newest of several that are equally near, as if all stamps are zero.
        found = min(reversed(self._images), key=lambda each: abs(each.stamp - stamp))
        distance = abs(found.stamp - stamp)
        if distance > self.frame_time * (1 + JITTER):
            raise LookupError(
                f'the stamp of the nearest depth image is {distance:.3f} s away, expected at '
                f'most one frame time, {self.frame_time:.3f} s'
            )
        if found.frame_id and header.frame_id and found.frame_id != header.frame_id:
            raise ValueError(
                f'the depth image is in frame {found.frame_id}, the image in '
                f'{header.frame_id}: expected depth that is registered to the image'
            )
        return found.depth

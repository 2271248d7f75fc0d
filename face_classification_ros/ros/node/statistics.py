"""Count what happens to each image, so that every image is accounted for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time


@dataclass
class ImageStatistics:
    """Counters of images since the start of the node.

    The images sent to the node are those received, superseded or lost; the images received are
    those processed, rate limited or malformed.

    Attributes:
        received: images that the node received.
        sequence_gaps: images that were sent between those received.
        are_gaps_known: whether `sequence_gaps` is complete; False once a gap could not be counted.
        processed: images whose faces were published.
        rate_limited: images not processed because of `max_processing_rate`.
        malformed: images that could not be read.
        malformed_reason: why the newest of them could not be read.
        lost: images that DDS reported as lost in transport.
        faces: faces in the newest processed image.
        processing_time: seconds from the arrival of that image to its faces.
        latency: seconds from the stamp of that image to its faces, by the clock of the node; from
            its arrival where stamps are zero or constant.
        has_stamps: whether the stamp of that image is its time.
        last_arrival: when the newest image arrived, or the node subscribed, in seconds of the
            steady clock.
    """

    received: int = 0
    sequence_gaps: int = 0
    are_gaps_known: bool = True
    processed: int = 0
    rate_limited: int = 0
    malformed: int = 0
    malformed_reason: str = ''
    lost: int = 0
    faces: int = 0
    processing_time: float = 0.0
    latency: float = 0.0
    has_stamps: bool = True
    last_arrival: float = 0.0

    @property
    def superseded(self) -> int:
        """Images that were replaced by newer ones while the node was busy."""
        # DDS may report a loss before the next image shows the gap.
        return max(0, self.sequence_gaps - self.lost)

    @property
    def sent(self) -> int:
        """Images that were sent to the node."""
        return self.received + self.superseded + self.lost

    @property
    def dropped(self) -> int:
        """Images that reached the node and were not processed although they could be read."""
        return self.superseded + self.rate_limited

    def record_subscription(self) -> None:
        """Record that the node starts to wait for images."""
        self.last_arrival = time.monotonic()

    def record_arrival(self, sequence_gaps: int | None) -> None:
        """Count an image that arrived, and those sent before it that did not, if known."""
        self.received += 1
        self.sequence_gaps += sequence_gaps or 0
        self.are_gaps_known &= sequence_gaps is not None
        self.last_arrival = time.monotonic()

    def record_rate_limited(self) -> None:
        """Count an image that is not processed because of `max_processing_rate`."""
        self.rate_limited += 1

    def record_malformed(self, reason: str) -> None:
        """Count an image that could not be read, for a reason in words."""
        self.malformed += 1
        self.malformed_reason = reason

    def record_lost(self, count: int) -> None:
        """Count images that were lost in transport."""
        self.lost += count

    def record_result(
        self, faces: int, processing_time: float, latency: float, *, has_stamps: bool
    ) -> None:
        """Count a processed image; for the arguments see the attributes."""
        self.processed += 1
        self.faces = faces
        self.processing_time = processing_time
        self.latency = latency
        self.has_stamps = has_stamps


@dataclass
class PositionStatistics:
    """Counters of depth images and positions since the start of the node.

    Attributes:
        depth_images: depth images received.
        malformed: those of them that could not be read.
        located: faces with a position.
        unlocated: faces without a position while depth is used.
    """

    depth_images: int = 0
    malformed: int = 0
    located: int = 0
    unlocated: int = 0

    def record_depth_image(self) -> None:
        """Count a depth image that arrived."""
        self.depth_images += 1

    def record_malformed(self) -> None:
        """Count a depth image that could not be read."""
        self.malformed += 1

    def record_faces(self, located: int, unlocated: int) -> None:
        """Count the faces of an image with and without a position."""
        self.located += located
        self.unlocated += unlocated


@dataclass
class TransformStatistics:
    """Counters of images and their transforms to the target frame since the start of the node.

    Attributes:
        transformed: images whose transform was known.
        untransformed: images whose transform was missing or late.
    """

    transformed: int = 0
    untransformed: int = 0

    def record_image(self, *, is_transformed: bool) -> None:
        """Count an image."""
        if is_transformed:
            self.transformed += 1
        else:
            self.untransformed += 1


class SequenceGaps:
    """Counts images that were sent but not received, by the sequence numbers of their publisher.

    A sequence number does not identify its publisher, so gaps are known only while there is a
    single publisher.
    """

    def __init__(self, publishers: Callable[[], frozenset[bytes]]) -> None:
        """Start without an image.

        Args:
            publishers: returns the ids of all present publishers; called only at a gap.
        """
        self._publishers = publishers
        self._known: frozenset[bytes] = frozenset()
        self._last: int | None = None

    def before(self, number: int | None) -> int | None:
        """Return how many images were sent since the last one that was received.

        Args:
            number: of the image received now; None if the middleware has no sequence numbers.

        Returns:
            Their number, 0 for the first image of a publisher; None if it cannot be known.
        """
        last, self._last = self._last, number
        if number is None:
            return None
        if last is not None and number == last + 1:
            return 0
        before, self._known = self._known, self._publishers()
        if len(self._known) != 1:
            self._last = None
            return None
        # A publisher that was started again counts from 1.
        is_same = last is not None and self._known == before and number > last
        return number - last - 1 if is_same and last is not None else 0

"""What became of each picture, counted, so that every one is accounted for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time


@dataclass
class ImageStatistics:
    """Pictures since the node started, each of which is accounted for.

    Sent are those that were received, replaced or lost; received are those that were processed,
    skipped or malformed.

    Attributes:
        received: pictures that the node got.
        sequence_gaps: pictures that were sent between those that were received.
        are_gaps_known: whether all of them are counted; False once they could not be.
        processed: pictures that were answered.
        rate_limited: pictures that `max_processing_rate` left out.
        malformed: pictures that could not be read.
        lost: pictures that DDS knows to have lost on the way to the node.
        faces: faces in the newest picture that was answered.
        processing_time: seconds from the arrival of that picture to its answer.
        latency: seconds from the stamp of that picture to its answer, by the node's clock; from
            its arrival where stamps are zero or stand still.
        have_stamps: whether that is not so.
        last_arrival: when the last picture came, in seconds of the steady clock; when the node
            subscribed, before the first one.
    """

    received: int = 0
    sequence_gaps: int = 0
    are_gaps_known: bool = True
    processed: int = 0
    rate_limited: int = 0
    malformed: int = 0
    lost: int = 0
    faces: int = 0
    processing_time: float = 0.0
    latency: float = 0.0
    have_stamps: bool = True
    last_arrival: float = 0.0

    @property
    def superseded(self) -> int:
        """Pictures that newer ones took the place of while the node was busy."""
        # DDS may tell of a loss before the next picture shows the gap.
        return max(0, self.sequence_gaps - self.lost)

    @property
    def sent(self) -> int:
        """Pictures that were sent to the node."""
        return self.received + self.superseded + self.lost

    @property
    def dropped(self) -> int:
        """Pictures that came all the way and were left out."""
        return self.superseded + self.rate_limited

    def record_arrival(self, sequence_gaps: int | None) -> None:
        """Count a picture that has just come, and those sent before it that did not, if known."""
        self.received += 1
        self.sequence_gaps += sequence_gaps or 0
        self.are_gaps_known &= sequence_gaps is not None
        self.last_arrival = time.monotonic()

    def record_result(self, faces: int, processing_time: float, latency: float) -> None:
        """Count a picture that was answered, with its number of faces and the times in seconds."""
        self.processed += 1
        self.faces = faces
        self.processing_time = processing_time
        self.latency = latency


@dataclass
class PositionStatistics:
    """What came for positions since the node started, and what came of it.

    Attributes:
        depths: depth pictures.
        malformed: those of them that could not be read.
        located: faces with a position.
        unlocated: faces without, while positions were wanted.
    """

    depths: int = 0
    malformed: int = 0
    located: int = 0
    unlocated: int = 0


class SequenceGaps:
    """Finds pictures that were sent but not received, by the numbers their publisher gives them.

    A picture's number does not tell which publisher it is of, so it says something only while
    there is but one.
    """

    def __init__(self, publishers: Callable[[], frozenset[bytes]]) -> None:
        """Know of no picture yet.

        Args:
            publishers: gives the ids of all that publish now; asked only where there is a gap.
        """
        self._publishers = publishers
        self._known: frozenset[bytes] = frozenset()
        self._last: int | None = None

    def before(self, number: int | None) -> int | None:
        """Give how many pictures were sent since the last one that was received.

        Args:
            number: of the picture that was received now; None where the middleware has none.

        Returns:
            their number, 0 for the first picture of a publisher; None where it cannot be known.
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
        # One that was started again counts from 1.
        is_same = last is not None and self._known == before and number > last
        return number - last - 1 if is_same and last is not None else 0

"""How well the node does, judged from its counts: levels and words for `/diagnostics`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import IntEnum

from face_classification_ros.ros.node.statistics import ImageStatistics, PositionStatistics

WINDOW = 5
"""Reports, one a second, over which rates are taken and troubles are remembered."""


class Level(IntEnum):
    """How bad it is, as in diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Limits:
    """From where on a trouble is told.

    Attributes:
        max_image_age: seconds without a picture.
        max_latency: seconds from the stamp of a picture to its faces.
        min_output_rate: pictures per second that must be answered; 0 for any.
    """

    max_image_age: float
    max_latency: float
    min_output_rate: float


@dataclass(frozen=True)
class Status:
    """One line of diagnostics.

    Attributes:
        level: how bad it is.
        message: what is the matter, in words.
        values: name -> figure, in the order in which they are shown.
    """

    level: Level
    message: str
    values: dict[str, str] = field(default_factory=dict)


class ImageStatus:
    """Judges the way of pictures from the counts of the last seconds.

    Rates and ages are of the steady clock, so they hold while simulated time stands still.
    """

    def __init__(self) -> None:
        """Know of nothing yet."""
        self._past: deque[tuple[float, ImageStatistics]] = deque(maxlen=WINDOW)

    def start(self, counts: ImageStatistics, now: float) -> None:
        """Forget what was before: the node begins to look at pictures.

        Args:
            counts: up to now.
            now: seconds of the steady clock.
        """
        self._past.clear()
        self._past.append((now, replace(counts)))
        self._before_start = counts.received

    def evaluate(self, counts: ImageStatistics, now: float, limits: Limits) -> Status:
        """Judge the last seconds; to be called once a second while pictures are wanted.

        A camera that has sent no picture yet is STALE, one that has stopped is an ERROR, as are
        pictures none of which can be read. A WARN is what can be lived with: some malformed or
        lost pictures, stamps that tell no time, results that come late or seldom.

        Args:
            counts: up to now.
            now: seconds of the steady clock.
            limits: what is told as a trouble.
        """
        since, before = self._past[0]
        duration = max(now - since, 1e-3)
        received = counts.received - before.received
        sent = counts.sent - before.sent
        answered = counts.processed - before.processed
        malformed = counts.malformed - before.malformed
        lost = counts.lost - before.lost
        age = now - counts.last_arrival
        output_rate = answered / duration
        at_least = '' if counts.are_gaps_known else 'at least '
        values = {
            'input rate (Hz)': f'{sent / duration:.1f}',
            'output rate (Hz)': f'{output_rate:.1f}',
            'age of the last picture (s)': f'{age:.2f}',
            'latency (s)': f'{counts.latency:.3f}',
            'processing time (s)': f'{counts.processing_time:.4f}',
            'faces': str(counts.faces),
            'received': str(counts.received),
            'processed': str(counts.processed),
            'malformed': str(counts.malformed),
            'dropped': at_least + str(counts.dropped),
            'replaced by newer ones': at_least + str(counts.superseded),
            'left out by max_processing_rate': str(counts.rate_limited),
            'lost on the way': str(counts.lost),
        }
        if counts.received == self._before_start:
            # Rates are taken from the first picture on.
            self.start(counts, now)
            return Status(Level.STALE, f'no picture yet, for {age:.0f} s', values)
        is_window_full = len(self._past) == WINDOW
        self._past.append((now, replace(counts)))
        troubles = []
        if age > limits.max_image_age:
            troubles.append((Level.ERROR, f'no picture for {age:.1f} s'))
        elif is_window_full and output_rate < limits.min_output_rate:
            troubles.append(
                (
                    Level.WARN,
                    f'{output_rate:.1f} pictures a second, expected {limits.min_output_rate:g}',
                )
            )
        if malformed:
            level = Level.WARN if answered else Level.ERROR
            troubles.append((level, f'{malformed} of {received} pictures malformed'))
        if lost:
            troubles.append((Level.WARN, f'{lost} pictures lost on the way'))
        if answered and not counts.have_stamps:
            text = 'stamps are zero or stand still, so time is that of the arrival'
            troubles.append((Level.WARN, text))
        if answered and abs(counts.latency) > limits.max_latency:
            troubles.append((Level.WARN, _describe_latency(counts.latency, limits.max_latency)))
        if troubles:
            worst = max(level for level, _ in troubles)
            return Status(worst, '; '.join(text for _, text in troubles), values)
        return Status(Level.OK, f'{output_rate:.1f} pictures a second', values)


def evaluate_positions(counts: PositionStatistics, problem: str) -> Status:
    """Judge how faces get their positions.

    Args:
        counts: up to now.
        problem: why they have none at present, "" where they have.
    """
    values = {
        'depth pictures': str(counts.depths),
        'malformed': str(counts.malformed),
        'faces with a position': str(counts.located),
        'faces without': str(counts.unlocated),
    }
    level = Level.WARN if problem else Level.OK
    return Status(level, problem or 'from depth pictures', values)


def _describe_latency(latency: float, limit: float) -> str:
    if latency < 0:
        return f'stamps are {-latency:.3g} s ahead of the clock of the node'
    text = f'faces come {latency:.3g} s after the stamp, expected {limit:g} s'
    # So late is no picture; a recording is played, or the camera has a clock of its own.
    return text + ': stamps are of another clock (use_sim_time?)' if latency > 3600 else text

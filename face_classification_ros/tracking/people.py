"""Count people over time, each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from face_classification_ros.types import Face, UNKNOWN

MAX_SECONDS = 600.0
"""How far back people are remembered."""

MAX_PEOPLE = 10_000
"""Maximum number of remembered people; those not seen for longest are forgotten first."""


@dataclass(frozen=True)
class PeopleCount:
    """Numbers of people by label.

    Attributes:
        counts: label -> people whose last certain label it was.
        unknown: people without a certain label.
    """

    counts: dict[str, int]
    unknown: int

    @property
    def total(self) -> int:
        """Number of all people."""
        return sum(self.counts.values()) + self.unknown


@dataclass(slots=True)
class _Person:
    first_seen: float
    last_seen: float
    frames: int = 0
    labels: dict[str, str] = field(default_factory=dict)


class PeopleCounter:
    """Remembers when each track was seen, and the last certain label of each attribute.

    Attributes:
        min_frames: images of a track from which it counts as a person, 1 or more.
        min_duration: seconds from its first to its last image from which it counts.
    """

    def __init__(self, min_frames: int = 1, min_duration: float = 0.0) -> None:
        """Start without people."""
        self.min_frames = min_frames
        self.min_duration = min_duration
        # Ordered by the time when they were seen last.
        self._people: dict[str, _Person] = {}
        self._newest = float('-inf')

    def add(self, faces: Sequence[Face], stamp: float) -> None:
        """Add the faces of an image of that time in seconds."""
        self._newest = max(self._newest, stamp)
        for face in faces:
            person = self._people.pop(face.track_id, None) or _Person(stamp, stamp)
            self._people[face.track_id] = person
            person.last_seen = stamp
            person.frames += 1
            for attribute, estimate in face.attributes.items():
                if estimate.label != UNKNOWN:
                    person.labels[attribute] = estimate.label
        while self._people:
            oldest = next(iter(self._people))
            is_recent = self._people[oldest].last_seen >= self._newest - MAX_SECONDS
            if is_recent and len(self._people) <= MAX_PEOPLE:
                break
            del self._people[oldest]

    def count(self, window: float, attribute: str, labels: Sequence[str]) -> PeopleCount:
        """Count the people of the last `window` seconds, ending with the newest image.

        Args:
            window: in seconds, at most `MAX_SECONDS` count; 0 counts the newest image alone.
            attribute: whose labels are counted.
            labels: labels of the attribute; people with another label count as unknown.
        """
        since = self._newest - min(window, MAX_SECONDS)
        present = [
            each
            for each in self._people.values()
            if each.last_seen >= since
            and each.frames >= self.min_frames
            and each.last_seen - each.first_seen >= self.min_duration
        ]
        found = Counter(each.labels.get(attribute, UNKNOWN) for each in present)
        counts = {label: found[label] for label in labels}
        return PeopleCount(counts, len(present) - sum(counts.values()))

    def reset(self) -> None:
        """Forget everybody, because tracks start again or time jumped back."""
        self._people = {}
        self._newest = float('-inf')

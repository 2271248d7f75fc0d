"""Count the people who were seen over a while, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from face_classification_ros.types import Face, UNKNOWN

KEPT_SECONDS = 600.0
"""How far back people are remembered."""

KEPT_PEOPLE = 10_000
"""How many people are remembered at most; who was seen the longest ago is forgotten first."""


@dataclass(frozen=True)
class PeopleCount:
    """Numbers of people; `unknown` are those whose gender was never certain."""

    women: int
    men: int
    unknown: int

    @property
    def total(self) -> int:
        """The number of all."""
        return self.women + self.men + self.unknown


@dataclass(slots=True)
class _Person:
    last_seen: float
    gender: str = UNKNOWN


class PeopleCounter:
    """Remembers when each track was seen last, and what its gender was when that was certain."""

    def __init__(self) -> None:
        """Make a counter that has seen nobody."""
        # In the order in which they were seen last.
        self._people: dict[str, _Person] = {}
        self._newest = float('-inf')

    def add(self, faces: Sequence[Face], stamp: float) -> None:
        """Take note of the faces of a picture of that time, in seconds."""
        self._newest = max(self._newest, stamp)
        for face in faces:
            person = self._people.pop(face.track_id, None) or _Person(stamp)
            self._people[face.track_id] = person
            person.last_seen = stamp
            if face.gender is not None and face.gender.label != UNKNOWN:
                person.gender = face.gender.label
        while self._people:
            oldest = next(iter(self._people))
            is_recent = self._people[oldest].last_seen >= self._newest - KEPT_SECONDS
            if is_recent and len(self._people) <= KEPT_PEOPLE:
                break
            del self._people[oldest]

    def count(self, window: float) -> PeopleCount:
        """Count who was seen in the last `window` seconds up to the newest picture.

        A window that is not positive, or no number, is the newest picture alone; one longer than
        `KEPT_SECONDS` is cut to it.
        """
        since = self._newest - (min(window, KEPT_SECONDS) if window > 0 else 0)
        genders = [each.gender for each in self._people.values() if each.last_seen >= since]
        women, men = genders.count('woman'), genders.count('man')
        return PeopleCount(women, men, len(genders) - women - men)

    def forget(self) -> None:
        """Forget everybody, as one must when tracks start anew or time was set back."""
        self._people = {}
        self._newest = float('-inf')

"""Count people over time, each of them once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
import math

import numpy as np

from face_classification_ros.tracking.appearance import Appearance, differences
from face_classification_ros.types import BoundingBox, Face, UNKNOWN

MAX_SECONDS = 600.0
"""How far back people are remembered."""

MAX_TRACKS = 10_000
"""Maximum number of remembered tracks; those not seen for longest are forgotten first."""

MAX_COMPARED = 200
"""Number of the most recent tracks that a new one is compared with, since that takes time."""

SETTLING = 1.0
"""Seconds in which a track can still be recognized: people enter the image little by little."""

SAME_PLACE, SAME_SIZE = 2.0, 1.8
"""Largest distance in sizes of the box, and largest ratio of sizes, of a person who comes back."""

SAME_APPEARANCE = 0.15
"""Largest difference of the appearance of a person who comes back."""


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
class _Track:
    """A track; `number` is that of its person unless they were seen before."""

    number: int
    person: int
    first_box: BoundingBox
    box: BoundingBox
    first_seen: float
    last_seen: float
    frames: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    appearance: Appearance | None = None

    def starts_near(self, other: _Track) -> bool:
        """Return whether this track starts where the other one is, with a similar size."""
        size, other_size = math.sqrt(self.first_box.area), math.sqrt(other.box.area)
        distance = math.dist(self.first_box.center, other.box.center)
        is_near = 2 * distance <= SAME_PLACE * (size + other_size)
        return is_near and max(size, other_size) <= SAME_SIZE * min(size, other_size)


class PeopleCounter:
    """Remembers when each track was seen, whose it is, and the last certain labels.

    A new track belongs to a person who was seen before if it starts within `return_time` at the
    place where that person was seen last, with the same appearance. People who are seen in one
    image are different, whatever their appearance.

    Attributes:
        min_frames: images of a track from which it counts as a person, 1 or more.
        min_duration: seconds from its first to its last image from which it counts.
        return_time: seconds within which a person who comes back is recognized; 0 counts every
            track as another person.
    """

    def __init__(
        self, min_frames: int = 1, min_duration: float = 0.0, return_time: float = 0.0
    ) -> None:
        """Start without people."""
        self.min_frames = min_frames
        self.min_duration = min_duration
        self.return_time = return_time
        # Ordered by the time when they were seen last.
        self._tracks: dict[str, _Track] = {}
        self._newest = float('-inf')
        self._numbers = count()

    def add(self, faces: Sequence[Face], stamp: float) -> None:
        """Add the faces of an image of that time in seconds."""
        self._newest = max(self._newest, stamp)
        present = [self._update(face, stamp) for face in faces]
        for track in present:
            if stamp - track.first_seen <= SETTLING:
                track.person = self._recognize(track)
        self._separate(present)
        while self._tracks:
            oldest = next(iter(self._tracks))
            is_recent = self._tracks[oldest].last_seen >= self._newest - MAX_SECONDS
            if is_recent and len(self._tracks) <= MAX_TRACKS:
                break
            del self._tracks[oldest]

    def count(self, window: float, attribute: str, labels: Sequence[str]) -> PeopleCount:
        """Count the people of the last `window` seconds, ending with the newest image.

        Args:
            window: in seconds, at most `MAX_SECONDS` count; 0 counts the newest image alone.
            attribute: whose labels are counted.
            labels: labels of the attribute; people with another label count as unknown.
        """
        since = self._newest - min(window, MAX_SECONDS)
        certain = {
            each.person
            for each in self._tracks.values()
            if each.frames >= self.min_frames
            and each.last_seen - each.first_seen >= self.min_duration
        }
        last_labels: dict[int, str] = {}
        present = set()
        for each in self._tracks.values():
            if each.person in certain:
                if each.last_seen >= since:
                    present.add(each.person)
                if attribute in each.labels:
                    last_labels[each.person] = each.labels[attribute]
        found = Counter(last_labels.get(person, UNKNOWN) for person in present)
        counts = {label: found[label] for label in labels}
        return PeopleCount(counts, len(present) - sum(counts.values()))

    def reset(self) -> None:
        """Forget everybody, because tracks start again or time jumped back."""
        self._tracks = {}
        self._newest = float('-inf')

    def _update(self, face: Face, stamp: float) -> _Track:
        """Update the track of a face, or start one of a new person, and return it."""
        box = face.detection.box
        track = self._tracks.pop(face.track_id, None)
        if track is None:
            number = next(self._numbers)
            track = _Track(number, number, box, box, stamp, stamp)
        self._tracks[face.track_id] = track
        track.box, track.last_seen = box, stamp
        track.frames += 1
        track.appearance = face.appearance
        for attribute, estimate in face.attributes.items():
            if estimate.label != UNKNOWN:
                track.labels[attribute] = estimate.label
        return track

    def _recognize(self, track: _Track) -> int:
        """Return the person of a new track: one who was not seen since it started, or another."""
        if track.appearance is None:
            return track.number
        people: list[int] = []
        appearances: list[Appearance] = []
        seen_together = set()
        for other in islice(reversed(self._tracks.values()), MAX_COMPARED):
            if other is track:
                continue
            if other.last_seen >= track.first_seen:
                seen_together.add(other.person)
                continue
            if track.first_seen - other.last_seen > self.return_time:
                break
            is_possible = other.person not in seen_together and track.starts_near(other)
            if is_possible and other.appearance is not None:
                people.append(other.person)
                appearances.append(other.appearance)
        if not people:
            return track.number
        difference = np.nan_to_num(differences([track.appearance], appearances)[0], nan=np.inf)
        best = int(difference.argmin())
        return people[best] if difference[best] <= SAME_APPEARANCE else track.number

    def _separate(self, present: Sequence[_Track]) -> None:
        """Make people of one image different who were taken for one."""
        known = set()
        for track in sorted(present, key=lambda each: each.first_seen):
            if track.person in known:
                track.person = next(self._numbers)
            known.add(track.person)

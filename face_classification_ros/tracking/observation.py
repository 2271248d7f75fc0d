"""Watch one person, or all, from picture to picture until enough was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
import math

from face_classification_ros.tracking.attribute_mean import AttributeMean
from face_classification_ros.types import Face, largest_first

LARGEST, NEAREST, ALL = '', 'nearest', 'all'
"""Whom to watch, unless it is a track id."""


class Outcome(Enum):
    """How an observation ended; the numbers are those of the action."""

    COMPLETED = 0
    NO_FACE = 1
    LOST = 2
    CANCELED = 3
    PREEMPTED = 4
    INTERRUPTED = 5


@dataclass(frozen=True)
class Ending:
    """How an observation ended, and why in words."""

    outcome: Outcome
    reason: str


@dataclass
class _Person:
    last_seen: float
    aggregate: AttributeMean


class Observation:
    """Collects the pictures of whom it watches; time is that of the stamps."""

    def __init__(
        self,
        whom: str,
        *,
        frames: int,
        duration: float,
        track_timeout: float,
        thresholds: Mapping[str, float],
    ) -> None:
        """Begin with the next picture.

        Args:
            whom: `LARGEST` or `NEAREST`, chosen in the first picture with a face and followed
                from then on, `ALL`, or a track id.
            frames: pictures of each watched face that are enough; 0 is no limit.
            duration: seconds from the first picture after which it ends; 0 is no limit.
            track_timeout: seconds after which who was not seen again has left.
            thresholds: attribute -> mean probability below which its label is "unknown".

        Raises:
            ValueError: there is no limit, or one that cannot be.
        """
        if not (math.isfinite(duration) and duration >= 0 and frames >= 0):
            raise ValueError(f'duration {duration}: expected finite seconds, 0 or more')
        if not (frames or duration):
            raise ValueError('neither frames nor duration is given: it would never end')
        self._whom = whom
        self._frames = frames
        self._duration = duration
        self._track_timeout = track_timeout
        self._thresholds = thresholds
        self._id = '' if whom in (LARGEST, NEAREST, ALL) else whom
        self._people: dict[str, _Person] = {}
        self._first = math.nan
        self._remark = ''

    @property
    def faces(self) -> list[Face]:
        """Who was watched, with the aggregate of all pictures; largest first."""
        return largest_first([person.aggregate.face for person in self._people.values()])

    @property
    def frames(self) -> int:
        """Pictures in which the watched face was seen; of several, the fewest."""
        return min((each.aggregate.pictures for each in self._people.values()), default=0)

    def is_watched(self, track_id: str) -> bool:
        """Tell whether this track is watched."""
        return track_id in self._people

    def add(self, faces: Sequence[Face], stamp: float) -> Ending | None:
        """Take the faces of a picture of that time; say how it ended if it did.

        A face of the same time as the last is that again, and counts once.
        """
        if math.isnan(self._first):
            self._first = stamp
        for face in self._watched(faces):
            person = self._people.get(face.track_id)
            if person is None:
                person = self._people[face.track_id] = _Person(
                    stamp, AttributeMean(self._thresholds)
                )
            elif person.last_seen == stamp:
                continue
            person.last_seen = stamp
            person.aggregate.add(face)
        present = [
            person
            for person in self._people.values()
            if stamp - person.last_seen <= self._track_timeout
        ]
        fewest = min((person.aggregate.pictures for person in present), default=0)
        if self._frames and fewest >= self._frames:
            return self._completed('seen often enough')
        if self._duration and stamp - self._first >= self._duration:
            return self.time_over()
        if self._whom == ALL:
            has_left = bool(self._people) and not present and not self._duration
        elif self._id:
            known = self._people.get(self._id)
            last_seen = known.last_seen if known else self._first
            has_left = stamp - last_seen > self._track_timeout
        else:
            has_left = False
        return self._left() if has_left else None

    def time_over(self) -> Ending:
        """Say how it ends when there is no more time."""
        if self._people:
            return self._completed('time is over')
        if self._id:
            return self._left()
        return Ending(Outcome.NO_FACE, 'time is over and nobody was seen')

    def _watched(self, faces: Sequence[Face]) -> Sequence[Face]:
        if self._whom == ALL:
            return faces
        if not self._id and faces:
            self._id = self._choose(faces).track_id
        return [face for face in faces if face.track_id == self._id]

    def _choose(self, faces: Sequence[Face]) -> Face:
        if self._whom == NEAREST:
            placed = [(math.hypot(*face.position), face) for face in faces if face.position]
            if placed:
                return min(placed, key=lambda each: each[0])[1]
            self._remark = '; no face had a position, so the largest was watched'
        return largest_first(faces)[0]

    def _completed(self, why: str) -> Ending:
        return Ending(Outcome.COMPLETED, f'{why}, {self._summary()}')

    def _left(self) -> Ending:
        if self._people:
            who = 'everybody' if self._whom == ALL else f'the person of track {self._id}'
            return Ending(Outcome.LOST, f'{who} left, {self._summary()}')
        return Ending(Outcome.LOST, f'there is no track {self._id}')

    def _summary(self) -> str:
        pictures = ', '.join(
            f'track {track}: {person.aggregate.pictures}' for track, person in self._people.items()
        )
        return f'pictures of {pictures}{self._remark}'

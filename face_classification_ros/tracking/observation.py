"""Observe one person, or everybody, over many images until there are enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
import math

from face_classification_ros.tracking.attribute_mean import AttributeMean
from face_classification_ros.types import Face, largest_first

LARGEST, NEAREST, LOOKING, ALL = '', 'nearest', 'looking', 'all'
"""Whom to observe, if it is not a track id."""


MAX_NAMED = 10
"""Tracks that the reason names, if the requested one does not exist."""

MAX_LENGTH = 40
"""Characters of a track id that the reason has."""


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
    """How an observation ended, and the reason in words."""

    outcome: Outcome
    reason: str


@dataclass
class _Person:
    last_seen: float
    mean: AttributeMean


class Observation:
    """Collects the images of the observed people; time is that of the stamps."""

    def __init__(
        self,
        target: str,
        *,
        frames: int,
        duration: float,
        track_timeout: float,
    ) -> None:
        """Start with the next image.

        Args:
            target: `LARGEST` or `NEAREST`, chosen in the first image with a face, or `LOOKING`,
                the largest in the first image with a face that looks at the camera, each observed
                from then on; `ALL`, or a track id.
            frames: number of images of each observed face that suffices; 0 is no limit.
            duration: seconds from the first image after which it ends; 0 is no limit.
            track_timeout: seconds after which a person who is not seen any more has left.

        Raises:
            ValueError: there is no limit, or an impossible one.
        """
        if not (math.isfinite(duration) and duration >= 0 and frames >= 0):
            raise ValueError(f'duration {duration}: expected finite seconds, 0 or more')
        if not (frames or duration):
            raise ValueError('neither frames nor duration is given: it would never end')
        self._target = target
        self._frames = frames
        self._duration = duration
        self._track_timeout = track_timeout
        self._track_id = '' if target in (LARGEST, NEAREST, LOOKING, ALL) else target
        self._people: dict[str, _Person] = {}
        self._first = math.nan
        self._remark = ''
        self._newest: list[str] = []
        self._has_seen_faces = self._has_seen_orientations = False

    @property
    def faces(self) -> list[Face]:
        """The observed faces with their mean estimates over all images, largest first."""
        return largest_first([person.mean.face for person in self._people.values()])

    @property
    def frames(self) -> int:
        """Number of images that show the observed face; of several faces, the smallest number."""
        return min((each.mean.frame_count for each in self._people.values()), default=0)

    def is_observed(self, track_id: str) -> bool:
        """Return whether this track is observed."""
        return track_id in self._people

    def add(self, faces: Sequence[Face], stamp: float) -> Ending | None:
        """Add the faces of an image; return how the observation ended, if it did.

        A face of the same time as the last one is a repetition and counts once.
        """
        if math.isnan(self._first):
            self._first = stamp
        self._newest = [face.track_id for face in faces]
        for face in self._observed(faces):
            person = self._people.get(face.track_id)
            if person is None:
                person = self._people[face.track_id] = _Person(stamp, AttributeMean())
            elif person.last_seen == stamp:
                continue
            person.last_seen = stamp
            person.mean.add(face)
        present = [
            person
            for person in self._people.values()
            if stamp - person.last_seen <= self._track_timeout
        ]
        fewest = min((person.mean.frame_count for person in present), default=0)
        if self._frames and fewest >= self._frames:
            return Ending(Outcome.COMPLETED, f'enough images ({self._counts()}){self._remark}')
        if self._duration and stamp - self._first >= self._duration:
            return self.time_over()
        return self._lost() if self._has_left(present, stamp) else None

    def time_over(self) -> Ending:
        """Return how it ends if there is no more time."""
        if self._people:
            return Ending(Outcome.COMPLETED, f'time is up {self._summary()}')
        if self._track_id:
            return self._lost()
        if self._target == LOOKING and self._has_seen_faces and not self._has_seen_orientations:
            text = 'time is up and no face had an orientation, so nobody knows who looked'
            return Ending(Outcome.NO_FACE, text)
        which = ' that looked at the camera' if self._target == LOOKING else ''
        return Ending(Outcome.NO_FACE, f'time is up and no face{which} was seen')

    def _has_left(self, present: Sequence[_Person], stamp: float) -> bool:
        if self._target == ALL:
            return bool(self._people) and not present and not self._duration
        if not self._track_id:
            return False
        person = self._people.get(self._track_id)
        last_seen = person.last_seen if person else self._first
        return stamp - last_seen > self._track_timeout

    def _observed(self, faces: Sequence[Face]) -> Sequence[Face]:
        if self._target == ALL:
            return faces
        if not self._track_id:
            self._track_id = self._choose(faces)
        return [face for face in faces if face.track_id == self._track_id]

    def _choose(self, faces: Sequence[Face]) -> str:
        """Return the track id of the face to observe, "" if there is none yet."""
        if self._target == LOOKING:
            self._has_seen_faces |= bool(faces)
            self._has_seen_orientations |= any(face.orientation is not None for face in faces)
            faces = [face for face in faces if face.is_looking]
        if not faces:
            return ''
        if self._target == NEAREST:
            located = [(math.hypot(*face.position), face) for face in faces if face.position]
            if located:
                return min(located, key=lambda each: each[0])[1].track_id
            self._remark = '; no face had a position, so the largest one was observed'
        return largest_first(faces)[0].track_id

    def _lost(self) -> Ending:
        if self._people:
            who = 'everybody' if self._target == ALL else f'the person of track {self._track_id}'
            return Ending(Outcome.LOST, f'{who} left {self._summary()}')
        others = ', '.join(sorted(self._newest, key=_by_number)[:MAX_NAMED]) or 'none'
        # A client may send any text.
        name = repr(self._track_id[:MAX_LENGTH])
        return Ending(
            Outcome.LOST, f'there is no track {name}; those in the newest image: {others}'
        )

    def _summary(self) -> str:
        return f'(images of {self._counts()}){self._remark}'

    def _counts(self) -> str:
        """Return the number of images of each person, by track."""
        counts = sorted(
            ((track, person.mean.frame_count) for track, person in self._people.items()),
            key=lambda each: _by_number(each[0]),
        )
        return ', '.join(f'track {track}: {count}' for track, count in counts)


def _by_number(track_id: str) -> tuple[int, str]:
    """Return a key that sorts "10" behind "9"."""
    return len(track_id), track_id

"""Track faces from image to image, and filter the estimates of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.tracking.appearance import Appearance, differences, LARGEST
from face_classification_ros.tracking.assignment import assign
from face_classification_ros.tracking.orientation_filter import OrientationFilter
from face_classification_ros.tracking.temporal_filter import TemporalFilter
from face_classification_ros.types import BoundingBox, Detection, Quaternion

REACH, REACH_PER_SECOND, LONGEST_REACH = 0.7, 3.0, 1.5
"""Largest distance of a face from its expected place, in sizes of its box."""

MAX_GROWTH = 1.8
"""Largest ratio of the sizes of a face in two consecutive images."""

DAMPING = 0.5
"""Seconds in which the velocity of a face that is not seen any more decays to 1/e."""

VELOCITY_TIME = 0.15
"""Time constant in seconds of the filtered velocity, since boxes jitter."""

OCCLUDED_REACH, OCCLUDED_GROWTH = 0.35, 1.15
"""The same limits for a face that was occluded: a face that appears may be another person."""

OCCLUSION_DISTANCE = 1.5
"""Distance of two faces, in sizes of the larger box, up to which one may occlude the other."""

AMBIGUOUS = 0.3
"""Difference of costs up to which two assignments are equally good."""

REORDERING = 0.1
"""Seconds by which stamps of a driver may be out of order; more is a jump back in time."""

APPEARANCE_WEIGHT = 1.0
"""Weight of a squared difference of appearance relative to a squared distance in box sizes."""

SAME_APPEARANCE = 0.2
"""Difference of appearance up to which a face that was occluded may be recognized by it."""

MARGIN = 0.1
"""How much better one appearance must fit than another to be of any use."""

APPEARANCE_PERIOD = 0.25
"""Seconds between descriptions of people who cannot be confused, since they take time."""

CROWD = 30
"""Number of people from which boxes alone decide, since comparing all pairs takes too long."""

APPEARANCE_FRAMES = 10
"""Images over which appearance is averaged: enough against noise, few enough to follow light."""

_UNMATCHED = LONGEST_REACH**2 + 2 + APPEARANCE_WEIGHT * LARGEST
"""Cost of a face without a track: more than any pair, so that as many as possible are paired."""


@dataclass
class Track:
    """One face through time.

    Attributes:
        id: unique in the life of a tracker.
        box: in the newest image that shows it.
        first_seen: stamp in seconds.
        last_seen: stamp in seconds.
        velocity: velocity of its center in pixels per second.
        is_ambiguous: whether the face in the newest image may equally be that of another track;
            then it must not update anything.
        is_occluded: whether it is not visible, and another face is where it should be.
        appearance: mean appearance, None if unknown.
        appearance_count: number of images behind `appearance`.
        filters: attribute -> temporal filter.
        orientation: filtered orientation of the head.
    """

    id: str
    box: BoundingBox
    first_seen: float
    last_seen: float
    velocity: tuple[float, float] = (0.0, 0.0)
    is_ambiguous: bool = False
    is_occluded: bool = False
    appearance: Appearance | None = None
    appearance_count: int = 0
    filters: dict[str, TemporalFilter] = field(default_factory=dict)
    orientation: OrientationFilter = field(default_factory=OrientationFilter)

    def update_attribute(
        self,
        attribute: str,
        probabilities: NDArray[np.float32],
        smoothing_time: float,
        weight: float = 1.0,
    ) -> TemporalFilter:
        """Add the distribution of the newest image, and return the filter of the attribute."""
        filter_ = self.filters.setdefault(attribute, TemporalFilter())
        filter_.add(probabilities, self.last_seen, smoothing_time, weight)
        return filter_

    def update_orientation(self, orientation: Quaternion, smoothing_time: float) -> Quaternion:
        """Add the orientation of the head in the newest image, and return the filtered one."""
        weight = 0.0 if self.is_ambiguous else 1.0
        return self.orientation.add(orientation, self.last_seen, smoothing_time, weight)

    def expected(self, stamp: float) -> tuple[float, float]:
        """Return the expected place of the center at a time, with decaying velocity."""
        x, y = self.box.center
        time = DAMPING * (1 - math.exp(-(stamp - self.last_seen) / DAMPING))
        return x + self.velocity[0] * time, y + self.velocity[1] * time

    def cost(self, box: BoundingBox, stamp: float) -> float:
        """Return the cost of assigning a face to this track; infinite if it cannot be the same."""
        size, other_size = math.sqrt(self.box.area), math.sqrt(box.area)
        if not 0 < max(size, other_size) <= MAX_GROWTH * min(size, other_size):
            return math.inf
        distance = 2 * math.dist(self.expected(stamp), box.center) / (size + other_size)
        reach = REACH + REACH_PER_SECOND * (stamp - self.last_seen)
        if distance > min(reach, LONGEST_REACH):
            return math.inf
        growth = math.log(other_size / size) / math.log(MAX_GROWTH)
        return distance**2 + growth**2

    def is_certain(self, box: BoundingBox, stamp: float) -> bool:
        """Return whether a face that fits is certainly this one, even if it was occluded."""
        size, other_size = math.sqrt(self.box.area), math.sqrt(box.area)
        distance = 2 * math.dist(self.expected(stamp), box.center) / (size + other_size)
        is_alike = max(size, other_size) <= OCCLUDED_GROWTH * min(size, other_size)
        return not self.is_occluded or (is_alike and distance <= OCCLUDED_REACH)

    def move(self, box: BoundingBox, stamp: float) -> None:
        """Update box, velocity and time with a face that was assigned."""
        elapsed = stamp - self.last_seen
        if elapsed > 0 and not self.is_ambiguous:
            weight = 1 - math.exp(-elapsed / VELOCITY_TIME)
            (x, y), (old_x, old_y) = box.center, self.box.center
            self.velocity = (
                self.velocity[0] + weight * ((x - old_x) / elapsed - self.velocity[0]),
                self.velocity[1] + weight * ((y - old_y) / elapsed - self.velocity[1]),
            )
        self.box, self.last_seen, self.is_occluded = box, stamp, False

    def update_appearance(self, appearance: Appearance) -> None:
        """Update the mean appearance; cells that are not visible keep their values."""
        if self.is_ambiguous:
            return
        if self.appearance is None:
            self.appearance = appearance
        else:
            weight = np.float32(1 / min(self.appearance_count + 1, APPEARANCE_FRAMES))
            mean = self.appearance + weight * (appearance - self.appearance)
            mean = np.where(np.isnan(self.appearance), appearance, mean)
            self.appearance = np.where(np.isnan(appearance), self.appearance, mean)
        self.appearance_count += 1

    def update_occlusion(self, boxes: Sequence[BoundingBox], stamp: float) -> None:
        """Update `is_occluded` for an image that does not show this face, but the given boxes."""
        places = (self.box.center, self.expected(stamp))
        self.is_occluded |= any(
            math.dist(place, box.center)
            <= OCCLUSION_DISTANCE * math.sqrt(max(box.area, self.box.area))
            for place in places
            for box in boxes
        )


@dataclass(frozen=True, slots=True)
class TrackingUpdate:
    """The result for one image.

    Attributes:
        tracks: track of each detection, in the same order.
        was_reset: whether all tracks started again because time jumped back.
    """

    tracks: list[Track]
    was_reset: bool


@dataclass(frozen=True, slots=True)
class _Pairing:
    """The track of each face; faces and tracks are given by their indices.

    Attributes:
        costs: faces x tracks.
        pairs: face -> track.
        ambiguous: faces of `pairs` that may equally be another person.
        appearance: appearance of the faces, None if it was not needed.
    """

    costs: NDArray[np.float64]
    pairs: Mapping[int, int]
    ambiguous: set[int]
    appearance: NDArray[np.float32] | None


class Tracker:
    """Assigns to each face the id that it had in the images before.

    If it is ambiguous who is who, a face gets a new id rather than that of somebody else.

    Attributes:
        timeout: seconds after which a face that is not seen any more is dropped.
    """

    def __init__(self, timeout: float) -> None:
        """Create a tracker that drops a face which is not seen for `timeout` seconds."""
        self.timeout = timeout
        self._tracks: list[Track] = []
        self._newest = float('-inf')
        self._described_at = float('-inf')
        self._given = 0

    def update(
        self,
        detections: Sequence[Detection],
        stamp: float,
        compute_appearance: Callable[[], NDArray[np.float32]] | None = None,
    ) -> TrackingUpdate:
        """Assign the faces of an image to tracks.

        Faces and tracks are paired so that the total distance from the expected places is minimal.
        Time is that of the stamps. A stamp that is older than the last one by more than
        `REORDERING` starts all tracks again, since time jumped back, as it does when a recording
        starts again. One that is older by less counts as the same time.

        Args:
            detections: faces of one image.
            stamp: time of the image in seconds.
            compute_appearance: returns the appearance of all faces, see
                `appearance.compute_appearance`; called only if needed. Without it boxes alone
                decide.
        """
        was_reset = stamp < self._newest - REORDERING
        if was_reset:
            self.reset()
        self._newest = stamp = max(stamp, self._newest)
        self._tracks = [t for t in self._tracks if stamp - t.last_seen <= self.timeout]
        pairing = self._pair(detections, stamp, compute_appearance)
        return TrackingUpdate(self._continue(detections, stamp, pairing), was_reset)

    def _pair(
        self,
        detections: Sequence[Detection],
        stamp: float,
        compute_appearance: Callable[[], NDArray[np.float32]] | None,
    ) -> _Pairing:
        """Find the track of each face, and the faces whose track is not certain."""
        tracks = self._tracks
        costs = np.full((len(detections), len(tracks)), np.inf)
        for index, detection in enumerate(detections):
            for number, track in enumerate(tracks):
                costs[index, number] = track.cost(detection.box, stamp)
        is_uncertain = bool((np.isfinite(costs).sum(1) > 1).any())
        is_uncertain |= any(track.is_occluded for track in tracks)
        appearance = self._compute_appearance(
            compute_appearance, is_uncertain, max(costs.shape), stamp
        )
        difference = np.full(costs.shape, np.nan)
        if appearance is not None and is_uncertain:
            difference = _differences(tracks, appearance)
            for row, differing in zip(costs, difference, strict=True):
                possible = np.isfinite(row)
                # Where they do not differ clearly, or are not known of all, noise would decide.
                if possible.sum() > 1 and np.ptp(differing[possible]) >= MARGIN:
                    row[possible] += APPEARANCE_WEIGHT * differing[possible] ** 2
        pairs = dict(assign(costs, _UNMATCHED))
        ambiguous = _ambiguous_pairs(costs, pairs, tracks)
        ambiguous |= {
            index
            for index, number in pairs.items()
            if not tracks[number].is_certain(detections[index].box, stamp)
            and not _is_recognized(difference[index], number)
        }
        return _Pairing(costs, pairs, ambiguous, appearance)

    def _continue(
        self, detections: Sequence[Detection], stamp: float, pairing: _Pairing
    ) -> list[Track]:
        """Update the tracks of all faces, start new ones, and return them in the same order."""
        tracks, pairs = self._tracks, pairing.pairs
        unmatched = [number for number in range(len(tracks)) if number not in pairs.values()]
        result: list[Track] = []
        for index, detection in enumerate(detections):
            if index in pairs and index not in pairing.ambiguous:
                costs, number = pairing.costs[index], pairs[index]
                track = tracks[number]
                track.is_ambiguous = any(
                    costs[other] < costs[number] + AMBIGUOUS for other in unmatched
                )
                track.move(detection.box, stamp)
            else:
                self._given += 1
                track = Track(str(self._given), detection.box, stamp, stamp)
            if pairing.appearance is not None:
                track.update_appearance(pairing.appearance[index])
            result.append(track)
        boxes = [detection.box for detection in detections]
        for number in unmatched:
            tracks[number].update_occlusion(boxes, stamp)
        ended = {id(tracks[pairs[index]]) for index in pairing.ambiguous}
        known = {id(track) for track in tracks}
        self._tracks = [track for track in tracks if id(track) not in ended]
        self._tracks += [track for track in result if id(track) not in known]
        return result

    def _compute_appearance(
        self,
        compute_appearance: Callable[[], NDArray[np.float32]] | None,
        is_uncertain: bool,
        people: int,
        stamp: float,
    ) -> NDArray[np.float32] | None:
        """Return the appearance of all faces, None if it is not needed or there are too many."""
        is_new = any(track.appearance is None for track in self._tracks)
        is_due = is_uncertain or is_new or stamp - self._described_at >= APPEARANCE_PERIOD
        if compute_appearance is None or not 1 <= people < CROWD or not is_due:
            return None
        self._described_at = stamp
        return compute_appearance()

    def reset_filters(self) -> None:
        """Reset the filters of all tracks, because the models changed; tracks continue."""
        for track in self._tracks:
            track.filters.clear()

    def reset(self) -> None:
        """Drop all tracks; ids are not reused."""
        self._tracks = []
        self._newest = self._described_at = float('-inf')


def _ambiguous_pairs(
    costs: NDArray[np.float64], pairs: Mapping[int, int], tracks: Sequence[Track]
) -> set[int]:
    """Return the faces after an occlusion whose tracks could as well be swapped."""
    ambiguous = set()
    for (one, track), (other, other_track) in itertools.combinations(pairs.items(), 2):
        swap = costs[one, other_track] + costs[other, track]
        was_hidden = any(tracks[each].is_ambiguous for each in (track, other_track))
        if was_hidden and swap < costs[one, track] + costs[other, other_track] + AMBIGUOUS:
            ambiguous |= {one, other}
    return ambiguous


def _differences(tracks: Sequence[Track], appearance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return faces x tracks differences of appearance, NaN where unknown."""
    result = np.full((len(appearance), len(tracks)), np.nan)
    seen = {number: t.appearance for number, t in enumerate(tracks) if t.appearance is not None}
    if len(appearance) and seen:
        result[:, list(seen)] = differences(list(appearance), list(seen.values()))
    return result


def _is_recognized(difference: NDArray[np.float64], number: int) -> bool:
    """Return whether the appearance of a face fits its track and no other one."""
    others = np.delete(difference, number)
    is_unique = len(others) > 0 and np.all(others >= difference[number] + MARGIN)
    return bool(difference[number] <= SAME_APPEARANCE and is_unique)

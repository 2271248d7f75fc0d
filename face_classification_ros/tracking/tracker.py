"""Follow faces from picture to picture and smooth what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
import itertools
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.tracking.appearance import Appearance, differences, LARGEST
from face_classification_ros.tracking.assignment import assign
from face_classification_ros.tracking.temporal_filter import TemporalFilter
from face_classification_ros.types import BoundingBox, Detection

REACH, REACH_PER_SECOND, LONGEST_REACH = 0.7, 3.0, 1.5
"""How far from where it is expected a face may be, in sides of its box; neighbors are farther."""

MAX_GROWTH = 1.8
"""How much larger or smaller a face may become between two pictures."""

DAMPING = 0.5
"""Seconds in which a movement that is not seen any more is taken to fade by 1/e."""

VELOCITY_TIME = 0.15
"""Seconds over which velocities are averaged, as boxes tremble."""

OCCLUDED_REACH, OCCLUDED_GROWTH = 0.35, 1.15
"""The same for a face that was covered by another one: whoever comes out may be somebody else."""

OCCLUSION_DISTANCE = 1.5
"""Distance of two faces, in sides of the larger box, up to which one may cover the other."""

AMBIGUOUS = 0.3
"""Difference of costs up to which two ways to pair faces and tracks are equally good."""

REORDERING = 0.1
"""Seconds by which a driver's stamps may go back without time having been set back."""

APPEARANCE_WEIGHT = 1.0
"""What a difference of looks, squared, counts beside a distance in sides of the box, squared."""

SAME_APPEARANCE = 0.2
"""Difference of looks up to which a face that was covered may be told by them."""

MARGIN = 0.1
"""Difference of looks by which one must fit better than another for looks to say anything."""

APPEARANCE_PERIOD = 0.25
"""Seconds after which it is looked again where nobody can be mistaken, as looking takes time."""

CROWD = 30
"""People from whom on boxes alone decide: to compare all with all takes too long."""

APPEARANCE_FRAMES = 10
"""Pictures over which looks are averaged: enough for noise, few enough to follow the light."""

_UNMATCHED = LONGEST_REACH**2 + 2 + APPEARANCE_WEIGHT * LARGEST
"""Cost of a face without a track: more than any pair costs, as all are paired that can be."""


@dataclass
class Track:
    """One face through time.

    Attributes:
        id: given once in the life of a tracker.
        box: where it was seen last.
        first_seen: stamp in seconds.
        last_seen: stamp in seconds.
        velocity: of its center, pixels per second.
        is_ambiguous: whether the newest picture's face may as well be that of another track, so
            that nothing must be learned from it.
        is_occluded: whether it is not seen, and another face was where it must have been.
        appearance: the mean of how it looked, None where nothing is known of it.
        pictures: how many of them are behind `appearance`.
        filters: attribute -> what was seen of it so far.
    """

    id: str
    box: BoundingBox
    first_seen: float
    last_seen: float
    velocity: tuple[float, float] = (0.0, 0.0)
    is_ambiguous: bool = False
    is_occluded: bool = False
    appearance: Appearance | None = None
    pictures: int = 0
    filters: dict[str, TemporalFilter] = field(default_factory=dict)

    def update_attribute(
        self,
        attribute: str,
        probabilities: NDArray[np.float32],
        smoothing_time: float,
        weight: float = 1.0,
    ) -> TemporalFilter:
        """Add the distribution of the newest image and return the filter."""
        filter_ = self.filters.setdefault(attribute, TemporalFilter())
        filter_.add(probabilities, self.last_seen, smoothing_time, weight)
        return filter_

    def expected(self, stamp: float) -> tuple[float, float]:
        """Give the point where the center must be by then, if it moves on ever more slowly."""
        x, y = self.box.center
        time = DAMPING * (1 - math.exp(-(stamp - self.last_seen) / DAMPING))
        return x + self.velocity[0] * time, y + self.velocity[1] * time

    def cost(self, box: BoundingBox, stamp: float) -> float:
        """Tell how badly a face seen there and then fits; infinite where it cannot be this one."""
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
        """Tell whether a face that fits is this one for sure, also if it was covered."""
        size, other_size = math.sqrt(self.box.area), math.sqrt(box.area)
        distance = 2 * math.dist(self.expected(stamp), box.center) / (size + other_size)
        is_alike = max(size, other_size) <= OCCLUDED_GROWTH * min(size, other_size)
        return not self.is_occluded or (is_alike and distance <= OCCLUDED_REACH)

    def move(self, box: BoundingBox, stamp: float) -> None:
        """Take note of where it was seen."""
        elapsed = stamp - self.last_seen
        if elapsed > 0 and not self.is_ambiguous:
            share = 1 - math.exp(-elapsed / VELOCITY_TIME)
            (x, y), (old_x, old_y) = box.center, self.box.center
            self.velocity = (
                self.velocity[0] + share * ((x - old_x) / elapsed - self.velocity[0]),
                self.velocity[1] + share * ((y - old_y) / elapsed - self.velocity[1]),
            )
        self.box, self.last_seen, self.is_occluded = box, stamp, False

    def update_appearance(self, appearance: Appearance) -> None:
        """Take note of how it looks; what is not seen of it stays as it was."""
        if self.is_ambiguous:
            return
        if self.appearance is None:
            self.appearance = appearance
        else:
            share = np.float32(1 / min(self.pictures + 1, APPEARANCE_FRAMES))
            mean = self.appearance + share * (appearance - self.appearance)
            mean = np.where(np.isnan(self.appearance), appearance, mean)
            self.appearance = np.where(np.isnan(appearance), self.appearance, mean)
        self.pictures += 1

    def update_occlusion(self, boxes: Sequence[BoundingBox], stamp: float) -> None:
        """Take note that it is not among the faces of a picture, which may cover it."""
        places = (self.box.center, self.expected(stamp))
        self.is_occluded |= any(
            math.dist(place, box.center)
            <= OCCLUSION_DISTANCE * math.sqrt(max(box.area, self.box.area))
            for place in places
            for box in boxes
        )


class Tracker:
    """Gives each face the id that it had in the pictures before.

    Where it cannot be told who is who, a face gets a new id rather than somebody else's.

    Attributes:
        timeout: seconds after which a face that was not seen again is forgotten.
        resets: how often all tracks started anew, by a call or because time was set back.
    """

    def __init__(self, timeout: float) -> None:
        """Make a tracker that forgets a face not seen for `timeout` seconds."""
        self.timeout = timeout
        self.resets = 0
        self._tracks: list[Track] = []
        self._newest = float('-inf')
        self._described_at = float('-inf')
        self._given = 0

    def update(
        self,
        detections: Sequence[Detection],
        stamp: float,
        compute_appearance: Callable[[], NDArray[np.float32]] | None = None,
    ) -> list[Track]:
        """Give the track of each detection, in the same order.

        Faces and tracks are paired so that all together are nearest to where they are expected.
        Time is that of the stamps. One that is before the last by more than `REORDERING` starts
        all tracks anew: time was set back, as it is when a recording starts again. One that is
        before it by less counts as the last one again.

        Args:
            detections: faces of one picture.
            stamp: time of the picture in seconds.
            compute_appearance: see `appearance.compute_appearance`; called where that
                may be needed. Without, boxes alone decide.
        """
        if stamp < self._newest - REORDERING:
            self.reset()
        self._newest = stamp = max(stamp, self._newest)
        self._tracks = [t for t in self._tracks if stamp - t.last_seen <= self.timeout]
        tracks = self._tracks

        costs = np.full((len(detections), len(tracks)), np.inf)
        for index, detection in enumerate(detections):
            for number, track in enumerate(tracks):
                costs[index, number] = track.cost(detection.box, stamp)
        is_in_doubt = bool((np.isfinite(costs).sum(1) > 1).any())
        is_in_doubt |= any(track.is_occluded for track in tracks)
        appearance = self._compute_appearance(
            compute_appearance, is_in_doubt, max(costs.shape), stamp
        )
        unlike = np.full(costs.shape, np.nan)
        if appearance is not None and is_in_doubt:
            unlike = _differences(tracks, appearance)
            for row, differing in zip(costs, unlike, strict=True):
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
            and not _is_recognized(unlike[index], number)
        }
        unmatched = [number for number in range(len(tracks)) if number not in pairs.values()]

        result = []
        for index, detection in enumerate(detections):
            if index in pairs and index not in ambiguous:
                number = pairs[index]
                track = tracks[number]
                track.is_ambiguous = any(
                    costs[index, other] < costs[index, number] + AMBIGUOUS for other in unmatched
                )
                track.move(detection.box, stamp)
            else:
                self._given += 1
                track = Track(str(self._given), detection.box, stamp, stamp)
            if appearance is not None:
                track.update_appearance(appearance[index])
            result.append(track)
        boxes = [detection.box for detection in detections]
        for number in unmatched:
            tracks[number].update_occlusion(boxes, stamp)
        ended = {id(tracks[pairs[index]]) for index in ambiguous}
        known = {id(track) for track in tracks}
        self._tracks = [track for track in tracks if id(track) not in ended]
        self._tracks += [track for track in result if id(track) not in known]
        return result

    def _compute_appearance(
        self,
        compute_appearance: Callable[[], NDArray[np.float32]] | None,
        is_in_doubt: bool,
        people: int,
        stamp: float,
    ) -> NDArray[np.float32] | None:
        """Give how people look, None where it is not needed, as of who is alone, or in a crowd."""
        is_new = any(track.appearance is None for track in self._tracks)
        is_due = is_in_doubt or is_new or stamp - self._described_at >= APPEARANCE_PERIOD
        if compute_appearance is None or not 2 <= people < CROWD or not is_due:
            return None
        self._described_at = stamp
        return compute_appearance()

    def reset_filters(self) -> None:
        """Start the averages of all faces anew, as another model's answers need; tracks go on."""
        for track in self._tracks:
            track.filters.clear()

    def reset(self) -> None:
        """Forget all faces; ids go on."""
        self.resets += 1
        self._tracks = []
        self._newest = self._described_at = float('-inf')


def _ambiguous_pairs(
    costs: NDArray[np.float64], pairs: Mapping[int, int], tracks: Sequence[Track]
) -> set[int]:
    """Give the faces that come out of the dark and could as well have changed their tracks."""
    ambiguous = set()
    for (one, track), (other, other_track) in itertools.combinations(pairs.items(), 2):
        swap = costs[one, other_track] + costs[other, track]
        was_hidden = any(tracks[each].is_ambiguous for each in (track, other_track))
        if was_hidden and swap < costs[one, track] + costs[other, other_track] + AMBIGUOUS:
            ambiguous |= {one, other}
    return ambiguous


def _differences(tracks: Sequence[Track], appearance: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give how different faces and tracks look, NaN where it is not known."""
    result = np.full((len(appearance), len(tracks)), np.nan)
    seen = {number: t.appearance for number, t in enumerate(tracks) if t.appearance is not None}
    if len(appearance) and seen:
        result[:, list(seen)] = differences(list(appearance), list(seen.values()))
    return result


def _is_recognized(unlike: NDArray[np.float64], number: int) -> bool:
    """Tell whether a face looks like its track and like nobody else that is known."""
    others = np.delete(unlike, number)
    is_told = len(others) > 0 and np.all(others >= unlike[number] + MARGIN)
    return bool(unlike[number] <= SAME_APPEARANCE and is_told)

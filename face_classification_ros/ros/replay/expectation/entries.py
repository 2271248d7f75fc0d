"""What can be expected of a recording, and how the results of its replay differ from that."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from pydantic import Field, model_validator, NonNegativeFloat
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from face_classification_ros.ros.replay.expectation.values import (
    BoxValue,
    Fraction,
    Labels,
    Limits,
    Model,
    Name,
    TimeSpan,
    Track,
)
from face_classification_ros.types import BoundingBox, Face, FrameFaces

MAX_TIME_DIFFERENCE = 0.5
"""Seconds that the frame of a box may be away from the time that `boxes` names."""

MAX_LISTED = 4
"""Number of different results that a difference lists; it counts the others."""

PERCENTILES = {'p50': 50.0, 'p95': 95.0, 'max': 100.0}


class Difference(NamedTuple):
    """An expectation that is not met.

    Attributes:
        place: the entry of the expectation, such as `labels[2]`.
        expected: what the entry asks for.
        actual: what came instead, and when.
    """

    place: str
    expected: str
    actual: str

    def __str__(self) -> str:
        return f'{self.place}: expected {self.expected}\n    actual: {self.actual}'


def from_start(frames: Sequence[FrameFaces]) -> list[FrameFaces]:
    """Return the frames with their stamps in seconds since the first one.

    They are rounded to microseconds, since stamps are seconds since 1970.
    """
    return [replace(frame, stamp=round(frame.stamp - frames[0].stamp, 6)) for frame in frames]


def frames_between(frames: Sequence[FrameFaces], start: float, end: float) -> list[FrameFaces]:
    """Return the frames at `start` <= stamp < `end`, in seconds."""
    return [frame for frame in frames if start <= frame.stamp < end]


class Entry(Model, ABC):
    """One expectation."""

    @abstractmethod
    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """Return how the results of a recording differ from this entry.

        Args:
            place: of this entry in the expectation, such as `labels[2]`.
            frames: all frames of the recording, in its order, see `from_start`.
        """


class FaceCount(Entry, TimeSpan, Limits):
    """The number of faces in each frame, in at least `min_fraction` of the frames."""

    min_fraction: Fraction = 1.0

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`."""
        return _compare_frames(
            place,
            f'{self.limits_text("face")} per frame {self.span_text}',
            frames_between(frames, self.start, self.end),
            self.min_fraction,
            lambda frame: self.allows(len(frame.faces)),
            lambda frame: _counted(len(frame.faces), 'face'),
        )


class FaceRate(Entry, TimeSpan, Limits):
    """The number of faces in each whole second, summed over its frames."""

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`."""
        expected = f'{self.limits_text("face")} in every second {self.span_text}'
        # The last frame lasts as long as the others do on average.
        count = len(frames)
        end = frames[-1].stamp * count / (count - 1) if count > 1 else 0.0
        seconds = np.arange(self.start, min(self.end, end) - 1 + 1e-6).tolist()
        counts = {
            second: sum(len(frame.faces) for frame in frames_between(frames, second, second + 1))
            for second in seconds
        }
        if not counts:
            return [Difference(place, expected, 'no whole second of frames')]
        wrong = [
            f'{count} from {second:g} to {second + 1:g} s'
            for second, count in counts.items()
            if not self.allows(count)
        ]
        if not wrong:
            return []
        actual = f'{len(wrong)} of {len(counts)} seconds differ: {_listed(wrong)}'
        return [Difference(place, expected, actual)]


class TrackCount(Entry, TimeSpan, Limits):
    """The number of different track ids."""

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`."""
        first_seen: dict[str, float] = {}
        for frame in frames_between(frames, self.start, self.end):
            for face in frame.faces:
                first_seen.setdefault(face.track_id, frame.stamp)
        if self.allows(len(first_seen)):
            return []
        tracks = [f'{track} from {time:.2f} s on' for track, time in first_seen.items()]
        expected = f'{self.limits_text("track")} {self.span_text}'
        return [Difference(place, expected, f'{len(first_seen)}: {_listed(tracks) or "no face"}')]


class FaceLabels(Entry, TimeSpan):
    """The labels of a face, in at least `min_fraction` of the frames.

    The face is that of `track`, or the one that overlaps `box` most, or else the largest.
    """

    attributes: dict[Name, Labels] = Field(min_length=1)
    track: Track | None = None
    box: BoxValue | None = None
    min_iou: Fraction = 0.3
    min_fraction: Fraction = 1.0

    @model_validator(mode='after')
    def _check_face(self) -> Self:
        if self.box is not None and self.track is not None:
            raise PydanticCustomError('ambiguous_face', 'has box and track, expected one of them')
        return self

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`."""
        span = frames_between(frames, self.start, self.end)
        return [
            difference
            for attribute, labels in self.attributes.items()
            for difference in self._compare_attribute(place, span, attribute, labels)
        ]

    def _compare_attribute(
        self, place: str, frames: Sequence[FrameFaces], attribute: str, labels: list[str]
    ) -> list[Difference]:
        return _compare_frames(
            place,
            f'{attribute} {" or ".join(labels)} of {self._face_text()} {self.span_text}',
            frames,
            self.min_fraction,
            lambda frame: self._label(frame, attribute) in labels,
            lambda frame: self._label(frame, attribute) or self._why_no_label(frame, attribute),
        )

    def _label(self, frame: FrameFaces, attribute: str) -> str | None:
        face = self._find_face(frame)
        estimate = face.attributes.get(attribute) if face else None
        return estimate.label if estimate else None

    def _why_no_label(self, frame: FrameFaces, attribute: str) -> str:
        return f'no {attribute}' if self._find_face(frame) else 'no such face'

    def _find_face(self, frame: FrameFaces) -> Face | None:
        if self.track is not None:
            return next((face for face in frame.faces if face.track_id == self.track), None)
        if self.box is None:
            return next(iter(frame.faces), None)
        best = _best_match(frame.faces, self.box)
        return best if best and best.detection.box.iou(self.box) >= self.min_iou else None

    def _face_text(self) -> str:
        if self.track is not None:
            return f'track {self.track}'
        return 'the largest face' if self.box is None else f'the face at {_box_text(self.box)}'


class FaceBox(Entry):
    """A face in a box at a time, by intersection over union."""

    at: NonNegativeFloat
    box: BoxValue
    min_iou: Fraction = 0.5

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`."""
        box, min_iou = _box_text(self.box), f'{self.min_iou:g}'
        expected = f'a face at {box} at {self.at:g} s with an IoU of at least {min_iou}'
        nearest = min(frames, key=lambda frame: abs(frame.stamp - self.at), default=None)
        if nearest is None:
            return [Difference(place, expected, 'no frames')]
        if abs(nearest.stamp - self.at) > MAX_TIME_DIFFERENCE:
            actual = f'no frame at that time, the nearest is at {nearest.stamp:.2f} s'
            return [Difference(place, expected, actual)]
        best = _best_match(nearest.faces, self.box)
        if best is None:
            return [Difference(place, expected, f'no face at {nearest.stamp:.2f} s')]
        iou = best.detection.box.iou(self.box)
        if iou >= self.min_iou:
            return []
        where = f'{_box_text(best.detection.box)} at {nearest.stamp:.2f} s'
        actual = f'the best match is at {where} with an IoU of {iou:.2f}'
        return [Difference(place, expected, actual)]


class Latency(Entry):
    """Upper limits of percentiles of the time from a frame to its faces, in seconds."""

    p50: NonNegativeFloat | None = None
    p95: NonNegativeFloat | None = None
    max: NonNegativeFloat | None = None

    @model_validator(mode='after')
    def _check_limits(self) -> Self:
        if not self._limits():
            raise PydanticCustomError(
                'no_limits', 'needs some of {names}, in seconds', {'names': ', '.join(PERCENTILES)}
            )
        return self

    def differences(self, place: str, frames: Sequence[FrameFaces]) -> list[Difference]:
        """See `Entry.differences`; nothing differs where no latency was measured."""
        latencies = [frame.latency for frame in frames if frame.latency is not None]
        if not latencies:
            return []
        actual = {
            name: float(np.percentile(latencies, percentile))
            for name, percentile in PERCENTILES.items()
        }
        return [
            Difference(
                place, f'{name} at most {limit * 1000:.1f} ms', f'{actual[name] * 1000:.1f} ms'
            )
            for name, limit in self._limits().items()
            if actual[name] > limit
        ]

    def _limits(self) -> dict[str, float]:
        limits = {name: getattr(self, name) for name in PERCENTILES}
        return {name: limit for name, limit in limits.items() if limit is not None}


def _compare_frames(
    place: str,
    expected: str,
    frames: Sequence[FrameFaces],
    min_fraction: float,
    complies: Callable[[FrameFaces], bool],
    describe: Callable[[FrameFaces], str],
) -> list[Difference]:
    """Compare the fraction of frames that comply with its minimum, and describe the others."""
    if min_fraction < 1:
        expected += f' in at least {min_fraction:.0%} of the frames'
    if not frames:
        return [Difference(place, expected, 'no frames in that time')]
    wrong = [frame for frame in frames if not complies(frame)]
    if len(wrong) <= (1 - min_fraction) * len(frames) + 1e-9:
        return []
    times: dict[str, list[float]] = {}
    for frame in wrong:
        times.setdefault(describe(frame), []).append(frame.stamp)
    results = [
        f'{result} in {_counted(len(each), "frame")} ({_times_text(each)})'
        for result, each in sorted(times.items(), key=lambda item: -len(item[1]))
    ]
    actual = f'{len(wrong)} of {len(frames)} frames differ: {_listed(results)}'
    return [Difference(place, expected, actual)]


def _counted(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def _best_match(faces: Sequence[Face], box: BoundingBox) -> Face | None:
    return max(faces, key=lambda face: face.detection.box.iou(box), default=None)


def _box_text(box: BoundingBox) -> str:
    return f'[{box.x:g}, {box.y:g}, {box.width:g}, {box.height:g}]'


def _times_text(times: Sequence[float]) -> str:
    if len(times) == 1:
        return f'at {times[0]:.2f} s'
    return f'from {times[0]:.2f} to {times[-1]:.2f} s'


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MAX_LISTED
    return ', '.join(texts[:MAX_LISTED]) + (f' and {more} more' if more > 0 else '')

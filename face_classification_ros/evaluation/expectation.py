"""Compare what was told of a recording with what was expected of it, and say what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from face_classification_ros.evaluation.results import FaceResult, FrameResultRecord
from face_classification_ros.types import BoundingBox

ATTRIBUTES = ('gender', 'emotion')

SAME_FACE = 0.3
"""Intersection over union from which the face of a `box` in `labels` is meant."""

MATCHING_BOX = 0.5
"""Intersection over union from which a box is where `boxes` expects it."""

NEAREST = 0.5
"""Seconds that the picture of a box may be away from the time that `boxes` names."""

PERCENTILES = {'p50': 50.0, 'p95': 95.0, 'max': 100.0}
SHOWN = 4
"""Of what came instead, as many different things are told."""


class ExpectationError(ValueError):
    """An expectation cannot be understood; the text has a line for each mistake."""


@dataclass(frozen=True)
class Difference:
    """One expectation that was not met.

    Attributes:
        where: the entry of the expectation, such as `labels[2]`.
        expected: what it asks for.
        came: what came instead, and when.
    """

    where: str
    expected: str
    came: str

    def __str__(self) -> str:
        return f'{self.where}: expected {self.expected}\n    came: {self.came}'


@dataclass(frozen=True)
class Span:
    """A part of a recording: pictures at `start` <= time < `end`, in seconds."""

    start: float = 0.0
    end: float = math.inf

    def of(self, pictures: Iterable[FrameResultRecord]) -> list[FrameResultRecord]:
        """Give the pictures in it."""
        return [each for each in pictures if self.start <= each.time < self.end]

    def __str__(self) -> str:
        if self.end < math.inf:
            return f'from {self.start:g} to {self.end:g} s'
        return f'from {self.start:g} s to the end' if self.start else 'all the time'


@dataclass(frozen=True)
class FaceCount:
    """How many faces each picture of a span has; `share` of the pictures must comply."""

    span: Span
    low: float
    high: float
    share: float

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what came."""
        expected = f'{_range(self.low, self.high)} faces per picture {self.span}'
        return _compare_share(
            where,
            expected,
            self.span.of(pictures),
            self.share,
            lambda picture: self.low <= len(picture.faces) <= self.high,
            lambda picture: str(len(picture.faces)),
        )


@dataclass(frozen=True)
class FaceRate:
    """How many faces are told in each whole second of a span, summed over its pictures."""

    span: Span
    low: float
    high: float

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what came."""
        expected = f'{_range(self.low, self.high)} faces in every second {self.span}'
        # The last picture, too, lasts as long as the others on average.
        count = len(pictures)
        end = pictures[-1].time * count / (count - 1) if count > 1 else 0.0
        seconds = np.arange(self.span.start, min(self.span.end, end) - 1 + 1e-6)
        if not seconds.size:
            return [Difference(where, expected, 'no whole second of pictures')]
        counts = {
            float(second): sum(len(each.faces) for each in Span(second, second + 1).of(pictures))
            for second in seconds
        }
        wrong = {
            second: count for second, count in counts.items() if not self.low <= count <= self.high
        }
        if not wrong:
            return []
        told = [f'{count} from {second:g} s on' for second, count in wrong.items()]
        return [
            Difference(
                where, expected, f'{len(wrong)} of {len(counts)} seconds differ: {_listed(told)}'
            )
        ]


@dataclass(frozen=True)
class TrackCount:
    """How many different tracks a span has."""

    span: Span
    low: float
    high: float

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what came."""
        seen: dict[str, float] = {}
        for picture in self.span.of(pictures):
            for face in picture.faces:
                seen.setdefault(face.track_id, picture.time)
        if self.low <= len(seen) <= self.high:
            return []
        told = [f'{track} from {time:.2f} s on' for track, time in seen.items()]
        expected = f'{_range(self.low, self.high)} tracks {self.span}'
        return [Difference(where, expected, f'{len(seen)}: {_listed(told)}')]


@dataclass(frozen=True)
class Label:
    """What is told of an attribute of a face in a span; in `share` of its pictures.

    The face is that of a track, or the one around a box, or else the largest.
    """

    span: Span
    attribute: str
    labels: tuple[str, ...]
    box: BoundingBox | None
    iou: float
    track: str
    share: float

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what came."""
        expected = f'{self.attribute} {" or ".join(self.labels)} of {self._face()} {self.span}'
        return _compare_share(
            where,
            expected,
            self.span.of(pictures),
            self.share,
            lambda picture: self._told(picture) in self.labels,
            self._told,
        )

    def _face(self) -> str:
        if self.track:
            return f'track {self.track}'
        return f'the face at {_box(self.box)}' if self.box else 'the largest face'

    def _told(self, picture: FrameResultRecord) -> str:
        if self.track:
            chosen = [each for each in picture.faces if each.track_id == self.track]
        elif self.box is not None:
            best = _best(picture.faces, self.box)
            chosen = [best] if best and best.box.iou(self.box) >= self.iou else []
        else:
            chosen = list(picture.faces[:1])
        if not chosen:
            return 'no such face'
        told = getattr(chosen[0], self.attribute)
        return told.label if told else 'switched off'


@dataclass(frozen=True)
class PlacedBox:
    """A face at a place at a time: a box of the nearest picture, by intersection over union."""

    time: float
    box: BoundingBox
    iou: float

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what came."""
        expected = f'a face at {_box(self.box)} at {self.time:g} s (IoU {self.iou:g} at least)'
        nearest = min(pictures, key=lambda each: abs(each.time - self.time), default=None)
        if nearest is None or abs(nearest.time - self.time) > NEAREST:
            return [Difference(where, expected, _no_picture(pictures))]
        best = _best(nearest.faces, self.box)
        if best is None:
            return [Difference(where, expected, f'no face at {nearest.time:.2f} s')]
        iou = best.box.iou(self.box)
        if iou >= self.iou:
            return []
        came = f'the next is at {_box(best.box)} at {nearest.time:.2f} s (IoU {iou:.2f})'
        return [Difference(where, expected, came)]


@dataclass(frozen=True)
class Latency:
    """Percentiles of the time from a picture to its faces, in seconds, at most."""

    limits: Mapping[str, float]

    def differences(self, where: str, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Compare with what was measured; without a node nothing was, and nothing differs."""
        latencies = [each.latency for each in pictures if each.latency is not None]
        if not latencies:
            return []
        return [
            Difference(
                f'{where}.{name}', f'at most {limit * 1000:.1f} ms', f'{told * 1000:.1f} ms'
            )
            for name, limit in self.limits.items()
            if (told := float(np.percentile(latencies, PERCENTILES[name]))) > limit
        ]


Entry = FaceCount | FaceRate | TrackCount | Label | PlacedBox | Latency


@dataclass(frozen=True)
class Expectation:
    """What a recording is expected to give: entries by their place in the file."""

    entries: Mapping[str, Entry]

    def differences(self, pictures: Sequence[FrameResultRecord]) -> list[Difference]:
        """Give what was expected and did not come.

        Args:
            pictures: in the order of the recording.
        """
        return [
            difference
            for where, entry in self.entries.items()
            for difference in entry.differences(where, pictures)
        ]


def read_expectation(path: Path) -> Expectation:
    """Read an expectation from a YAML file; docs/replay.md tells what may be in it.

    Raises:
        OSError: the file cannot be read.
        ExpectationError: it cannot be understood; a line for each mistake.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ExpectationError(f'{path} is no YAML: {" ".join(str(error).split())}') from error
    try:
        return parse_expectation(content)
    except ExpectationError as error:
        lines = str(error).splitlines()
        raise ExpectationError('\n'.join(f'{path}: {line}' for line in lines)) from None


def parse_expectation(content: Any) -> Expectation:
    """Take an expectation as YAML has it: a mapping with some of the keys of `SECTIONS`.

    Raises:
        ExpectationError: it cannot be understood; a line for each mistake.
    """
    mistakes: list[str] = []
    entries: dict[str, Entry] = {}

    def take(where: str, parse: Callable[[_Reader], Entry], value: Any) -> None:
        if not isinstance(value, dict):
            mistakes.append(f'{where}: {value!r} is no mapping of names and values')
            return
        reader = _Reader(where, value, mistakes)
        entries[where] = parse(reader)
        reader.finish()

    if not isinstance(content, dict):
        raise ExpectationError(f'{content!r} is no mapping of names and values')
    top = _Reader('', content, mistakes)
    for name, parse in _LISTS.items():
        for index, entry in enumerate(top.take_list(name)):
            take(f'{name}[{index}]', parse, entry)
    if top.has('latency'):
        take('latency', _parse_latency, top.take('latency'))
    top.finish()
    if not entries and not mistakes:
        mistakes.append(f'nothing is expected, give some of {", ".join(SECTIONS)}')
    if mistakes:
        raise ExpectationError('\n'.join(mistakes))
    return Expectation(entries)


class _Reader:
    """Takes the values of a mapping out of it, and notes what is wrong with them."""

    def __init__(self, where: str, content: Mapping[Any, Any], mistakes: list[str]) -> None:
        self._where = where
        self._mistakes = mistakes
        self._known: list[str] = []
        self._content = dict(content)

    def add_problem(self, key: str, text: str) -> None:
        place = '.'.join(each for each in (self._where, key) if each)
        self._mistakes.append(f'{place}: {text}' if place else text)

    def has(self, key: str) -> bool:
        return key in self._content

    def take(self, key: str, default: Any = None) -> Any:
        self._known.append(key)
        return self._content.pop(key, default)

    def take_list(self, key: str) -> list[Any]:
        value = self.take(key, [])
        if isinstance(value, list):
            return value
        self.add_problem(key, f'{value!r} is no list')
        return []

    def number(self, key: str, default: float | None, low: float, high: float = math.inf) -> float:
        """Take a number; None as the default says that it must be there."""
        value = self.take(key, default)
        if value is None:
            self.add_problem(key, 'is missing')
        elif not _is_number(value):
            self.add_problem(key, f'{value!r} is no number')
        elif not low <= value <= high:
            limits = f'between {low:g} and {high:g}' if high < math.inf else f'{low:g} or more'
            self.add_problem(key, f'{value!r} is not {limits}')
        else:
            return float(value)
        return low

    def limits(self) -> tuple[float, float]:
        """Take `min` and `max`, at least one of them."""
        if not (self.has('min') or self.has('max')):
            self.add_problem('', 'give min, max or both')
        low, high = self.number('min', 0.0, 0.0), self.number('max', math.inf, 0.0)
        if high < low:
            self.add_problem('max', f'{high:g} is less than min, {low:g}')
        return low, high

    def span(self) -> Span:
        start, end = self.number('from', 0.0, 0.0), self.number('to', math.inf, 0.0)
        if end <= start:
            self.add_problem('to', f'{end:g} is not later than from, {start:g}')
        return Span(start, end)

    def box(self) -> BoundingBox | None:
        value = self.take('box')
        if value is None:
            return None
        if (
            isinstance(value, list)
            and len(value) == 4
            and all(map(_is_number, value))
            and min(value[2:]) > 0
        ):
            return BoundingBox(*map(float, value))
        self.add_problem('box', f'{value!r} is not [x, y, width, height] in pixels')
        return None

    def finish(self) -> None:
        """Note what nobody asked for."""
        for key in self._content:
            self.add_problem(
                str(key), f'is unknown, known are {", ".join(dict.fromkeys(self._known))}'
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _parse_faces(reader: _Reader) -> FaceCount:
    low, high = reader.limits()
    return FaceCount(reader.span(), low, high, reader.number('share', 1.0, 0.0, 1.0))


def _parse_rate(reader: _Reader) -> FaceRate:
    return FaceRate(reader.span(), *reader.limits())


def _parse_tracks(reader: _Reader) -> TrackCount:
    low, high = reader.limits()
    return TrackCount(reader.span(), low, high)


def _parse_label(reader: _Reader) -> Label:
    attribute = reader.take('attribute')
    if attribute not in ATTRIBUTES:
        reader.add_problem('attribute', f'{attribute!r} is none of {", ".join(ATTRIBUTES)}')
    labels = reader.take('label')
    labels = labels if isinstance(labels, list) else [labels]
    if not labels or not all(isinstance(each, str) and each for each in labels):
        reader.add_problem('label', f'{labels!r} is no label and no list of them')
    if reader.has('box') and reader.has('track'):
        reader.add_problem('', 'give box or track, not both')
    track = reader.take('track', '')
    # YAML takes 1 for a number.
    if not isinstance(track, (int, str)):
        reader.add_problem('track', f'{track!r} is no track id')
    return Label(
        span=reader.span(),
        attribute=str(attribute),
        labels=tuple(map(str, labels)),
        box=reader.box(),
        iou=reader.number('iou', SAME_FACE, 0.0, 1.0),
        track=str(track),
        share=reader.number('share', 1.0, 0.0, 1.0),
    )


def _parse_box(reader: _Reader) -> PlacedBox:
    if not reader.has('box'):
        reader.add_problem('box', 'is missing')
    return PlacedBox(
        time=reader.number('at', None, 0.0),
        box=reader.box() or BoundingBox(0, 0, 1, 1),
        iou=reader.number('iou', MATCHING_BOX, 0.0, 1.0),
    )


def _parse_latency(reader: _Reader) -> Latency:
    limits = {name: reader.number(name, math.inf, 0.0) for name in PERCENTILES}
    if all(limit == math.inf for limit in limits.values()):
        reader.add_problem('', f'give some of {", ".join(PERCENTILES)}, in seconds')
    return Latency(limits)


_LISTS: Mapping[str, Callable[[_Reader], Entry]] = {
    'faces': _parse_faces,
    'faces_per_second': _parse_rate,
    'tracks': _parse_tracks,
    'labels': _parse_label,
    'boxes': _parse_box,
}
SECTIONS = (*_LISTS, 'latency')
"""What an expectation may have."""


def _compare_share(
    where: str,
    expected: str,
    pictures: Sequence[FrameResultRecord],
    share: float,
    complies: Callable[[FrameResultRecord], bool],
    told: Callable[[FrameResultRecord], str],
) -> list[Difference]:
    """Compare the share of pictures that comply; tell the others by what came in them."""
    if share < 1:
        expected += f' in {share:.0%} of the pictures'
    if not pictures:
        return [Difference(where, expected, 'no picture in that time')]
    wrong = [each for each in pictures if not complies(each)]
    if len(wrong) <= (1 - share) * len(pictures) + 1e-9:
        return []
    by_answer: dict[str, list[float]] = {}
    for picture in wrong:
        by_answer.setdefault(told(picture), []).append(picture.time)
    answers = [
        f'{answer} in {len(times)} ({_times(times)})'
        for answer, times in sorted(by_answer.items(), key=lambda item: -len(item[1]))
    ]
    return [
        Difference(
            where, expected, f'{len(wrong)} of {len(pictures)} pictures differ: {_listed(answers)}'
        )
    ]


def _times(times: Sequence[float]) -> str:
    if len(times) == 1:
        return f'at {times[0]:.2f} s'
    return f'from {times[0]:.2f} to {times[-1]:.2f} s'


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - SHOWN
    return ', '.join(texts[:SHOWN]) + (f' and {more} more' if more > 0 else '')


def _range(low: float, high: float) -> str:
    if low == high:
        return f'{low:g}'
    return f'{low:g} to {high:g}' if high < math.inf else f'{low:g} or more'


def _box(box: BoundingBox) -> str:
    return f'[{box.x:g}, {box.y:g}, {box.width:g}, {box.height:g}]'


def _best(faces: Sequence[FaceResult], box: BoundingBox) -> FaceResult | None:
    return max(faces, key=lambda face: face.box.iou(box), default=None)


def _no_picture(pictures: Sequence[FrameResultRecord]) -> str:
    if not pictures:
        return 'no picture at all'
    return f'no picture at that time, they end at {pictures[-1].time:.2f} s'


def propose_expectation(pictures: Sequence[FrameResultRecord]) -> dict[str, Any]:
    """Give an expectation that these pictures meet, as YAML has it, to begin with.

    It has the number of faces for every stretch of seconds that have the same, the number of
    tracks, the labels of the largest face over these stretches, and a box for each. Look at the
    recording before you believe it: it says what came, not what is right.
    """
    faces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for start, end, low, high in _stretches(pictures):
        span = {'from': start, 'to': end}
        faces.append({**span, 'min': low, 'max': high})
        inside = Span(start, end).of(pictures)
        with_face = [each for each in inside if each.faces]
        if not low:
            continue
        middle = with_face[len(with_face) // 2]
        box = middle.faces[0].box
        boxes.append({'at': round(middle.time, 3), 'box': [box.x, box.y, box.width, box.height]})
        for attribute in ATTRIBUTES:
            told = [getattr(each.faces[0], attribute) for each in with_face]
            if None not in told:
                names = sorted({each.label for each in told})
                labels.append({**span, 'attribute': attribute, 'label': names})
    tracks = {face.track_id for picture in pictures for face in picture.faces}
    sections = {
        'faces': faces,
        'tracks': [{'min': len(tracks), 'max': len(tracks)}],
        'labels': labels,
        'boxes': boxes,
    }
    return {name: entries for name, entries in sections.items() if entries}


def _stretches(pictures: Sequence[FrameResultRecord]) -> list[tuple[int, int, int, int]]:
    """Give from, to (whole seconds), fewest and most faces of stretches of like seconds."""
    stretches: list[tuple[int, int, int, int]] = []
    for second in range(math.floor(pictures[-1].time) + 1 if pictures else 0):
        counts = [len(each.faces) for each in Span(second, second + 1).of(pictures)]
        if not counts:
            continue
        limits = min(counts), max(counts)
        if stretches and stretches[-1][1:] == (second, *limits):
            second_start = stretches.pop()[0]
        else:
            second_start = second
        stretches.append((second_start, second + 1, *limits))
    return stretches

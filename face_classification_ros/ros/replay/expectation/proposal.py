"""Propose an expectation that a recording meets."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import Any

from face_classification_ros.ros.replay.expectation.entries import frames_between, from_start
from face_classification_ros.types import Face, FrameFaces


def propose_expectation(frames: Sequence[FrameFaces]) -> dict[str, Any]:
    """Return an expectation that these results meet, ready for YAML, as a start.

    It contains the number of faces for each run of seconds with the same number, the number of
    tracks, and for each of these runs the labels of the largest face and a box. Check it against
    the recording: it describes the results, whether they are correct or not.
    """
    frames = from_start(frames)
    faces: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    for start, end, low, high in _runs(frames):
        span = {'from': start, 'to': end}
        faces.append({**span, 'min': low, 'max': high})
        if not low:
            continue
        inside = frames_between(frames, start, end)
        middle = inside[len(inside) // 2]
        box = middle.faces[0].detection.box
        boxes.append({'at': round(middle.stamp, 3), 'box': [box.x, box.y, box.width, box.height]})
        attributes = _common_labels([frame.faces[0] for frame in inside])
        if attributes:
            labels.append({**span, 'attributes': attributes})
    tracks = {face.track_id for frame in frames for face in frame.faces}
    sections = {
        'faces': faces,
        'tracks': [{'min': len(tracks), 'max': len(tracks)}],
        'labels': labels,
        'boxes': boxes,
    }
    return {name: entries for name, entries in sections.items() if entries}


def _common_labels(faces: Sequence[Face]) -> dict[str, list[str]]:
    """Return the labels of the attributes that all faces have."""
    estimates = [face.attributes for face in faces]
    return {
        name: sorted({each[name].label for each in estimates})
        for name in estimates[0]
        if all(name in each for each in estimates)
    }


def _runs(frames: Sequence[FrameFaces]) -> list[tuple[int, int, int, int]]:
    """Return start, end, fewest and most faces of runs of seconds with equal numbers."""
    runs: list[tuple[int, int, int, int]] = []
    for second in range(math.floor(frames[-1].stamp) + 1 if frames else 0):
        counts = [len(frame.faces) for frame in frames_between(frames, second, second + 1)]
        if not counts:
            continue
        limits = min(counts), max(counts)
        start = second
        if runs and runs[-1][1:] == (second, *limits):
            start = runs.pop()[0]
        runs.append((start, second + 1, *limits))
    return runs

"""What was told of the faces of a recording, picture by picture, as plain objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from face_classification_ros.types import BoundingBox


@dataclass(frozen=True, slots=True)
class AttributeResult:
    """What was told of one attribute of a face.

    Attributes:
        label: the most probable one, or "unknown".
        confidence: the probability of the most probable label, 0 to 1.
        probabilities: by label, smoothed over the track.
        frame_count: pictures behind them.
    """

    label: str
    confidence: float
    probabilities: Mapping[str, float]
    frame_count: int


@dataclass(frozen=True, slots=True)
class FaceResult:
    """A face of a picture.

    Attributes:
        track_id: the same for one face as long as it is tracked.
        box: pixels of the picture.
        confidence: the detector's, 0 to 1.
        landmarks: none, or five points (x, y) in pixels.
        gender: None where it is switched off.
        emotion: likewise.
        position: x, y, z in meters in the camera's optical frame; None where it is not known.
    """

    track_id: str
    box: BoundingBox
    confidence: float
    landmarks: tuple[tuple[float, float], ...]
    gender: AttributeResult | None
    emotion: AttributeResult | None
    position: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class FrameResultRecord:
    """A picture and its faces.

    Attributes:
        number: of the picture in the recording, counted from 0; those without a result count.
        stamp: of its header, in seconds.
        time: seconds since the first picture with a result, by the stamps.
        width: in pixels.
        height: in pixels.
        faces: the largest first.
        latency: seconds from when it was sent to when its faces came; None without a node.
    """

    number: int
    stamp: float
    time: float
    width: int
    height: int
    faces: tuple[FaceResult, ...]
    latency: float | None


def record_of(picture: FrameResultRecord) -> dict[str, Any]:
    """Give a picture's result ready for JSON.

    Returns:
        `frame`, `stamp`, `time`, `width`, `height`, `latency` if it was measured, and `faces`,
        each with `track_id`, `box` [x, y, width, height], `confidence`, `landmarks`, `position`
        ([x, y, z] or None), and `gender` and `emotion` with `label`, `confidence`,
        `probabilities` and `frame_count`; None where one is switched off.
    """
    return {
        'frame': picture.number,
        'stamp': picture.stamp,
        'time': round(picture.time, 6),
        'width': picture.width,
        'height': picture.height,
        **({} if picture.latency is None else {'latency': round(picture.latency, 5)}),
        'faces': [face_record(face) for face in picture.faces],
    }


def face_record(face: FaceResult) -> dict[str, Any]:
    """Give a face of a picture ready for JSON, see `record_of`."""
    box = face.box
    return {
        'track_id': face.track_id,
        'box': [box.x, box.y, box.width, box.height],
        'confidence': round(face.confidence, 4),
        'landmarks': [[round(x, 1), round(y, 1)] for x, y in face.landmarks],
        'position': face.position and [round(each, 4) for each in face.position],
        'gender': _attribute_record(face.gender),
        'emotion': _attribute_record(face.emotion),
    }


def _attribute_record(attribute: AttributeResult | None) -> dict[str, Any] | None:
    if attribute is None:
        return None
    return {
        'label': attribute.label,
        'confidence': round(attribute.confidence, 4),
        'probabilities': {
            label: round(probability, 4) for label, probability in attribute.probabilities.items()
        },
        'frame_count': attribute.frame_count,
    }

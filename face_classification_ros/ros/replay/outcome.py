"""Define what happens to each image of a recording in a replay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from face_classification_ros.msg import FaceAttributesArray


class FrameStatus(Enum):
    """What happens to an image."""

    PROCESSED = 'processed'
    RATE_LIMITED = 'rate limited'
    """It follows the last processed image faster than `max_processing_rate`."""
    INVALID = 'invalid'


@dataclass(frozen=True)
class FrameOutcome:
    """What happened to an image of a recording.

    Attributes:
        number: of the image, from 0.
        recorded: time at which the image was recorded, in nanoseconds.
        status: whether it was processed.
        message: its faces, None if it was not processed.
        latency: seconds from publishing the image to receiving its faces, None without a node.
        error: why the image is invalid, "" otherwise.
    """

    number: int
    recorded: int
    status: FrameStatus
    message: FaceAttributesArray | None = None
    latency: float | None = None
    error: str = ''

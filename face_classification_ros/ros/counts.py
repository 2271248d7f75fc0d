"""What became of each picture, counted, so that every one is accounted for."""

from __future__ import annotations

from dataclasses import dataclass
import time


@dataclass
class PictureCounts:
    """Pictures since the node started; `received` is the sum of what became of them.

    Attributes:
        received: pictures that the node got, each of which is processed, skipped or malformed.
        processed: pictures that were answered.
        skipped: pictures that `max_rate` left out.
        malformed: pictures that could not be read.
        lost: pictures that DDS knows to have lost on the way to the node.
        faces: faces in the newest picture that was answered.
        processing_time: seconds from the arrival of that picture to its answer.
        latency: seconds from the stamp of that picture to its answer, by the node's clock.
        last_arrival: when the last picture came, in seconds of the steady clock; when the node
            subscribed, before the first one.
    """

    received: int = 0
    processed: int = 0
    skipped: int = 0
    malformed: int = 0
    lost: int = 0
    faces: int = 0
    processing_time: float = 0.0
    latency: float = 0.0
    last_arrival: float = 0.0

    def note_arrival(self) -> None:
        """Count a picture that has just come."""
        self.received += 1
        self.last_arrival = time.monotonic()

    def note_answer(self, faces: int, processing_time: float, latency: float) -> None:
        """Count a picture that was answered, with its number of faces and the times in seconds."""
        self.processed += 1
        self.faces = faces
        self.processing_time = processing_time
        self.latency = latency

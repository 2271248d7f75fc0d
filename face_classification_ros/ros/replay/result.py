"""Collect the results of a replay, and write them to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rclpy.serialization import serialize_message

from face_classification_ros.io.bag_messages import FACES
from face_classification_ros.io.bag_writer import STORAGES, write_bag, WriteMessage
from face_classification_ros.io.records import JSON_LINES, record_writer
from face_classification_ros.ros.conversions.messages import frame_from_message
from face_classification_ros.ros.replay.outcome import FrameOutcome, FrameStatus
from face_classification_ros.types import FrameFaces

FACES_TOPIC = '/face_classification/faces'
"""Topic of the faces in a recorded bag."""

JSON_SUFFIXES = ('.json', JSON_LINES)


@dataclass
class ReplayResult:
    """The results of a replay.

    Attributes:
        source: path of the recording.
        frames: all processed images with their faces, in the order of the recording.
        rate_limited: number of images that `max_processing_rate` excluded.
        invalid: number of each invalid image -> why it is invalid.
    """

    source: str
    frames: list[FrameFaces] = field(default_factory=list)
    rate_limited: int = 0
    invalid: dict[int, str] = field(default_factory=dict)

    def add(self, outcome: FrameOutcome) -> None:
        """Add what happened to the next image."""
        if outcome.message is not None:
            frame = frame_from_message(
                outcome.message,
                frame=outcome.number,
                file=self.source,
                latency=outcome.latency,
            )
            self.frames.append(frame)
        elif outcome.status is FrameStatus.RATE_LIMITED:
            self.rate_limited += 1
        else:
            self.invalid[outcome.number] = outcome.error

    def summary(self) -> str:
        """Return the number of images, faces and tracks, and the latency, in one or two lines."""
        faces = [face for frame in self.frames for face in frame.faces]
        tracks = len({face.track_id for face in faces})
        text = (
            f'images: {len(self.frames)} processed, {self.rate_limited} rate limited, '
            f'{len(self.invalid)} invalid; faces: {len(faces)}; tracks: {tracks}'
        )
        latencies = [each.latency for each in self.frames if each.latency is not None]
        if latencies:
            median, high = (1000 * float(each) for each in np.percentile(latencies, [50, 95]))
            text += f'\nlatency: median {median:.1f} ms, 95th percentile {high:.1f} ms'
        return text


WriteFrame = Callable[[FrameOutcome, FrameFaces], None]


@contextmanager
def recorder(path: Path) -> Iterator[WriteFrame]:
    """Write the faces of each frame.

    Args:
        path: a file .json or .jsonl, see `record_writer`; any other path is the folder of a
            rosbag2 recording, MCAP, with the faces on `FACES_TOPIC` and in `faces.json`.

    Yields:
        A function that writes the faces of a frame.

    Raises:
        OSError: the folder exists, or the file cannot be written.
    """
    with ExitStack() as stack:
        write_message: WriteMessage | None = None
        if path.suffix not in JSON_SUFFIXES:
            write_message = stack.enter_context(write_bag(path, FACES_TOPIC, FACES, STORAGES[0]))
            path = path / 'faces.json'
        write_record = stack.enter_context(record_writer(path))

        def write(outcome: FrameOutcome, frame: FrameFaces) -> None:
            if write_message is not None:
                write_message(outcome.recorded, serialize_message(outcome.message))
            write_record(frame)

        yield write

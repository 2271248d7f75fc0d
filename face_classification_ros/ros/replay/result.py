"""What became of each picture of a replayed recording: as plain objects, and written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rclpy.serialization import serialize_message

from face_classification_ros.evaluation.results import FrameResultRecord, record_of
from face_classification_ros.io.files import record_writer
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.bags import FACES, STORAGES, write_bag
from face_classification_ros.ros.conversions.messages import face_result_from_message, seconds

RATE_LIMITED = 'left out by max_processing_rate'
"""The complaint about a picture that comes too soon."""

RECORDED_TOPIC = '/face_classification/faces'


@dataclass(frozen=True)
class Outcome:
    """What became of a picture of a recording.

    Attributes:
        number: counted from 0.
        recorded: when it was, in nanoseconds.
        message: its faces; None where it has none.
        latency: seconds from when it was sent to when the faces came; None without a node.
        problem: why it has no faces, `RATE_LIMITED` or what makes it unreadable.
    """

    number: int
    recorded: int
    message: FaceAttributesArray | None
    latency: float | None = None
    problem: str = ''


@dataclass
class ReplayResult:
    """What a replay gave.

    Attributes:
        pictures: with their faces, in the order of the recording.
        rate_limited: how many pictures `max_processing_rate` left out.
        unreadable: a line for each malformed picture.
    """

    pictures: list[FrameResultRecord] = field(default_factory=list)
    rate_limited: int = 0
    unreadable: list[str] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take in what became of the next picture."""
        if outcome.message is not None:
            self.pictures.append(self._result(outcome.number, outcome.message, outcome.latency))
        elif outcome.problem == RATE_LIMITED:
            self.rate_limited += 1
        else:
            self.unreadable.append(f'picture {outcome.number}: {outcome.problem}')

    def summary(self) -> str:
        """Say in a line or two what came."""
        faces = [face for picture in self.pictures for face in picture.faces]
        tracks = len({face.track_id for face in faces})
        text = (
            f'{len(self.pictures)} pictures answered, '
            f'{self.rate_limited} left out by max_processing_rate, '
            f'{len(self.unreadable)} unreadable; {len(faces)} faces, {tracks} tracks'
        )
        latencies = [each.latency for each in self.pictures if each.latency is not None]
        if latencies:
            median, high = (1000 * float(each) for each in np.percentile(latencies, [50, 95]))
            text += f'\nlatency {median:.1f} ms, 95th percentile {high:.1f} ms'
        return text

    def _result(
        self, number: int, message: FaceAttributesArray, latency: float | None
    ) -> FrameResultRecord:
        stamp = seconds(message.header.stamp)
        return FrameResultRecord(
            number=number,
            stamp=stamp,
            time=stamp - self.pictures[0].stamp if self.pictures else 0.0,
            width=message.image_width,
            height=message.image_height,
            faces=tuple(map(face_result_from_message, message.faces)),
            latency=latency,
        )


Keep = Callable[[Outcome, FrameResultRecord], None]


@contextmanager
def recorder(path: Path) -> Iterator[Keep]:
    """Write faces down as they come.

    Args:
        path: a file that ends in .json; anything else is the folder of a rosbag2 recording,
            MCAP, with the faces on /face_classification/faces and as `faces.json` beside it.

    Yields:
        what keeps the faces of a picture.

    Raises:
        OSError: the folder is there already, or it cannot be written.
    """
    with ExitStack() as stack:
        write: Callable[[int, bytes], None] | None = None
        if path.suffix != '.json':
            write = stack.enter_context(write_bag(path, RECORDED_TOPIC, FACES, STORAGES[0]))
            path = path / 'faces.json'
        write_record = stack.enter_context(record_writer(path))

        def keep(outcome: Outcome, picture: FrameResultRecord) -> None:
            if write is not None:
                write(outcome.recorded, serialize_message(outcome.message))
            write_record(record_of(picture))

        yield keep

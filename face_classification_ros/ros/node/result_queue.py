"""Keep results until the transform at the time of their image has arrived, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import time

from rclpy.node import Node
from std_msgs.msg import Header

from face_classification_ros.pipeline import PipelineResult
from face_classification_ros.ros.node.frame import Frame
from face_classification_ros.ros.node.inputs.frame_clock import FrameTime
from face_classification_ros.ros.node.inputs.transform_input import TransformInput, TransformMatch
from face_classification_ros.ros.node.steady_clock import STEADY

PATIENCE = 0.1
"""Seconds that a result waits at most: joints and odometry are published at 10 Hz or more."""

_PERIOD = 0.01


@dataclass(frozen=True, slots=True)
class ProcessedFrame:
    """A processed image whose faces are not published yet.

    Attributes:
        frame: the image.
        result: its faces, with positions in the optical frame of the camera.
        time: of the image.
        capture_time: see `FrameResult`.
    """

    frame: Frame
    result: PipelineResult
    time: FrameTime
    capture_time: float

    @property
    def header(self) -> Header:
        """The header of the image."""
        return self.frame.header

    @property
    def has_position(self) -> bool:
        """Whether any of its faces has a position, which depends on a transform."""
        return any(face.position is not None for face in self.result.faces)


class ResultQueue:
    """Passes on processed images with their transforms, in the order of the images.

    An image is most often newer than the newest transform, since TF is published between images.
    Then its faces wait, for `PATIENCE` at most, while other images are processed. After a wait in
    vain, later images do not wait until a transform is in time again.
    """

    def __init__(
        self,
        node: Node,
        transforms: TransformInput,
        publish: Callable[[ProcessedFrame, TransformMatch], None],
    ) -> None:
        """Start without results.

        Args:
            node: creates the timer.
            transforms: finds the transform of an image.
            publish: is called once for each processed image.
        """
        self._transforms = transforms
        self._publish = publish
        self._waiting: deque[tuple[ProcessedFrame, float]] = deque()
        self._is_patient = True
        self._timer = node.create_timer(_PERIOD, self._advance, clock=STEADY)
        self._timer.cancel()

    def add(self, processed: ProcessedFrame) -> None:
        """Publish the faces of an image, now or when their transform has arrived."""
        now = time.monotonic()
        waits = processed.has_position and self._is_patient
        self._waiting.append((processed, now + PATIENCE if waits else now))
        self._advance()

    def flush(self) -> None:
        """Publish all results now, those without a transform without positions."""
        self._advance(at_once=True)

    def _advance(self, *, at_once: bool = False) -> None:
        while self._waiting:
            processed, deadline = self._waiting[0]
            match = self._transforms.match(processed.header, has_stamp=processed.time.is_stamp)
            if match.is_pending and not at_once:
                if time.monotonic() < deadline:
                    break
                # An image without positions does not wait.
                self._is_patient = self._is_patient and not processed.has_position
            elif match.transform is not None:
                self._is_patient = True
            self._waiting.popleft()
            self._transforms.record(match)
            self._publish(processed, match)
        if not self._waiting:
            self._timer.cancel()
        elif self._timer.is_canceled():
            self._timer.reset()

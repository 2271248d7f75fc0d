"""Follow an observation that is running in the node, and return its result."""

from __future__ import annotations

from dataclasses import dataclass
import threading
import time
from typing import Any

from rclpy.task import Future

from face_classification_ros.action import Observe
from face_classification_ros.ros.client.errors import RequestRejectedError, ResponseTimeoutError
from face_classification_ros.ros.client.service_client import NodeClient
from face_classification_ros.ros.conversions.messages import face_from_message
from face_classification_ros.tracking.observation import Outcome
from face_classification_ros.types import Face

RESULT_RESEND = 5.0
"""Seconds after which the result is requested again."""


@dataclass(frozen=True)
class Progress:
    """The state of an observation that is running.

    Attributes:
        frames: number of images so far that show the observed face; of several faces, the
            smallest number.
        faces: observed faces in the newest image.
    """

    frames: int
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Observation:
    """The result of an observation.

    Attributes:
        outcome: how it ended.
        reason: why it ended, in words.
        faces: one per observed person, largest first, each with the estimates over all of its
            images; if the observation ended early, over the images until then.
    """

    outcome: Outcome
    reason: str
    faces: tuple[Face, ...]


class ObservationHandle:
    """An observation that is running, see `FaceClient.start_observation`."""

    def __init__(self, client_node: NodeClient, goal: Observe.Goal) -> None:
        """Send the goal and wait until it is accepted, see `FaceClient.start_observation`."""
        self._client_node = client_node
        self._server = client_node.server_name('observe')
        self._updated = threading.Event()
        self._newest: Progress | None = None
        self._results: list[Future] = []
        self._handle = client_node.send_goal(Observe, 'observe', goal, self._take_feedback)
        self._request_result()

    def is_done(self) -> bool:
        """Return whether the observation has ended, so that `result` returns immediately.

        Raises:
            ClientClosedError: the client was closed, or ROS was shut down.
        """
        if not any(each.done() for each in self._results):
            self._client_node.require_ros()
            if time.monotonic() - self._requested > RESULT_RESEND:
                self._request_result()
        return any(each.done() for each in self._results)

    def progress(self, timeout: float = 0.0) -> Progress | None:
        """Return the state after the newest image, None if no image came since the last call.

        Args:
            timeout: seconds to wait for an image or for the end of the observation.
        """
        self._updated.wait(timeout)
        self._updated.clear()
        newest, self._newest = self._newest, None
        return newest

    def cancel(self) -> None:
        """Cancel the observation, if it has not ended; its result has the images until then."""
        if not self.is_done():
            self._client_node.in_executor(self._handle.cancel_goal_async)

    def result(self, timeout: float) -> Observation:
        """Wait for the end of the observation and return its result.

        Args:
            timeout: seconds to wait.

        Raises:
            RequestRejectedError: the goal is invalid, or the node processes no images.
            ResponseTimeoutError: it did not end in time.
            ClientClosedError: the client was closed, or ROS was shut down.
        """
        end = time.monotonic() + timeout
        while not self.is_done():
            if time.monotonic() >= end:
                raise ResponseTimeoutError(self._server, timeout)
            self._client_node.wait(self._results[-1], min(RESULT_RESEND, end - time.monotonic()))
        result = next(each for each in self._results if each.done()).result().result
        if result.outcome == Observe.Result.REJECTED:
            raise RequestRejectedError(self._server, result.code, result.reason)
        return Observation(
            Outcome(result.outcome), result.reason, tuple(map(face_from_message, result.faces))
        )

    def _request_result(self) -> None:
        self._requested = time.monotonic()
        future = self._client_node.in_executor(self._handle.get_result_async)
        future.add_done_callback(lambda _: self._updated.set())
        self._results.append(future)

    def _take_feedback(self, message: Any) -> None:
        feedback = message.feedback
        faces = tuple(map(face_from_message, feedback.faces))
        self._newest = Progress(feedback.frames, faces)
        self._updated.set()

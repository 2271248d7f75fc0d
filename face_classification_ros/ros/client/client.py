"""What a behavior asks the node: a few calls that wait, and plain values as answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
import threading
import time
from types import TracebackType
from typing import Any

from lifecycle_msgs.srv import GetState
import numpy as np
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.action import Observe
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.client.service_client import (
    FaceClientError,
    NodeClient,
    RequestRejectedError,
    ResponseTimeoutError,
    SERVER_TIMEOUT,
    ServerUnavailableError,
)
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.messages import face_from_message, seconds
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces
from face_classification_ros.tracking.observation import Outcome
from face_classification_ros.tracking.people import PeopleCount
from face_classification_ros.types import AttributeEstimate, Face, Image, UNKNOWN

__all__ = [
    'FaceClient',
    'FaceClientError',
    'FaceSnapshot',
    'Observation',
    'ObservationHandle',
    'Outcome',
    'PeopleCount',
    'Progress',
    'RequestRejectedError',
    'ResponseTimeoutError',
    'ServerUnavailableError',
    'confident_label',
]

RESULT_RESEND = 5.0
"""Seconds after which the result of an observation is asked for again."""

LONG_POLL = 0.5
"""Seconds between two looks at what does not wake up whoever waits: the end of ROS."""

PNG = b'\x89PNG'
"""How the bytes of a PNG file begin."""


@dataclass(frozen=True)
class FaceSnapshot:
    """The faces of one picture.

    Attributes:
        stamp: of the picture in seconds; 0 for a picture that was sent to be classified.
        frame_id: the camera's optical frame, in which positions are.
        width: of the picture in pixels.
        height: of the picture in pixels.
        faces: largest first.
    """

    stamp: float
    frame_id: str
    width: int
    height: int
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Progress:
    """What an observation has so far.

    Attributes:
        frames: pictures with the watched face; of several faces, the fewest.
        faces: the watched faces in the newest picture.
    """

    frames: int
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Observation:
    """What an observation told.

    Attributes:
        outcome: how it ended.
        reason: the same in words.
        faces: one per watched person, largest first, each with the distribution over all of its
            frames; what was seen until then where it ended early.
    """

    outcome: Outcome
    reason: str
    faces: tuple[Face, ...]


def confident_label(estimate: AttributeEstimate | None) -> str:
    """Give the label that may be told: "" where it is unknown, or the attribute switched off."""
    return '' if estimate is None or estimate.label == UNKNOWN else estimate.label


class FaceClient:
    """Asks a node `face_classification`, from a script, a thread or a callback.

    It has a ROS node of its own that spins in a thread of its own. So its methods may be called
    from wherever a behavior runs, with or without a node and an executor of its own, and from
    several threads at once; also inside a callback, where they hold up the executor that runs it
    like any other work that takes time, but wait for nothing that this executor would have to do.

    Every method waits for a result, at most `server_timeout` seconds longer than it was
    told to, and raises a `FaceClientError` where there is none.

    Example:
        >>> with FaceClient('/head_cam/face_classification') as client:
        ...     view = client.wait_for_face(timeout=10.0)
    """

    def __init__(
        self,
        node_name: str = '/face_classification',
        *,
        node: Node | None = None,
        server_timeout: float = SERVER_TIMEOUT,
    ) -> None:
        """Join ROS; whether the node is there shows with the first question.

        Args:
            node_name: of the node to ask, with its namespace; a relative one is taken in the
                namespace of `node`.
            node: the behavior's own node, if it has one; need not be spun. Without one, ROS is
                as `rclpy.init` started it, or else starts and ends with this client.
            server_timeout: seconds that a server may take to appear, and to respond.
        """
        self._client_node = NodeClient(node_name, node, server_timeout)

    @property
    def node_name(self) -> str:
        """Name of the node that is asked, with its namespace."""
        return self._client_node.node_name

    def __enter__(self) -> FaceClient:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave ROS."""
        self.close()

    def close(self) -> None:
        """Leave ROS; what is still waited for in other threads ends with an error."""
        self._client_node.close()

    # Questions

    def get_faces(
        self, max_age: float = 0.5, timeout: float = 2.0, min_confidence: float = 0.0
    ) -> FaceSnapshot:
        """Tell what is seen now; often nobody.

        Args:
            max_age: age in seconds of a picture that is good enough; 0 waits for the next one.
            timeout: seconds to wait for such a picture.
            min_confidence: faces that the detector is less sure of are left out; 0 to 1.

        Raises:
            RequestRejectedError: no such picture came, or the node is not active.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        request = GetFaces.Request(
            max_age=float(max_age), timeout=float(timeout), min_confidence=float(min_confidence)
        )
        answer = self._client_node.call(GetFaces, 'get_faces', request, timeout)
        return _snapshot(_accepted(answer).faces)

    def wait_for_face(
        self, timeout: float, max_age: float = 0.5, min_confidence: float = 0.0
    ) -> FaceSnapshot | None:
        """Wait until somebody is in view.

        Args:
            timeout: seconds to wait.
            max_age: a picture of this age in seconds may show them already.
            min_confidence: faces that the detector is less sure of do not count; 0 to 1.

        Returns:
            the first picture with a face, None where there was none in time.

        Raises:
            RequestRejectedError: no picture came at all, or the node is not active.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        end = time.monotonic() + timeout
        view = self.get_faces(max_age, timeout, min_confidence)
        while not view.faces:
            rest = end - time.monotonic()
            if rest <= 0:
                return None
            try:
                view = self.get_faces(0.0, rest, min_confidence)
            except RequestRejectedError:
                if time.monotonic() < end:
                    raise
                # There were pictures, only none in the moment that was left.
                return None
        return view

    def observe(
        self,
        track_id: str = '',
        *,
        frames: int = 0,
        duration: float = 5.0,
        timeout: float = 30.0,
        on_feedback: Callable[[Progress], None] | None = None,
    ) -> Observation:
        """Watch somebody for a while and tell the aggregate of all that was seen of them.

        Args:
            track_id: of the person; "" is the largest face, "nearest" the nearest, "all" all.
            frames: pictures of each watched face that are enough; 0 for no limit.
            duration: seconds, by the pictures' stamps, after which it ends even so; 0 for no
                limit.
            timeout: seconds after which it is cancelled at the latest.
            on_feedback: is called here, in the thread that called, with what there is so far; an
                exception of its own cancels the observation and comes out.

        Raises:
            ValueError: neither `frames` nor `duration` limits it.
            RequestRejectedError: the node takes no such goal.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        end = time.monotonic() + timeout
        watching = self.start_observation(track_id, frames=frames, duration=duration)
        try:
            while not watching.is_done() and (rest := end - time.monotonic()) > 0:
                progress = watching.progress(min(rest, LONG_POLL))
                if progress is not None and on_feedback is not None:
                    on_feedback(progress)
        except BaseException:
            # This is what must come out, also where ROS has ended meanwhile.
            with suppress(FaceClientError):
                watching.cancel()
            raise
        watching.cancel()
        return watching.result(self._client_node.server_timeout)

    def start_observation(
        self, track_id: str = '', *, frames: int = 0, duration: float = 5.0
    ) -> ObservationHandle:
        """Begin to watch somebody and go on at once, as a behavior tree does.

        Args:
            track_id: of the person; "" is the largest face, "nearest" the nearest, "all" all.
            frames: pictures of each watched face that are enough; 0 for no limit.
            duration: seconds, by the pictures' stamps, after which it ends; 0 for no limit.

        Raises:
            ValueError, FaceClientError: see `observe`.
        """
        if not frames > 0 and not duration > 0:
            raise ValueError(
                f'an observation needs an end: frames ({frames}) or duration '
                f'({duration}) must be above 0'
            )
        goal = Observe.Goal(track_id=track_id, frames=frames, duration=float(duration))
        return ObservationHandle(self._client_node, goal)

    def count_people(self, window: float) -> PeopleCount:
        """Tell how many people were seen in the last `window` seconds, by distinct track.

        Raises:
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        request = CountPeople.Request(window=float(window))
        answer = self._client_node.call(CountPeople, 'count_people', request)
        return PeopleCount(answer.women, answer.men, answer.unknown)

    def classify_image(self, image: Image | bytes, timeout: float = 10.0) -> FaceSnapshot:
        """Classify one still picture; no track is touched.

        Args:
            image: uint8 H x W x 3 in BGR, or the bytes of a JPEG or PNG file.
            timeout: seconds that it may take.

        Raises:
            ValueError: `image` is no such array.
            RequestRejectedError: the picture cannot be read, or the node has no models loaded.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        answer = self._client_node.call(
            ClassifyImage, 'classify_image', _image_request(image), timeout
        )
        return _snapshot(_accepted(answer).faces)

    # Commands

    def enable(self, on: bool = True) -> None:
        """Let the node work, or leave camera and processor to others until it is enabled again.

        Raises:
            RequestRejectedError: the node cannot in the state that it is in.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        _accepted(self._client_node.call(SetBool, 'enable', SetBool.Request(data=on)))

    def reset_tracks(self) -> None:
        """Forget everybody, as between two runs: who is in view gets a new track id.

        Raises:
            RequestRejectedError: the node cannot in the state that it is in.
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        _accepted(self._client_node.call(Trigger, 'reset_tracks', Trigger.Request()))

    def state(self) -> str:
        """Tell the state of the node's life cycle, such as "active".

        Raises:
            ServerUnavailableError, ResponseTimeoutError: see there.
        """
        answer = self._client_node.call(GetState, 'get_state', GetState.Request())
        return str(answer.current_state.label)


class ObservationHandle:
    """An observation that is under way, see `FaceClient.start_observation`."""

    def __init__(self, client_node: NodeClient, goal: Observe.Goal) -> None:
        """Send the goal and wait until the node takes it, see `FaceClient.start_observation`."""
        self._client_node = client_node
        self._news = threading.Event()
        self._newest: Progress | None = None
        self._results: list[Future] = []
        self._handle = client_node.send_goal(Observe, 'observe', goal, self._take_feedback)
        if not self._handle.accepted:
            raise RequestRejectedError(
                f'{client_node.node_name} takes no observation of track_id {goal.track_id!r}, '
                f'frames {goal.frames}, duration {goal.duration}'
            )
        self._ask_for_result()

    def is_done(self) -> bool:
        """Tell whether it has ended; `result` then gives its result at once."""
        if not any(each.done() for each in self._results):
            self._client_node.require_ros()
            if time.monotonic() - self._asked > RESULT_RESEND:
                self._ask_for_result()
        return any(each.done() for each in self._results)

    def progress(self, timeout: float = 0.0) -> Progress | None:
        """Give what there is so far, where that is new; wait for news up to `timeout` seconds."""
        self._news.wait(timeout)
        self._news.clear()
        newest, self._newest = self._newest, None
        return newest

    def cancel(self) -> None:
        """End it where it has not ended yet; its result is what was seen until then."""
        if not self.is_done():
            self._client_node.in_executor(self._handle.cancel_goal_async)

    def result(self, timeout: float) -> Observation:
        """Wait for the end up to `timeout` seconds, and give what was told.

        Raises:
            ResponseTimeoutError: it has not ended by then.
        """
        end = time.monotonic() + timeout
        while not self.is_done():
            if time.monotonic() >= end:
                raise ResponseTimeoutError(f'the observation has not ended within {timeout:.1f} s')
            self._client_node.wait(self._results[-1], min(RESULT_RESEND, end - time.monotonic()))
        result = next(each for each in self._results if each.done()).result().result
        return Observation(
            Outcome(result.outcome), result.reason, tuple(map(face_from_message, result.faces))
        )

    def _ask_for_result(self) -> None:
        self._asked = time.monotonic()
        future = self._client_node.in_executor(self._handle.get_result_async)
        future.add_done_callback(lambda _: self._news.set())
        self._results.append(future)

    def _take_feedback(self, message: Any) -> None:
        feedback = message.feedback
        faces = tuple(map(face_from_message, feedback.faces))
        self._newest = Progress(feedback.frames, faces)
        self._news.set()


def _accepted(answer: Any) -> Any:
    """Give an answer of the node that is no refusal."""
    if not answer.success:
        raise RequestRejectedError(answer.message)
    return answer


def _snapshot(message: FaceAttributesArray) -> FaceSnapshot:
    return FaceSnapshot(
        seconds(message.header.stamp),
        message.header.frame_id,
        message.image_width,
        message.image_height,
        tuple(map(face_from_message, message.faces)),
    )


def _image_request(image: Image | bytes) -> ClassifyImage.Request:
    if isinstance(image, bytes):
        kind = 'png' if image.startswith(PNG) else 'jpeg'
        compressed = CompressedImage(format=kind)
        compressed.data.frombytes(image)
        return ClassifyImage.Request(compressed_image=compressed)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'a picture of {image.dtype}, {" x ".join(map(str, image.shape))}: expected uint8, '
            'H x W x 3'
        )
    return ClassifyImage.Request(image=image_to_message(image, Header()))

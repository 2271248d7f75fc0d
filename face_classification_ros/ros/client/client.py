"""Call the node from a behavior: a few methods that wait and return plain values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
import time
from types import TracebackType
from typing import Any

from lifecycle_msgs.srv import GetState
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.action import Observe
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.client.errors import FaceClientError, RequestRejectedError
from face_classification_ros.ros.client.observation import (
    Observation,
    ObservationHandle,
    Progress,
)
from face_classification_ros.ros.client.service_client import NodeClient, SERVER_TIMEOUT
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.messages import face_from_message, seconds
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces
from face_classification_ros.tracking.people import PeopleCount
from face_classification_ros.types import AttributeEstimate, Face, Image, UNKNOWN

FEEDBACK_POLL = 0.5
"""Seconds between checks whether ROS was shut down, while waiting for feedback."""

OBSERVATION_MARGIN = 30.0
"""Seconds that an observation may take beyond its duration, by default: for the first image, and
for stamps that are slower than the clock."""

MAX_FRAMES = 2**32 - 1
"""Largest number of images of an observation, the limit of its type in the action."""

MAX_NUMBER = float(np.finfo(np.float32).max)
"""Largest number in a message."""

NO_IMAGE_IN_TIME = 'no_image_in_time'
"""Code of the node if no image arrived within the timeout of a request."""

PNG = b'\x89PNG'
"""First bytes of a PNG file."""


@dataclass(frozen=True)
class FaceSnapshot:
    """The faces of one image.

    Attributes:
        stamp: of the image in seconds; 0 for an image from `FaceClient.classify_image`.
        frame_id: optical frame of the camera.
        position_frame_id: frame of the positions of the faces.
        width: of the image in pixels.
        height: of the image in pixels.
        faces: largest first.
    """

    stamp: float
    frame_id: str
    position_frame_id: str
    width: int
    height: int
    faces: tuple[Face, ...]


def confident_label(estimate: AttributeEstimate | None) -> str:
    """Return the label of an estimate, "" if it is unknown or there is no estimate.

    Example:
        >>> confident_label(face.attributes.get('gender'))  # doctest: +SKIP
        'woman'
    """
    return '' if estimate is None or estimate.label == UNKNOWN else estimate.label


class FaceClient:
    """Calls a node `face_classification` from a script, a thread or a callback.

    The client has a ROS node and a thread of its own that spins it. Its methods can be called from
    anywhere, from several threads concurrently, with or without a node and an executor of the
    behavior. They also work inside a callback: they block the executor that runs the callback, but
    do not depend on it.

    Every method waits for the response, at most `server_timeout` seconds longer than its own
    timeout, and raises a `FaceClientError` if there is none. `ServerUnavailableError`,
    `ResponseTimeoutError` and `ClientClosedError` can come from any method. An invalid argument
    raises a ValueError.

    Example:
        >>> with FaceClient('/head_cam/face_classification') as client:  # doctest: +SKIP
        ...     snapshot = client.wait_for_face(timeout=10.0)
    """

    def __init__(
        self,
        node_name: str = '/face_classification',
        *,
        node: Node | None = None,
        server_timeout: float = SERVER_TIMEOUT,
    ) -> None:
        """Join ROS; the first request shows whether the node is running.

        Args:
            node_name: name of the node to call, with its namespace; a relative name is resolved
                in the namespace of `node`.
            node: the behavior's own node, if it has one; it need not be spun. Without it the
                client uses the ROS context of `rclpy.init`, or if there is none, one of its own.
            server_timeout: seconds that a server may take to appear, and to respond.

        Raises:
            ValueError: `node_name` is not a name of ROS.
            ClientStartError: ROS cannot start in this environment.
        """
        self._client_node = NodeClient(node_name, node, server_timeout)

    @property
    def node_name(self) -> str:
        """Full name of the node that is called."""
        return self._client_node.node_name

    def __enter__(self) -> FaceClient:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Leave ROS; calls that wait in other threads raise a `ClientClosedError`."""
        self._client_node.close()

    # Queries

    def get_faces(
        self,
        max_age: float = 0.5,
        timeout: float = 2.0,
        min_confidence: float = 0.0,
        *,
        looking: bool = False,
    ) -> FaceSnapshot:
        """Return the current faces; there may be none.

        Args:
            max_age: maximum age of the image in seconds; 0 waits for the next image.
            timeout: seconds to wait for such an image.
            min_confidence: minimum detection confidence, 0 to 1.
            looking: whether only faces of people who look at the camera are returned, see
                `Face.is_looking`.

        Raises:
            ValueError: an argument is of another type.
            RequestRejectedError: no such image came, the node is not active, or nobody knows who
                looks, since no face has landmarks.
        """
        request = GetFaces.Request(
            max_age=_number('max_age', max_age),
            timeout=_number('timeout', timeout),
            min_confidence=_number('min_confidence', min_confidence),
            looking_at_camera=_flag('looking', looking),
        )
        return _snapshot(self._call(GetFaces, 'get_faces', request, timeout).faces)

    def wait_for_face(
        self,
        timeout: float,
        max_age: float = 0.5,
        min_confidence: float = 0.0,
        *,
        looking: bool = False,
    ) -> FaceSnapshot | None:
        """Wait until a face is in view, or until somebody looks at the camera.

        Args:
            timeout: seconds to wait.
            max_age: maximum age in seconds of the first image.
            min_confidence: minimum detection confidence, 0 to 1.
            looking: whether only faces of people who look at the camera count, see
                `Face.is_looking`.

        Returns:
            the first image with such a face, None if there was none in time.

        Raises:
            ValueError: an argument is of another type.
            RequestRejectedError: no image came at all, the node is not active, or nobody knows who
                looks, since no face has landmarks.
        """
        end = time.monotonic() + _number('timeout', timeout)
        snapshot = self.get_faces(max_age, timeout, min_confidence, looking=looking)
        while not snapshot.faces:
            remaining = end - time.monotonic()
            if remaining <= 0:
                return None
            try:
                snapshot = self.get_faces(0.0, remaining, min_confidence, looking=looking)
            except RequestRejectedError as error:
                if error.code != NO_IMAGE_IN_TIME:
                    raise
                # The remaining time was shorter than the interval between two images.
                return None
        return snapshot

    def observe(
        self,
        track_id: str = '',
        *,
        frames: int = 0,
        duration: float = 5.0,
        timeout: float | None = None,
        on_feedback: Callable[[Progress], None] | None = None,
    ) -> Observation:
        """Observe one person, or everybody, and return the estimates over all images.

        Args:
            track_id: of the person; "" is the largest face, "nearest" the nearest face, "looking"
                the largest one that looks at the camera, "all" every face.
            frames: number of images of each observed face that suffices; 0 is no limit.
            duration: seconds, by the stamps of the images, after which it ends; 0 is no limit.
            timeout: seconds after which the observation is canceled; None is 30 more than
                `duration`.
            on_feedback: called with the progress after each image, in the calling thread; if it
                raises an exception the observation is canceled and the exception is passed on.

        Raises:
            ValueError: an argument is of another type, or neither `frames` nor `duration` is a
                limit.
            RequestRejectedError: the node rejects an argument, or is not active.
        """
        begin = time.monotonic()
        if timeout is not None:
            timeout = _number('timeout', timeout)
        handle = self.start_observation(track_id, frames=frames, duration=duration)
        end = begin + (duration + OBSERVATION_MARGIN if timeout is None else timeout)
        try:
            while not handle.is_done() and (remaining := end - time.monotonic()) > 0:
                progress = handle.progress(min(remaining, FEEDBACK_POLL))
                if progress is not None and on_feedback is not None:
                    on_feedback(progress)
        except BaseException:
            # The first exception matters, not that the goal cannot be canceled without ROS.
            with suppress(FaceClientError):
                handle.cancel()
            raise
        handle.cancel()
        return handle.result(self._client_node.server_timeout)

    def start_observation(
        self, track_id: str = '', *, frames: int = 0, duration: float = 5.0
    ) -> ObservationHandle:
        """Start an observation and return immediately, for example in a behavior tree.

        See `observe` for the arguments. If the node rejects the goal, `result` of the handle
        raises the error.

        Raises:
            ValueError: see `observe`.
        """
        if not isinstance(track_id, str):
            raise ValueError(f'track_id is {track_id!r}; expected text')
        if not isinstance(frames, int) or not 0 <= frames <= MAX_FRAMES:
            raise ValueError(f'frames is {frames!r}; expected a whole number, 0 to {MAX_FRAMES}')
        duration = _number('duration', duration)
        if not frames > 0 and not duration > 0:
            raise ValueError(f'frames ({frames}) or duration ({duration}) must be above 0')
        goal = Observe.Goal(track_id=track_id, frames=frames, duration=duration)
        return ObservationHandle(self._client_node, goal)

    def count_people(self, window: float, attribute: str = '') -> PeopleCount:
        """Count the people of the last `window` seconds, by distinct person and label.

        Args:
            window: in seconds, 0 to 600, by the stamps of the images; 0 counts the newest image
                alone.
            attribute: whose labels are counted; "" is the first one of the node.

        Raises:
            ValueError: an argument is of another type.
            RequestRejectedError: the window is out of range, or the node does not estimate this
                attribute.
        """
        if not isinstance(attribute, str):
            raise ValueError(f'attribute is {attribute!r}; expected text')
        request = CountPeople.Request(window=_number('window', window), attribute=attribute)
        response = self._call(CountPeople, 'count_people', request)
        counts = dict(zip(response.labels, map(int, response.counts), strict=True))
        return PeopleCount(counts, response.unknown)

    def classify_image(self, image: Image | bytes, timeout: float = 10.0) -> FaceSnapshot:
        """Classify one still image, without any effect on tracks.

        Args:
            image: uint8 H x W x 3 in BGR, or the bytes of a JPEG or PNG file.
            timeout: seconds that it may take.

        Raises:
            ValueError: it is neither, or the array has another type or shape.
            RequestRejectedError: the image cannot be decoded, or no models are loaded.
        """
        request = _image_request(image)
        timeout = _number('timeout', timeout)
        return _snapshot(self._call(ClassifyImage, 'classify_image', request, timeout).faces)

    def state(self) -> str:
        """Return the life-cycle state of the node, such as "active"."""
        response = self._client_node.call(GetState, 'get_state', GetState.Request())
        return str(response.current_state.label)

    # Commands

    def enable(self, on: bool = True) -> None:
        """Switch the processing of images on or off; off frees the camera and the processor.

        Raises:
            ValueError: `on` is not a bool.
        """
        self._client_node.call(SetBool, 'enable', SetBool.Request(data=_flag('on', on)))

    def reset_tracks(self) -> None:
        """Forget all people, as between two runs; people in view get new track ids."""
        self._client_node.call(Trigger, 'reset_tracks', Trigger.Request())

    def _call(self, kind: type, name: str, request: Any, timeout: float = 0.0) -> Any:
        """Call a service and return its response, if it reports success."""
        response = self._client_node.call(kind, name, request, timeout)
        if not response.success:
            server = self._client_node.server_name(name)
            raise RequestRejectedError(server, response.code, response.message)
        return response


def _number(name: str, value: float) -> float:
    """Return a number as the messages take it; the node checks its range.

    Raises:
        ValueError: it is of another type, or too large for a message.
    """
    if not isinstance(value, Real):
        raise ValueError(f'{name} is {value!r}; expected a number')
    if MAX_NUMBER < abs(value) < float('inf'):
        raise ValueError(f'{name} is {value!r}; expected at most {MAX_NUMBER:g}')
    return float(value)


def _flag(name: str, value: bool) -> bool:
    """Return a flag as the messages take it.

    Raises:
        ValueError: it is of another type.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f'{name} is {value!r}; expected True or False')
    return bool(value)


def _snapshot(message: FaceAttributesArray) -> FaceSnapshot:
    return FaceSnapshot(
        seconds(message.header.stamp),
        message.header.frame_id,
        message.position_frame_id,
        message.image_width,
        message.image_height,
        tuple(map(face_from_message, message.faces)),
    )


def _image_request(image: Image | bytes) -> ClassifyImage.Request:
    if isinstance(image, bytes):
        compressed = CompressedImage(format='png' if image.startswith(PNG) else 'jpeg')
        compressed.data.frombytes(image)
        return ClassifyImage.Request(compressed_image=compressed)
    if not isinstance(image, np.ndarray):
        raise ValueError(f'image is {image!r}; expected an array or the bytes of a file')
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = ' x '.join(map(str, image.shape))
        raise ValueError(f'image is {image.dtype}, {shape}; expected uint8, H x W x 3')
    return ClassifyImage.Request(image=image_to_message(image, Header()))

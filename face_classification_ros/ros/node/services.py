"""Serve requests about faces and people, and requests that control the node."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.images import image_from_message
from face_classification_ros.ros.conversions.qos import REQUESTS
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.frame_processor import FrameProcessor
from face_classification_ros.ros.node.state import NodeState, Reason
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces
from face_classification_ros.tracking.people import MAX_SECONDS
from face_classification_ros.types import LOOKING

Response = TypeVar('Response', ClassifyImage.Response, CountPeople.Response, GetFaces.Response)


class QueryServices:
    """Serves requests about faces and people; a request that fails gets the reason.

    The services exist in every state of the node, so that early requests get a reason, too.
    """

    def __init__(self, node: Node, state: NodeState, processor: FrameProcessor) -> None:
        """Create the services.

        Args:
            node: serves.
            state: of the node.
            processor: processes images, and knows faces and people.
        """
        self._node = node
        self._state = state
        self._processor = processor
        # Reentrant: a request that waits for an image must not block others.
        node.create_service(
            GetFaces,
            '~/get_faces',
            self._get_faces,
            qos_profile=REQUESTS,
            callback_group=ReentrantCallbackGroup(),
        )
        node.create_service(
            ClassifyImage, '~/classify_image', self._classify_image, qos_profile=REQUESTS
        )
        node.create_service(
            CountPeople, '~/count_people', self._count_people, qos_profile=REQUESTS
        )

    async def _get_faces(
        self, request: GetFaces.Request, response: GetFaces.Response
    ) -> GetFaces.Response:
        reason = _validation_error(request) or self._state.inactive_reason
        result = reason or await self._recent_result(request)
        if isinstance(result, Reason):
            return _rejected(response, result)
        if reason := _unknown_orientation(result.message, request):
            return _rejected(response, reason)
        response.success = True
        response.faces = _requested_faces(result.message, request)
        return response

    async def _recent_result(self, request: GetFaces.Request) -> FrameResult | Reason:
        """Return the newest result if it is new enough, else the next one, or why none exists."""
        newest = self._processor.results.newest
        if newest is not None and self._age(newest) < request.max_age:
            return newest
        if request.timeout > 0:
            return await self._processor.results.next(request.timeout)
        if newest is None:
            return Reason('no_images_yet', 'no image has arrived yet')
        return Reason('image_too_old', f'the newest image is {self._age(newest):.3f} s old')

    def _age(self, result: FrameResult) -> float:
        """Return the seconds since an image was taken, by the clock of the node.

        An image from the future is not new: the clock jumped back, as it does when a recording
        starts again.
        """
        return abs(self._node.get_clock().now().nanoseconds / 1e9 - result.capture_time)

    def _classify_image(
        self, request: ClassifyImage.Request, response: ClassifyImage.Response
    ) -> ClassifyImage.Response:
        if reason := self._state.unloaded_reason:
            return _rejected(response, reason)
        message = _image_of(request)
        if isinstance(message, Reason):
            return _rejected(response, message)
        try:
            image = image_from_message(message)
        except ValueError as error:
            return _rejected(response, Reason('malformed_image', str(error)))
        response.success = True
        response.faces = self._processor.process_still(image, message.header)
        return response

    def _count_people(
        self, request: CountPeople.Request, response: CountPeople.Response
    ) -> CountPeople.Response:
        if reason := self._state.unloaded_reason:
            return _rejected(response, reason)
        if not 0 <= request.window <= MAX_SECONDS:
            return _rejected(
                response,
                _invalid(
                    f'window {request.window:g}: expected 0 to {MAX_SECONDS:g} seconds, for which '
                    'people are remembered'
                ),
            )
        labels = self._processor.labels
        attribute = request.attribute or next(iter(labels), '')
        if request.attribute and attribute not in labels:
            available = ', '.join(labels) or 'none'
            text = f'attribute {attribute!r} is not estimated; available: {available}'
            return _rejected(response, Reason('unknown_attribute', text))
        response.success = True
        response.labels = list(labels.get(attribute, ()))
        count = self._processor.people.count(request.window, attribute, response.labels)
        response.counts = list(count.counts.values())
        response.unknown, response.total = count.unknown, count.total
        return response


class ControlServices:
    """Serves requests to enable or disable the node, and to reset tracks."""

    def __init__(
        self, node: Node, *, enable: Callable[[bool], str], reset_tracks: Callable[[], str]
    ) -> None:
        """Create the services.

        Args:
            node: serves.
            enable: enables or disables the processing of images, and returns the message.
            reset_tracks: starts all tracks again, and returns the message.
        """
        self._enable = enable
        self._reset_tracks = reset_tracks
        node.create_service(SetBool, '~/enable', self._serve_enable)
        node.create_service(Trigger, '~/reset_tracks', self._serve_reset_tracks)

    def _serve_enable(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        response.success, response.message = True, self._enable(request.data)
        return response

    def _serve_reset_tracks(
        self, _: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = True, self._reset_tracks()
        return response


def _rejected(response: Response, reason: Reason) -> Response:
    """Return the response to a request that cannot be served."""
    response.code, response.message = reason.code, reason.text
    return response


def _invalid(text: str) -> Reason:
    return Reason('invalid_request', text)


def _validation_error(request: GetFaces.Request) -> Reason | None:
    """Return which value of a request is not possible, None if all are."""
    if not request.max_age >= 0:
        return _invalid(f'max_age {request.max_age}: expected seconds, 0 or more')
    if not (request.timeout >= 0 and math.isfinite(request.timeout)):
        return _invalid(f'timeout {request.timeout}: expected finite seconds, 0 or more')
    if not 0 <= request.min_confidence <= 1:
        return _invalid(f'min_confidence {request.min_confidence}: expected 0 to 1')
    return None


def _unknown_orientation(faces: FaceAttributesArray, request: GetFaces.Request) -> Reason | None:
    """Return why nobody can be said to look at the camera: no face has an orientation."""
    if not request.looking_at_camera or not faces.faces:
        return None
    if any(each.has_orientation for each in faces.faces):
        return None
    text = 'no face has an orientation, which requires a detector with landmarks, not haar'
    return Reason('orientation_unknown', text)


def _requested_faces(faces: FaceAttributesArray, request: GetFaces.Request) -> FaceAttributesArray:
    """Return a copy without the faces that a request excludes."""
    min_looking = LOOKING if request.looking_at_camera else 0.0
    return FaceAttributesArray(
        header=faces.header,
        image_width=faces.image_width,
        image_height=faces.image_height,
        position_frame_id=faces.position_frame_id,
        faces=[
            each
            for each in faces.faces
            if each.detection_confidence >= request.min_confidence
            and each.looking_at_camera >= min_looking
        ],
        processing_time=faces.processing_time,
    )


def _image_of(request: ClassifyImage.Request) -> ImageMessage | CompressedImage | Reason:
    """Return the only image of a request, or why there is no such image."""
    given = [each for each in (request.image, request.compressed_image) if len(each.data)]
    if len(given) != 1:
        found = 'both have' if given else 'neither has'
        return _invalid(f'image and compressed_image: expected data in one of them, {found} data')
    return given[0]

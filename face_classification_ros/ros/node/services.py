"""Serve requests about faces and people, and requests that control the node."""

from __future__ import annotations

from collections.abc import Callable
import math

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.qos import REQUESTS
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.frame_processor import FrameProcessor
from face_classification_ros.ros.node.image_input import read_image
from face_classification_ros.ros.node.state import NodeState
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces


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
        problem = _validation_error(request)
        if not problem and (reason := self._state.inactive_reason):
            problem = reason.text
        if problem:
            response.message = problem
            return response
        newest = self._processor.results.newest
        result: FrameResult | str
        if newest is not None and self._age(newest) < request.max_age:
            result = newest
        elif request.timeout > 0:
            result = await self._processor.results.next(request.timeout)
        elif newest is None:
            result = 'no image has arrived yet'
        else:
            result = f'the newest image is {self._age(newest):.3f} s old'
        if isinstance(result, str):
            response.message = result
        else:
            response.success = True
            response.faces = _confident_faces(result.message, request.min_confidence)
        return response

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
            response.message = reason.text
            return response
        try:
            message = _image_of(request)
            response.faces = self._processor.process_still(read_image(message), message.header)
        except ValueError as error:
            response.message = str(error)
        else:
            response.success = True
        return response

    def _count_people(
        self, request: CountPeople.Request, response: CountPeople.Response
    ) -> CountPeople.Response:
        if reason := self._state.unloaded_reason:
            response.message = reason.text
            return response
        labels = self._processor.labels
        if not (request.window >= 0 and math.isfinite(request.window)):
            response.message = f'window {request.window}: expected finite seconds, 0 or more'
        elif request.attribute and request.attribute not in labels:
            available = ', '.join(labels) or 'none'
            response.message = (
                f'attribute {request.attribute!r} is not estimated; available: {available}'
            )
        else:
            attribute = request.attribute or next(iter(labels), '')
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


def _validation_error(request: GetFaces.Request) -> str:
    """Return which value of a request is not possible, "" if all are."""
    if not request.max_age >= 0:
        return f'max_age {request.max_age}: expected seconds, 0 or more'
    if not (request.timeout >= 0 and math.isfinite(request.timeout)):
        return f'timeout {request.timeout}: expected finite seconds, 0 or more'
    if not 0 <= request.min_confidence <= 1:
        return f'min_confidence {request.min_confidence}: expected 0 to 1'
    return ''


def _confident_faces(faces: FaceAttributesArray, min_confidence: float) -> FaceAttributesArray:
    """Return a copy without the faces of a lower confidence."""
    return FaceAttributesArray(
        header=faces.header,
        image_width=faces.image_width,
        image_height=faces.image_height,
        position_frame_id=faces.position_frame_id,
        faces=[each for each in faces.faces if each.detection_confidence >= min_confidence],
        processing_time=faces.processing_time,
    )


def _image_of(request: ClassifyImage.Request) -> ImageMessage | CompressedImage:
    """Return the only image of a request.

    Raises:
        ValueError: there is none, or there are two.
    """
    given = [each for each in (request.image, request.compressed_image) if len(each.data)]
    if len(given) != 1:
        found = 'both have' if given else 'neither has'
        raise ValueError(f'image and compressed_image: expected data in one of them, {found} data')
    return given[0]

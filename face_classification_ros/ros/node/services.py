"""The services of the node: what behaviors ask for, and what they switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import math

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.node.image_input import image_of
from face_classification_ros.ros.node.result_cache import FrameResult, ResultCache
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces
from face_classification_ros.tracking.people import PeopleCounter
from face_classification_ros.types import Image

REQUESTS = QoSProfile(depth=100)
"""How many questions may come while a picture is worked on; DDS drops older ones in silence."""

Classify = Callable[[Image, Header], FaceAttributesArray]
"""Finds the faces of a picture that follows no other."""


class QueryServices:
    """Answers questions about faces and people; a question that cannot be answered gets a reason.

    They are there in every state of the node, so that whoever asks too early is told so.
    """

    def __init__(
        self,
        node: Node,
        answers: ResultCache,
        people: PeopleCounter,
        *,
        classify: Classify,
        inactive_reason: Callable[[], str],
        unloaded_reason: Callable[[], str],
        labels: Callable[[], Mapping[str, Sequence[str]]],
    ) -> None:
        """Offer the services.

        Args:
            node: that offers them.
            answers: to the camera's pictures.
            people: who was seen in them.
            classify: is called while `unloaded_reason` gives "".
            inactive_reason: says why no picture is worked on, "" while they are.
            unloaded_reason: says why there are no models, "" while there are.
            labels: returns attribute -> labels of the loaded models.
        """
        self._node = node
        self._results = answers
        self._people = people
        self._classify = classify
        self._inactive_reason = inactive_reason
        self._unloaded_reason = unloaded_reason
        self._labels = labels
        # Reentrant: who waits for a picture holds up nobody.
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
        reason = _complaint_about(request) or self._inactive_reason()
        if reason:
            response.message = reason
            return response
        newest = self._results.newest
        answer: FrameResult | str
        if newest is not None and self._age(newest) < request.max_age:
            answer = newest
        elif request.timeout > 0:
            answer = await self._results.next(request.timeout)
        elif newest is None:
            answer = 'there was no picture yet'
        else:
            answer = f'the newest picture is {self._age(newest):.3f} s old'
        if isinstance(answer, str):
            response.message = answer
        else:
            response.success = True
            response.faces = _without_doubtful(answer.message, request.min_confidence)
        return response

    def _age(self, answer: FrameResult) -> float:
        """Give the time since a picture was taken, by the node's clock.

        One from the future is no new one: the clock was set back, as it is when a recording
        starts again.
        """
        return abs(self._node.get_clock().now().nanoseconds / 1e9 - answer.capture_time)

    def _classify_image(
        self, request: ClassifyImage.Request, response: ClassifyImage.Response
    ) -> ClassifyImage.Response:
        response.message = self._unloaded_reason()
        if response.message:
            return response
        try:
            message = _given_picture(request)
            response.faces = self._classify(image_of(message), message.header)
        except ValueError as error:
            response.message = str(error)
        else:
            response.success = True
        return response

    def _count_people(
        self, request: CountPeople.Request, response: CountPeople.Response
    ) -> CountPeople.Response:
        labels = self._labels()
        attribute = request.attribute or next(iter(labels), '')
        if not (request.window >= 0 and math.isfinite(request.window)):
            response.message = f'window {request.window}: expected finite seconds, 0 or more'
        elif reason := self._unloaded_reason():
            response.message = reason
        elif request.attribute and attribute not in labels:
            available = ', '.join(labels) or 'none'
            response.message = f'attribute {attribute!r} is not estimated; available: {available}'
        else:
            response.labels = list(labels.get(attribute, ()))
            count = self._people.count(request.window, attribute, response.labels)
            response.success = True
            response.counts = list(count.counts.values())
            response.unknown, response.total = count.unknown, count.total
        return response


class ControlServices:
    """Switches the work on pictures on and off, and starts tracks anew."""

    def __init__(
        self, node: Node, *, enable: Callable[[bool], str], reset: Callable[[], str]
    ) -> None:
        """Offer the services; both calls give what there is to say of the result."""
        self._enable = enable
        self._reset = reset
        node.create_service(SetBool, '~/enable', self._switch)
        node.create_service(Trigger, '~/reset_tracks', self._reset_tracks)

    def _switch(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = True, self._enable(request.data)
        return response

    def _reset_tracks(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        response.success, response.message = True, self._reset()
        return response


def _complaint_about(request: GetFaces.Request) -> str:
    """Say which value of a request cannot be, "" where all can."""
    if not request.max_age >= 0:
        return f'max_age {request.max_age}: expected seconds, 0 or more'
    if not (request.timeout >= 0 and math.isfinite(request.timeout)):
        return f'timeout {request.timeout}: expected finite seconds, 0 or more'
    if not 0 <= request.min_confidence <= 1:
        return f'min_confidence {request.min_confidence}: expected 0 to 1'
    return ''


def _without_doubtful(faces: FaceAttributesArray, min_confidence: float) -> FaceAttributesArray:
    """Leave out faces of a lower confidence; the given message stays as it is."""
    return FaceAttributesArray(
        header=faces.header,
        image_width=faces.image_width,
        image_height=faces.image_height,
        position_frame_id=faces.position_frame_id,
        faces=[each for each in faces.faces if each.detection_confidence >= min_confidence],
        processing_time=faces.processing_time,
    )


def _given_picture(request: ClassifyImage.Request) -> ImageMessage | CompressedImage:
    """Give the one picture of a request.

    Raises:
        ValueError: there is none, or there are two.
    """
    given = [each for each in (request.image, request.compressed_image) if len(each.data)]
    if len(given) != 1:
        found = 'both are' if given else 'neither is'
        raise ValueError(f'image and compressed_image: expected one with data, {found}')
    return given[0]

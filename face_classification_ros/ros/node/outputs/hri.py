"""Faces as REP-155 (ROS4HRI) has them: one list of ids, and topics of its own for each face.

https://www.ros.org/reps/rep-0155.html, with the messages of hri_msgs 2 (Humble and later).
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.node.parameters import Parameters
from face_classification_ros.ros.node.result_cache import FrameResult
from face_classification_ros.types import BoundingBox, Face, Image

NAMESPACE = '/humans/faces'
"""Absolute, as the standard has it: whoever listens looks there and nowhere else."""

CROPPED_SIDE = 128
"""Pixels of the side of a cropped face, the standard's default."""

EXPRESSIONS = {
    'angry': 'angry',
    'disgust': 'disgusted',
    'fear': 'scared',
    'happy': 'happy',
    'sad': 'sad',
    'surprise': 'surprised',
    'neutral': 'neutral',
}
"""Label of an emotion -> word of hri_msgs/Expression."""

GENDERS = {'woman': 1, 'man': 2}
"""Label of a gender -> code of hri_msgs/SoftBiometrics, where 0 is undefined."""

_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE)


def face_id(track_id: str) -> str:
    """Give the id of a face, a valid part of a topic's name, which must not begin with a digit."""
    return f'f{track_id}'


def cropped_face(image: Image, box: BoundingBox) -> Image:
    """Cut a face out of a picture, scaled to fit and centered on black.

    Args:
        image: uint8 H x W x 3 in BGR.
        box: in its pixels; may reach over the edge.

    Returns:
        uint8, `CROPPED_SIDE` x `CROPPED_SIDE` x 3.
    """
    seen = box.clipped(image.shape[1], image.shape[0])
    left, top = math.floor(seen.x), math.floor(seen.y)
    crop = image[top : math.ceil(seen.y + seen.height), left : math.ceil(seen.x + seen.width)]
    cropped = np.zeros((CROPPED_SIDE, CROPPED_SIDE, 3), np.uint8)
    if crop.size == 0:
        return cropped
    scale = CROPPED_SIDE / max(crop.shape[:2])
    height, width = (max(1, round(side * scale)) for side in crop.shape[:2])
    left, top = (CROPPED_SIDE - width) // 2, (CROPPED_SIDE - height) // 2
    cropped[top : top + height, left : left + width] = cv2.resize(
        crop, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return cropped


class HriOutput:
    """Publishes faces below `/humans/faces`, each on topics that last as long as its track."""

    def __init__(self, node: Node) -> None:
        """Offer the list of faces.

        Raises:
            ImportError: hri_msgs is not installed.
        """
        from hri_msgs.msg import IdsList

        self._node = node
        self._list_type = IdsList
        self._tracked = node.create_publisher(IdsList, f'{NAMESPACE}/tracked', _QOS)
        self._faces: dict[str, _FaceTopics] = {}

    def destroy(self) -> None:
        """Say that no face is followed any more, and withdraw all topics."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._tracked.publish(self._list_type(header=header))
        for topics in self._faces.values():
            topics.destroy()
        self._faces.clear()
        self._node.destroy_publisher(self._tracked)

    def publish(self, image: Image, answer: FrameResult, parameters: Parameters) -> None:
        """Publish the faces of a picture.

        A face that was not found in this picture stays in the list until its track ends.
        """
        stamp = answer.stamp
        for face in answer.faces:
            name = face_id(face.track_id)
            if name not in self._faces:
                self._faces[name] = _FaceTopics(self._node, name)
            self._faces[name].last_seen = stamp
        for name, topics in list(self._faces.items()):
            # Also where time was set back, which ends all tracks.
            if not 0 <= stamp - topics.last_seen <= parameters.track_timeout:
                self._faces.pop(name).destroy()
        self._tracked.publish(self._list_type(header=answer.header, ids=list(self._faces)))
        for face in answer.faces:
            self._faces[face_id(face.track_id)].publish(face, image, answer.header, parameters)


class _FaceTopics:
    """The topics of one face.

    Attributes:
        last_seen: stamp in seconds of the last picture that shows it.
    """

    def __init__(self, node: Node, name: str) -> None:
        from hri_msgs.msg import Expression, NormalizedRegionOfInterest2D, SoftBiometrics

        self.last_seen = 0.0
        self._node = node
        self._namespace = f'{NAMESPACE}/{name}'
        self._roi = self._offer(NormalizedRegionOfInterest2D, 'roi')
        self._cropped = self._offer(ImageMessage, 'cropped')
        self._expression = self._offer(Expression, 'expression')
        self._biometrics = self._offer(SoftBiometrics, 'softbiometrics')

    def _offer(self, kind: type, topic: str) -> Publisher:
        return self._node.create_publisher(kind, f'{self._namespace}/{topic}', _QOS)

    def destroy(self) -> None:
        """Withdraw the topics."""
        for publisher in (self._roi, self._cropped, self._expression, self._biometrics):
            self._node.destroy_publisher(publisher)

    def publish(self, face: Face, image: Image, header: Header, parameters: Parameters) -> None:
        """Publish what a picture shows of this face."""
        height, width = image.shape[:2]
        box = face.detection.box.clipped(width, height)
        _send(
            self._roi,
            header=header,
            xmin=box.x / width,
            ymin=box.y / height,
            xmax=(box.x + box.width) / width,
            ymax=(box.y + box.height) / height,
            c=face.detection.confidence,
        )
        if self._cropped.get_subscription_count() and not parameters.blur_faces:
            cropped = cropped_face(image, face.detection.box)
            upright = np.ascontiguousarray(np.rot90(cropped, -parameters.rotation // 90))
            self._cropped.publish(image_to_message(upright, header))
        if face.emotion is not None:
            # No word while it is unknown; valence and arousal are never told.
            _send(
                self._expression,
                header=header,
                expression=EXPRESSIONS.get(face.emotion.label, ''),
                valence=math.nan,
                arousal=math.nan,
                confidence=face.emotion.confidence,
            )
        if face.gender is not None:
            _send(
                self._biometrics,
                header=header,
                gender=GENDERS.get(face.gender.label, 0),
                gender_confidence=face.gender.confidence,
            )


def _send(publisher: Publisher, **values: Any) -> None:
    """Publish a message with these fields, of the publisher's type."""
    kind: Any = publisher.msg_type
    publisher.publish(kind(**values))

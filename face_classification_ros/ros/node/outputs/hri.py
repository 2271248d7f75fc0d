"""Publish faces as REP-155 (ROS4HRI) defines them: a list of ids, and topics for each face.

https://www.ros.org/reps/rep-0155.html, with the messages of hri_msgs 2 (Humble and later).
"""

from __future__ import annotations

import importlib
import math
from typing import Any

import cv2
import numpy as np
from rclpy.lifecycle import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.config import SettingError
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.qos import RESULTS
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import BoundingBox, Face, Image

NAMESPACE = '/humans/faces'
"""Absolute, as the standard defines it."""

CROP_SIZE = 128
"""Height and width in pixels of a cropped face, the default of the standard."""

EXPRESSIONS = {
    'angry': 'angry',
    'disgust': 'disgusted',
    'fear': 'scared',
    'happy': 'happy',
    'sad': 'sad',
    'surprise': 'surprised',
    'neutral': 'neutral',
}
"""Label of the attribute emotion -> name in hri_msgs/Expression."""

GENDERS = {'woman': 1, 'man': 2}
"""Label of the attribute gender -> code in hri_msgs/SoftBiometrics, where 0 is undefined."""


def face_id(track_id: str) -> str:
    """Return the id of a face, a valid part of a topic name, which must not start with a digit."""
    return f'f{track_id}'


def cropped_face(image: Image, box: BoundingBox) -> Image:
    """Crop a face, resized to fit and centered on black.

    Args:
        image: uint8 H x W x 3 in BGR.
        box: in its pixels; may extend beyond the edge.

    Returns:
        uint8, `CROP_SIZE` x `CROP_SIZE` x 3.
    """
    visible = box.clipped(image.shape[1], image.shape[0])
    left, top = math.floor(visible.x), math.floor(visible.y)
    right, bottom = math.ceil(visible.x + visible.width), math.ceil(visible.y + visible.height)
    crop = image[top:bottom, left:right]
    cropped = np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8)
    if crop.size == 0:
        return cropped
    scale = CROP_SIZE / max(crop.shape[:2])
    height, width = (max(1, round(side * scale)) for side in crop.shape[:2])
    left, top = (CROP_SIZE - width) // 2, (CROP_SIZE - height) // 2
    cropped[top : top + height, left : left + width] = cv2.resize(
        crop, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return cropped


class HriOutput(Output):
    """Publishes the topics of REP-155 while `publish_hri` is set."""

    def __init__(self, node: Node) -> None:
        """Create no topics yet."""
        super().__init__(node)
        self._humans: _Humans | None = None

    @classmethod
    def check(cls, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Check whether the messages are installed if the topics are to be published.

        Raises:
            SettingError: hri_msgs is not installed.
        """
        if not config.publish_hri:
            return
        try:
            importlib.import_module('hri_msgs.msg')
        except ImportError as error:
            raise SettingError('publish_hri', f'requires the package hri_msgs: {error}') from error

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image."""
        if frame.config.publish_hri:
            self._humans = self._humans or _Humans(self.node)
            self._humans.publish(frame)

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Remove the topics if they are switched off."""
        if not config.publish_hri:
            self.stop()

    def stop(self) -> None:
        """Publish that no face is tracked any more, and remove all topics."""
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None


class _Humans:
    """Publishes faces below `/humans/faces`, each on topics that last as long as its track."""

    def __init__(self, node: Node) -> None:
        """Create the list of faces."""
        from hri_msgs.msg import IdsList

        self._node = node
        self._list_type = IdsList
        self._tracked = node.create_publisher(IdsList, f'{NAMESPACE}/tracked', RESULTS)
        self._faces: dict[str, _FaceTopics] = {}

    def destroy(self) -> None:
        """Publish an empty list, and remove all topics."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        self._tracked.publish(self._list_type(header=header))
        for topics in self._faces.values():
            topics.destroy()
        self._node.destroy_publisher(self._tracked)

    def publish(self, frame: OutputFrame) -> None:
        """Publish the faces of an image.

        A face that was not found in this image stays in the list until its track ends.
        """
        faces, stamp = frame.result.faces, frame.result.stamp
        for face in faces:
            name = face_id(face.track_id)
            if name not in self._faces:
                self._faces[name] = _FaceTopics(self._node, name)
            self._faces[name].last_seen = stamp
        for name, topics in list(self._faces.items()):
            # Negative if time jumped back, which ends all tracks.
            if not 0 <= stamp - topics.last_seen <= frame.config.track_timeout:
                self._faces.pop(name).destroy()
        self._tracked.publish(self._list_type(header=frame.result.header, ids=list(self._faces)))
        for face in faces:
            self._faces[face_id(face.track_id)].publish(face, frame)


class _FaceTopics:
    """The topics of one face.

    Attributes:
        last_seen: stamp in seconds of the last image that shows it.
    """

    def __init__(self, node: Node, name: str) -> None:
        from hri_msgs.msg import Expression, NormalizedRegionOfInterest2D, SoftBiometrics

        self.last_seen = 0.0
        self._node = node
        self._namespace = f'{NAMESPACE}/{name}'
        self._roi = self._create(NormalizedRegionOfInterest2D, 'roi')
        self._cropped = self._create(ImageMessage, 'cropped')
        self._expression = self._create(Expression, 'expression')
        self._biometrics = self._create(SoftBiometrics, 'softbiometrics')

    def _create(self, message_type: type, topic: str) -> Publisher:
        return self._node.create_publisher(message_type, f'{self._namespace}/{topic}', RESULTS)

    def destroy(self) -> None:
        """Remove the topics."""
        for publisher in (self._roi, self._cropped, self._expression, self._biometrics):
            self._node.destroy_publisher(publisher)

    def publish(self, face: Face, frame: OutputFrame) -> None:
        """Publish this face as an image shows it."""
        header = frame.result.header
        height, width = frame.image.shape[:2]
        box = face.detection.box.clipped(width, height)
        _publish(
            self._roi,
            header=header,
            xmin=box.x / width,
            ymin=box.y / height,
            xmax=(box.x + box.width) / width,
            ymax=(box.y + box.height) / height,
            c=face.detection.confidence,
        )
        if self._cropped.get_subscription_count() and not frame.config.blur_faces:
            cropped = cropped_face(frame.image, face.detection.box)
            upright = np.ascontiguousarray(np.rot90(cropped, -frame.config.rotation // 90))
            self._cropped.publish(image_to_message(upright, header))
        if emotion := face.attributes.get('emotion'):
            # No expression while it is unknown; valence and arousal are not estimated.
            _publish(
                self._expression,
                header=header,
                expression=EXPRESSIONS.get(emotion.label, ''),
                valence=math.nan,
                arousal=math.nan,
                confidence=emotion.confidence,
            )
        if gender := face.attributes.get('gender'):
            _publish(
                self._biometrics,
                header=header,
                gender=GENDERS.get(gender.label, 0),
                gender_confidence=gender.confidence,
            )


def _publish(publisher: Publisher, **values: Any) -> None:
    """Publish a message with these fields."""
    message_type: Any = publisher.msg_type
    publisher.publish(message_type(**values))

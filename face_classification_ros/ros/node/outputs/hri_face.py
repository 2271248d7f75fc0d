"""Publish one face on the topics that REP-155 (ROS4HRI) defines for it."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from rclpy.lifecycle import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.qos import RESULTS
from face_classification_ros.ros.node.outputs.hri_crops import aligned_face, cropped_face
from face_classification_ros.ros.node.outputs.output import OutputFrame
from face_classification_ros.types import Detection, Face

NAMESPACE = '/humans/faces'
"""Absolute, as the standard defines it."""

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

LANDMARKS = (68, 69, 30, 48, 54)
"""Numbers of our landmarks in hri_msgs/FacialLandmarks: pupils, nose, corners of the mouth."""

NUM_LANDMARKS = 70

OLDEST_BAND = 10
"""Years of the band of age without an end."""

_YEARS = r'(1?\d?\d)'

GENDERS = {'woman': 1, 'man': 2}
"""Label of the attribute gender -> code in hri_msgs/SoftBiometrics, where 0 is undefined."""


def center_of_band(label: str) -> int:
    """Return the age in the middle of a band such as "20-29" or "70+".

    0, which is undefined, for another label: "unknown", or one of a model of the user.
    """
    if open_band := re.fullmatch(rf'{_YEARS}\+', label):
        return int(open_band[1]) + OLDEST_BAND // 2
    if band := re.fullmatch(f'{_YEARS}-{_YEARS}', label):
        return (int(band[1]) + int(band[2]) + 1) // 2
    return 0


class FaceTopics:
    """The topics of one face.

    Attributes:
        last_seen: stamp in seconds of the last image that shows it.
    """

    def __init__(self, node: Node, name: str) -> None:
        """Create the topics of the face with this id."""
        from hri_msgs.msg import (
            Expression,
            FacialLandmarks,
            NormalizedPointOfInterest2D,
            NormalizedRegionOfInterest2D,
            SoftBiometrics,
        )

        self.last_seen = 0.0
        self._node = node
        self._namespace = f'{NAMESPACE}/{name}'
        self._point_type = NormalizedPointOfInterest2D
        self._roi = self._create(NormalizedRegionOfInterest2D, 'roi')
        self._cropped = self._create(ImageMessage, 'cropped')
        self._aligned = self._create(ImageMessage, 'aligned')
        self._landmarks = self._create(FacialLandmarks, 'landmarks')
        self._expression = self._create(Expression, 'expression')
        self._biometrics = self._create(SoftBiometrics, 'softbiometrics')

    def _create(self, message_type: type, topic: str) -> Publisher:
        return self._node.create_publisher(message_type, f'{self._namespace}/{topic}', RESULTS)

    def destroy(self) -> None:
        """Remove the topics."""
        for publisher in (
            self._roi,
            self._cropped,
            self._aligned,
            self._landmarks,
            self._expression,
            self._biometrics,
        ):
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
        if not frame.config.blur_faces:
            self._publish_crops(face, frame)
        # Seventy points, most of which are not found.
        if face.detection.landmarks and self._landmarks.get_subscription_count():
            _publish(
                self._landmarks,
                header=header,
                height=height,
                width=width,
                landmarks=self._normalized(face.detection, width, height),
            )
        self._publish_attributes(face, header)

    def _publish_crops(self, face: Face, frame: OutputFrame) -> None:
        header, detection = frame.result.header, face.detection
        if self._cropped.get_subscription_count():
            cropped = cropped_face(frame.image, detection.box)
            upright = np.ascontiguousarray(np.rot90(cropped, -frame.config.rotation // 90))
            self._cropped.publish(image_to_message(upright, header))
        if detection.landmarks and self._aligned.get_subscription_count():
            aligned = aligned_face(frame.image, detection.box, detection.landmarks)
            self._aligned.publish(image_to_message(aligned, header))

    def _normalized(self, detection: Detection, width: int, height: int) -> list[Any]:
        """Return all landmarks of the standard; those that are not found have confidence 0."""
        points = [self._point_type() for _ in range(NUM_LANDMARKS)]
        for number, (x, y) in zip(LANDMARKS, detection.landmarks, strict=True):
            # The standard demands values from 0 to 1.
            points[number] = self._point_type(
                x=min(max(x / width, 0.0), 1.0),
                y=min(max(y / height, 0.0), 1.0),
                c=detection.confidence,
            )
        return points

    def _publish_attributes(self, face: Face, header: Header) -> None:
        """Publish what is estimated; unknown labels have no name and no number."""
        if emotion := face.attributes.get('emotion'):
            # Valence and arousal are not estimated.
            _publish(
                self._expression,
                header=header,
                expression=EXPRESSIONS.get(emotion.label, ''),
                valence=math.nan,
                arousal=math.nan,
                confidence=emotion.confidence,
            )
        gender, age = face.attributes.get('gender'), face.attributes.get('age')
        values: dict[str, Any] = {}
        if gender:
            values |= {
                'gender': GENDERS.get(gender.label, 0),
                'gender_confidence': gender.confidence,
            }
        if age:
            values |= {'age': center_of_band(age.label), 'age_confidence': age.confidence}
        if values:
            _publish(self._biometrics, header=header, **values)


def _publish(publisher: Publisher, **values: Any) -> None:
    """Publish a message with these fields if there are subscribers."""
    if not publisher.get_subscription_count():
        return
    message_type: Any = publisher.msg_type
    publisher.publish(message_type(**values))

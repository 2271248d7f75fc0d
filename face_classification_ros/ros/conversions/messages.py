"""Convert faces to messages, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Point32, Quaternion
import numpy as np
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    VisionClass,
)

from face_classification_ros.io.image_encodings import NANOSECONDS
from face_classification_ros.msg import AttributeEstimate as AttributeEstimateMessage
from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
from face_classification_ros.types import (
    AttributeEstimate,
    BoundingBox,
    Detection,
    Face,
    FrameFaces,
    Position,
)
from face_classification_ros.types import Quaternion as Rotation

FACE_CLASS = 'face'

NO_ROTATION: Rotation = (0.0, 0.0, 0.0, 1.0)


def seconds(stamp: Time) -> float:
    """Return a stamp in seconds."""
    return float(stamp.sec) + stamp.nanosec / NANOSECONDS


def time_message(stamp: float) -> Time:
    """Return seconds as a stamp."""
    whole, nanoseconds = divmod(round(stamp * NANOSECONDS), NANOSECONDS)
    return Time(sec=whole, nanosec=nanoseconds)


def faces_message(
    faces: Sequence[Face],
    header: Header,
    width: int,
    height: int,
    processing_time: float = 0.0,
    target_frame: str = '',
) -> FaceAttributesArray:
    """Return the message of all faces of one image.

    Args:
        faces: largest first.
        header: of the image, passed on unchanged.
        width: of the image in pixels.
        height: of the image in pixels.
        processing_time: seconds from the arrival of the image to its faces.
        target_frame: of the positions; "" is the frame of the image.
    """
    return FaceAttributesArray(
        header=header,
        image_width=width,
        image_height=height,
        position_frame_id=target_frame or header.frame_id,
        faces=[
            _face_message(
                face, width, height, face.target_position if target_frame else face.position
            )
            for face in faces
        ],
        processing_time=processing_time,
    )


def frame_from_message(
    message: FaceAttributesArray, *, frame: int = 0, file: str = '', latency: float | None = None
) -> FrameFaces:
    """Return the faces of one image; for the arguments see `FrameFaces`."""
    return FrameFaces(
        message.image_width,
        message.image_height,
        tuple(map(face_from_message, message.faces)),
        seconds(message.header.stamp),
        frame,
        file,
        latency,
    )


def face_from_message(message: FaceAttributes) -> Face:
    """Return a face as it was before it became a message, apart from what a message omits.

    Its box is clipped to the image, in whole pixels. The published label is the stable label of an
    estimate; its threshold, which is not published, is 0.
    """
    roi, point = message.roi, message.position
    detection = Detection(
        BoundingBox(roi.x_offset, roi.y_offset, roi.width, roi.height),
        message.detection_confidence,
        tuple((landmark.x, landmark.y) for landmark in message.landmarks),
    )
    return Face(
        detection,
        {each.name: _estimate_from_message(each) for each in message.attributes},
        message.track_id,
        seconds(message.first_seen),
        position=(point.x, point.y, point.z) if message.has_position else None,
        is_size_plausible=message.is_size_plausible,
        orientation=_orientation_from_message(message),
        looking_at_camera=message.looking_at_camera,
    )


def detections_message(faces: Sequence[Face], header: Header) -> Detection2DArray:
    """Return the faces as detections with one hypothesis per class.

    The classes are `face`, with the confidence of the detector, and `gender/woman`,
    `emotion/happy` and so on, with their probabilities. The pose of each has the position of the
    face if it is known, and is 0 otherwise.
    """
    message = Detection2DArray(header=header)
    for face in faces:
        box = face.detection.box
        detection = Detection2D(header=header, id=face.track_id)
        detection.bbox.center.position.x, detection.bbox.center.position.y = box.center
        detection.bbox.size_x = float(box.width)
        detection.bbox.size_y = float(box.height)
        detection.results = hypotheses(face)
        if face.position is not None:
            for result in detection.results:
                result.pose.pose.position = point_message(face.position)
        message.detections.append(detection)
    return message


def hypotheses(face: Face) -> list[ObjectHypothesisWithPose]:
    """Return one hypothesis per class of a face, see `detections_message`, without poses."""
    results = [_hypothesis(FACE_CLASS, face.detection.confidence)]
    for attribute, estimate in face.attributes.items():
        results += [
            _hypothesis(f'{attribute}/{label}', float(probability))
            for label, probability in zip(estimate.labels, estimate.probabilities, strict=True)
        ]
    return results


def label_info_message(
    labels: Mapping[str, Sequence[str]], header: Header, threshold: float
) -> LabelInfo:
    """Return the classes of `detections_message`, numbered from 0.

    Args:
        labels: attribute -> its labels.
        header: of the message.
        threshold: minimum confidence of a face.
    """
    names = [FACE_CLASS] + [
        f'{attribute}/{label}' for attribute, names in labels.items() for label in names
    ]
    classes = [VisionClass(class_id=number, class_name=name) for number, name in enumerate(names)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def _hypothesis(class_id: str, score: float) -> ObjectHypothesisWithPose:
    return ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=class_id, score=score))


def _face_message(
    face: Face, width: int, height: int, position: Position | None
) -> FaceAttributes:
    return FaceAttributes(
        track_id=face.track_id,
        roi=_region(face.detection.box.clipped(width, height)),
        detection_confidence=face.detection.confidence,
        landmarks=[Point32(x=float(x), y=float(y)) for x, y in face.detection.landmarks],
        attributes=[_estimate_message(name, each) for name, each in face.attributes.items()],
        has_position=position is not None,
        position=point_message(position or (0.0, 0.0, 0.0)),
        is_size_plausible=face.is_size_plausible,
        has_orientation=face.orientation is not None,
        orientation=quaternion_message(face.orientation or NO_ROTATION),
        looking_at_camera=face.looking_at_camera,
        first_seen=time_message(face.first_seen),
    )


def point_message(position: Position) -> Point:
    """Return a position as a message."""
    x, y, z = map(float, position)
    return Point(x=x, y=y, z=z)


def quaternion_message(rotation: Rotation) -> Quaternion:
    """Return a rotation as a message."""
    x, y, z, w = rotation
    return Quaternion(x=x, y=y, z=z, w=w)


def _orientation_from_message(message: FaceAttributes) -> Rotation | None:
    if not message.has_orientation:
        return None
    rotation = message.orientation
    return rotation.x, rotation.y, rotation.z, rotation.w


def _region(box: BoundingBox) -> RegionOfInterest:
    left, top = int(box.x), int(box.y)
    return RegionOfInterest(
        x_offset=left,
        y_offset=top,
        width=round(box.x + box.width) - left,
        height=round(box.y + box.height) - top,
    )


def _estimate_message(name: str, estimate: AttributeEstimate) -> AttributeEstimateMessage:
    return AttributeEstimateMessage(
        name=name,
        label=estimate.label,
        confidence=estimate.confidence,
        labels=estimate.labels,
        probabilities=estimate.probabilities,
        frame_probabilities=estimate.frame_probabilities,
        frame_count=estimate.frame_count,
    )


def _estimate_from_message(message: AttributeEstimateMessage) -> AttributeEstimate:
    return AttributeEstimate(
        tuple(message.labels),
        np.array(message.probabilities, np.float32),
        np.array(message.frame_probabilities, np.float32),
        message.frame_count,
        threshold=0.0,
        stable_label=message.label,
    )

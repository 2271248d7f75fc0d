"""Faces as messages, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Point32
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

from face_classification_ros.evaluation.results import AttributeResult, FaceResult
from face_classification_ros.msg import AttributeEstimate as AttributeEstimateMessage
from face_classification_ros.msg import FaceAttributes, FaceAttributesArray
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face

FACE_CLASS = 'face'
NANOSECONDS = 1_000_000_000


def seconds(stamp: Time) -> float:
    """Give a stamp in seconds."""
    return float(stamp.sec) + stamp.nanosec / NANOSECONDS


def time_message(stamp: float) -> Time:
    """Give seconds as a stamp."""
    whole, nanoseconds = divmod(round(stamp * NANOSECONDS), NANOSECONDS)
    return Time(sec=whole, nanosec=nanoseconds)


def faces_message(
    faces: Sequence[Face], header: Header, width: int, height: int, processing_time: float
) -> FaceAttributesArray:
    """Give all that is known of the faces of one picture.

    Args:
        faces: largest first.
        header: of the picture, passed on unchanged.
        width: of the picture in pixels.
        height: of the picture in pixels.
        processing_time: seconds from the picture's arrival to its faces.
    """
    return FaceAttributesArray(
        header=header,
        image_width=width,
        image_height=height,
        faces=[_face_message(face, width, height) for face in faces],
        processing_time=processing_time,
    )


def face_from_message(message: FaceAttributes) -> Face:
    """Give a face as it was before it became a message, but for what a message cuts off.

    Its box is clipped to the picture, in whole pixels. An estimate holds the label that was told;
    its threshold, which is not told, is 0.
    """
    roi, point = message.roi, message.position
    detection = Detection(
        BoundingBox(roi.x_offset, roi.y_offset, roi.width, roi.height),
        message.detection_confidence,
        tuple((landmark.x, landmark.y) for landmark in message.landmarks),
    )
    return Face(
        detection,
        message.track_id,
        seconds(message.first_seen),
        _estimate_from_message(message.gender),
        _estimate_from_message(message.emotion),
        (point.x, point.y, point.z) if message.has_position else None,
    )


def face_result_from_message(face: FaceAttributes) -> FaceResult:
    """Give what a message tells of a face as plain values, with the label as it was told."""
    roi, position = face.roi, face.position
    return FaceResult(
        track_id=face.track_id,
        box=BoundingBox(roi.x_offset, roi.y_offset, roi.width, roi.height),
        confidence=face.detection_confidence,
        landmarks=tuple((point.x, point.y) for point in face.landmarks),
        gender=_attribute_result(face.gender),
        emotion=_attribute_result(face.emotion),
        position=(position.x, position.y, position.z) if face.has_position else None,
    )


def detections_message(faces: Sequence[Face], header: Header) -> Detection2DArray:
    """Give the faces as detections with one hypothesis per class, for tools that know only those.

    The classes are `face`, with the detector's confidence, and `gender/woman`, `emotion/happy`
    and so on, with their probabilities. The pose of each has the face's position where that is
    known, and is 0 elsewhere.
    """
    message = Detection2DArray(header=header)
    for face in faces:
        box = face.detection.box
        detection = Detection2D(header=header, id=face.track_id)
        detection.bbox.center.position.x, detection.bbox.center.position.y = box.center
        detection.bbox.size_x = float(box.width)
        detection.bbox.size_y = float(box.height)
        detection.results = [_hypothesis(FACE_CLASS, face.detection.confidence)]
        for attribute, estimate in (('gender', face.gender), ('emotion', face.emotion)):
            if estimate is not None:
                detection.results += [
                    _hypothesis(f'{attribute}/{label}', float(probability))
                    for label, probability in zip(
                        estimate.labels, estimate.probabilities, strict=True
                    )
                ]
        if face.position is not None:
            for result in detection.results:
                result.pose.pose.position = _point(face.position)
        message.detections.append(detection)
    return message


def label_info_message(
    labels: Mapping[str, Sequence[str]], header: Header, threshold: float
) -> LabelInfo:
    """Give the classes of `detections_message`, numbered from 0.

    Args:
        labels: attribute -> its labels.
        header: of the message.
        threshold: confidence from which a face is reported.
    """
    names = [FACE_CLASS] + [
        f'{attribute}/{label}' for attribute, names in labels.items() for label in names
    ]
    classes = [VisionClass(class_id=number, class_name=name) for number, name in enumerate(names)]
    return LabelInfo(header=header, class_map=classes, threshold=threshold)


def _hypothesis(class_id: str, score: float) -> ObjectHypothesisWithPose:
    return ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=class_id, score=score))


def _face_message(face: Face, width: int, height: int) -> FaceAttributes:
    return FaceAttributes(
        track_id=face.track_id,
        roi=_region(face.detection.box.clipped(width, height)),
        detection_confidence=face.detection.confidence,
        landmarks=[Point32(x=float(x), y=float(y)) for x, y in face.detection.landmarks],
        gender=_estimate_message(face.gender),
        emotion=_estimate_message(face.emotion),
        has_position=face.position is not None,
        position=_point(face.position or (0.0, 0.0, 0.0)),
        first_seen=time_message(face.first_seen),
    )


def _point(position: tuple[float, float, float]) -> Point:
    x, y, z = map(float, position)
    return Point(x=x, y=y, z=z)


def _region(box: BoundingBox) -> RegionOfInterest:
    left, top = int(box.x), int(box.y)
    return RegionOfInterest(
        x_offset=left,
        y_offset=top,
        width=round(box.x + box.width) - left,
        height=round(box.y + box.height) - top,
    )


def _estimate_message(estimate: AttributeEstimate | None) -> AttributeEstimateMessage:
    if estimate is None:
        return AttributeEstimateMessage()
    return AttributeEstimateMessage(
        label=estimate.label,
        confidence=estimate.confidence,
        labels=estimate.labels,
        probabilities=estimate.probabilities,
        frame_probabilities=estimate.frame_probabilities,
        frame_count=estimate.frame_count,
    )


def _estimate_from_message(message: AttributeEstimateMessage) -> AttributeEstimate | None:
    if not message.labels:
        return None
    return AttributeEstimate(
        tuple(message.labels),
        np.array(message.probabilities, np.float32),
        np.array(message.frame_probabilities, np.float32),
        message.frame_count,
        threshold=0.0,
        stable_label=message.label,
    )


def _attribute_result(estimate: AttributeEstimateMessage) -> AttributeResult | None:
    if not estimate.labels:
        return None
    probabilities = dict(zip(estimate.labels, map(float, estimate.probabilities), strict=True))
    return AttributeResult(
        estimate.label, estimate.confidence, probabilities, estimate.frame_count
    )

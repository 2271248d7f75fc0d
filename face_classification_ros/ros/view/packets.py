"""Encode an annotated image and its faces as one packet for the browser."""

from __future__ import annotations

from collections import OrderedDict
import json
import math
import struct
from typing import Any

from sensor_msgs.msg import CompressedImage

from face_classification_ros.msg import AttributeEstimate, FaceAttributes, FaceAttributesArray
from face_classification_ros.ros.conversions.messages import seconds

MAX_WAITING = 4
"""Images, or faces, that wait for the other; they arrive in any order."""

Stamp = tuple[int, int]


def faces_record(message: FaceAttributesArray) -> dict[str, Any]:
    """Return the faces of an image ready for JSON; boxes are in pixels, times in seconds."""
    # Positions in another frame, the parameter target_frame, are relative to its origin.
    is_relative_to_camera = message.position_frame_id == message.header.frame_id
    return {
        'stamp': seconds(message.header.stamp),
        'width': message.image_width,
        'height': message.image_height,
        'frame_id': message.position_frame_id,
        'processing_time': message.processing_time,
        'faces': [
            _face_record(face, has_distance=face.has_position and is_relative_to_camera)
            for face in message.faces
        ],
    }


def _face_record(face: FaceAttributes, *, has_distance: bool) -> dict[str, Any]:
    roi, point = face.roi, face.position
    distance = math.hypot(point.x, point.y, point.z)
    return {
        'track': face.track_id,
        'box': [roi.x_offset, roi.y_offset, roi.width, roi.height],
        'confidence': face.detection_confidence,
        'first_seen': seconds(face.first_seen),
        'distance': distance if has_distance else None,
        'is_size_plausible': face.is_size_plausible,
        'attributes': [_estimate_record(each) for each in face.attributes],
    }


def _estimate_record(estimate: AttributeEstimate) -> dict[str, Any]:
    return {
        'name': estimate.name,
        'label': estimate.label,
        'labels': list(estimate.labels),
        'probabilities': [round(each, 6) for each in estimate.probabilities],
        'frames': estimate.frame_count,
    }


def packet(record: dict[str, Any], jpeg: bytes) -> bytes:
    """Return the length of a record as uint32 (little endian), the record as JSON, and a JPEG."""
    text = json.dumps(record, separators=(',', ':')).encode()
    return struct.pack('<I', len(text)) + text + jpeg


class FrameJoiner:
    """Joins the annotated image and the faces of the same frame, which are two messages."""

    def __init__(self) -> None:
        """Start without messages."""
        self._images: OrderedDict[Stamp, bytes] = OrderedDict()
        self._faces: OrderedDict[Stamp, dict[str, Any]] = OrderedDict()

    def add_image(self, message: CompressedImage) -> bytes | None:
        """Return the packet of an image, None while its faces are missing."""
        stamp = _stamp(message)
        record = self._faces.pop(stamp, None)
        if record is not None:
            return packet(record, message.data.tobytes())
        self._images[stamp] = message.data.tobytes()
        if len(self._images) > MAX_WAITING:
            self._images.popitem(last=False)
        return None

    def add_faces(self, message: FaceAttributesArray) -> bytes | None:
        """Return the packet of faces, None while their image is missing.

        If images never come, which the parameter publish_annotated can cause, it returns packets
        of earlier faces without an image.
        """
        stamp, record = _stamp(message), faces_record(message)
        jpeg = self._images.pop(stamp, None)
        if jpeg is not None:
            return packet(record, jpeg)
        self._faces[stamp] = record
        if len(self._faces) > MAX_WAITING:
            return packet(self._faces.popitem(last=False)[1], b'')
        return None


def _stamp(message: CompressedImage | FaceAttributesArray) -> Stamp:
    stamp = message.header.stamp
    return stamp.sec, stamp.nanosec

"""Publish faces as boxes in space."""

from geometry_msgs.msg import Vector3
import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import Detection3D, Detection3DArray

from face_classification_ros.geometry.transforms import Transform
from face_classification_ros.ros.conversions.messages import (
    hypotheses,
    point_message,
    quaternion_message,
)
from face_classification_ros.ros.node.outputs.output import OutputFrame, TopicOutput
from face_classification_ros.types import Face


class Detections3DOutput(TopicOutput):
    """Publishes `~/detections_3d`, one box per face that has a position."""

    topic = '~/detections_3d'
    message_type = Detection3DArray

    def message(self, frame: OutputFrame) -> Detection3DArray:
        """Return the faces of an image that have a position, in the frame of the positions."""
        result = frame.result
        header = result.position_header
        message = Detection3DArray(header=header)
        if result.transform is not None:
            message.detections = [
                _detection(face, result.transform, header)
                for face in result.faces
                if face.position is not None
            ]
        return message


def _detection(face: Face, transform: Transform, header: Header) -> Detection3D:
    """Return a box with the axes of the camera, as deep as it is wide.

    The position of a face is on its surface, so the center of the box is half its depth behind,
    seen from the camera.
    """
    assert face.position is not None and face.size is not None
    width, height = face.size
    ray = np.array(face.position) / np.linalg.norm(face.position)
    x, y, z = np.array(face.position) + width / 2 * ray
    detection = Detection3D(header=header, id=face.track_id, results=hypotheses(face))
    for each in detection.results:
        each.pose.pose.position = point_message(transform.position(face.position))
    detection.bbox.center.position = point_message(transform.position((x, y, z)))
    detection.bbox.center.orientation = quaternion_message(transform.rotation)
    detection.bbox.size = Vector3(x=width, y=height, z=width)
    return detection

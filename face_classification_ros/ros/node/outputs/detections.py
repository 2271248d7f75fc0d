"""Publish faces as detections of vision_msgs."""

from vision_msgs.msg import Detection2DArray

from face_classification_ros.ros.conversions.messages import detections_message
from face_classification_ros.ros.node.outputs.output import OutputFrame, TopicOutput


class DetectionsOutput(TopicOutput):
    """Publishes `~/detections`, one detection per face and one hypothesis per class."""

    topic = '~/detections'
    message_type = Detection2DArray

    def message(self, frame: OutputFrame) -> Detection2DArray:
        """Return the faces of an image as detections."""
        return detections_message(frame.result.faces, frame.result.header)

"""Publish all that is known about the faces of each image."""

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.node.outputs.output import OutputFrame, TopicOutput


class FacesOutput(TopicOutput):
    """Publishes `~/faces` for every processed image, also without faces."""

    topic = '~/faces'
    message_type = FaceAttributesArray

    def message(self, frame: OutputFrame) -> FaceAttributesArray:
        """Return the faces of an image."""
        return frame.result.message

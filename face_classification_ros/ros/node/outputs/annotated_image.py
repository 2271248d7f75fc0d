"""Publish images with annotated faces."""

from rclpy.lifecycle import Node
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.conversions.images import image_to_compressed, image_to_message
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.visualization.annotation import draw_faces


class AnnotatedImageOutput(Output):
    """Publishes `~/image_annotated` and `~/image_annotated/compressed`, drawn once for both."""

    def __init__(self, node: Node) -> None:
        """Create both publishers."""
        super().__init__(node)
        self._raw = self.create_publisher(ImageMessage, '~/image_annotated')
        self._compressed = self.create_publisher(CompressedImage, '~/image_annotated/compressed')

    def publish(self, frame: OutputFrame) -> None:
        """Draw the faces of an image if there are subscribers."""
        raw = self._raw.get_subscription_count() > 0
        compressed = self._compressed.get_subscription_count() > 0
        if not frame.config.publish_annotated or not (raw or compressed):
            return
        annotated = draw_faces(frame.image, frame.result.faces, blur=frame.config.blur_faces)
        if raw:
            self._raw.publish(image_to_message(annotated, frame.result.header))
        if compressed:
            self._compressed.publish(image_to_compressed(annotated, frame.result.header))

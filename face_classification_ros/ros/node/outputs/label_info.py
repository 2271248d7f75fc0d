"""Publish the classes of the detections."""

from rclpy.lifecycle import Node
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.messages import label_info_message
from face_classification_ros.ros.conversions.qos import LATCHED
from face_classification_ros.ros.node.outputs.output import Output
from face_classification_ros.ros.node.parameters.node_config import NodeConfig


class LabelInfoOutput(Output):
    """Publishes `~/label_info`, latched, when the node becomes active and after changes."""

    def __init__(self, node: Node) -> None:
        """Create the publisher."""
        super().__init__(node)
        self._publisher = self.create_publisher(LabelInfo, '~/label_info', LATCHED)

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Publish the classes of the present models."""
        labels = {
            attribute: classifier.labels[attribute]
            for attribute, classifier in pipeline.classifiers.items()
        }
        header = Header(stamp=self.node.get_clock().now().to_msg())
        self._publisher.publish(label_info_message(labels, header, config.detection_threshold))

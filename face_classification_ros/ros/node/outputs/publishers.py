"""The topics on which the node tells of faces; what is costly is made only while subscribed."""

from __future__ import annotations

from rclpy.lifecycle import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.conversions.images import image_to_compressed, image_to_message
from face_classification_ros.ros.conversions.messages import detections_message, label_info_message
from face_classification_ros.ros.node.outputs.explanation import ExplanationOutput
from face_classification_ros.ros.node.outputs.hri import HriOutput
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.ros.node.result_cache import FrameResult
from face_classification_ros.types import Image
from face_classification_ros.visualization.annotation import draw_faces

LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# What behaviors subscribe to, reliably or not; pictures are offered reliably, too, because rviz
# and image viewers ask for it.
RESULTS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)


class Outputs:
    """The publishers of a configured node; they send while the node is active."""

    def __init__(self, node: Node) -> None:
        """Offer the topics."""
        self._node = node
        publisher = node.create_lifecycle_publisher
        self._faces = publisher(FaceAttributesArray, '~/faces', RESULTS)
        self._detections = publisher(Detection2DArray, '~/detections', RESULTS)
        self._label_info = publisher(LabelInfo, '~/label_info', LATCHED)
        self._annotated = publisher(ImageMessage, '~/image_annotated', RESULTS)
        self._annotated_compressed = publisher(
            CompressedImage, '~/image_annotated/compressed', RESULTS
        )
        self._explanation = publisher(ImageMessage, '~/explanation', RESULTS)
        self._explanations = ExplanationOutput(node.get_logger())
        self._humans: HriOutput | None = None
        self._is_hri_missing = False

    def destroy(self) -> None:
        """Withdraw the topics."""
        for publisher in (
            self._faces,
            self._detections,
            self._label_info,
            self._annotated,
            self._annotated_compressed,
            self._explanation,
        ):
            self._node.destroy_lifecycle_publisher(publisher)

    def log_topics(self) -> None:
        """Say where what is told: who wonders where faces are looks there first."""
        for what, publisher in (
            ('faces on', self._faces),
            ('detections on', self._detections),
            ('labels on', self._label_info),
            ('annotated pictures on', self._annotated),
        ):
            self._node.get_logger().info(f'{what} {publisher.topic_name}')

    def forget_explainer(self) -> None:
        """Load what explains anew when it is needed next, as another model needs."""
        self._explanations.forget()

    def publish_labels(self, pipeline: FacePipeline, parameters: NodeConfig) -> None:
        """Tell late subscribers, too, which classes detections have."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        labels = {
            attribute: classifier.labels[attribute]
            for attribute, classifier in pipeline.classifiers.items()
        }
        self._label_info.publish(
            label_info_message(labels, header, parameters.detection_threshold)
        )

    def publish(
        self, image: Image, answer: FrameResult, pipeline: FacePipeline, parameters: NodeConfig
    ) -> None:
        """Tell of the faces of a picture, in all ways that somebody listens to."""
        self._faces.publish(answer.message)
        if self._detections.get_subscription_count():
            self._detections.publish(detections_message(answer.faces, answer.header))
        if parameters.publish_annotated:
            self._publish_annotated(image, answer, parameters)
        if self._explanation.get_subscription_count() and not parameters.blur_faces:
            panel = self._explanations.panel(image, answer.faces, pipeline, parameters)
            if panel is not None:
                self._explanation.publish(image_to_message(panel, answer.header))
        if parameters.publish_hri:
            self._publish_hri(image, answer, parameters)
        else:
            self.withdraw_hri()

    def withdraw_hri(self) -> None:
        """Say to those who listen for humans that nobody is followed any more."""
        if self._humans is not None:
            self._humans.destroy()
            self._humans = None

    def _publish_hri(self, image: Image, answer: FrameResult, parameters: NodeConfig) -> None:
        if self._humans is None and not self._is_hri_missing:
            try:
                self._humans = HriOutput(self._node)
            except ImportError as error:
                self._is_hri_missing = True
                self._node.get_logger().error(f'publish_hri: hri_msgs is not installed: {error}')
        if self._humans is not None:
            self._humans.publish(image, answer, parameters)

    def _publish_annotated(
        self, image: Image, answer: FrameResult, parameters: NodeConfig
    ) -> None:
        raw = self._annotated.get_subscription_count() > 0
        compressed = self._annotated_compressed.get_subscription_count() > 0
        if not (raw or compressed):
            return
        annotated = draw_faces(image, answer.faces, blur=parameters.blur_faces)
        if raw:
            self._annotated.publish(image_to_message(annotated, answer.header))
        if compressed:
            self._annotated_compressed.publish(image_to_compressed(annotated, answer.header))

"""Publish the position of each face as a frame of TF."""

from geometry_msgs.msg import Transform, TransformStamped, Vector3
from rclpy.lifecycle import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from tf2_msgs.msg import TFMessage

from face_classification_ros.msg import FaceAttributes
from face_classification_ros.pipeline import FacePipeline
from face_classification_ros.ros.node.outputs.output import Output, OutputFrame
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import Face

FRAMES_TOPIC = '/tf'
"""Absolute, as in tf2_ros; a remapping moves it."""

FRAMES_QOS = QoSProfile(depth=100)
"""As the broadcaster of tf2_ros."""


class FaceFramesOutput(Output):
    """Publishes `face_<track id>` on /tf while `publish_tf` is set.

    The parent is the frame of the image, whatever the target frame is, so that the tree of frames
    has no second path. TF has no message that removes a frame: it is not published any more.
    """

    def __init__(self, node: Node) -> None:
        """Create no publisher yet."""
        super().__init__(node)
        self._publisher: Publisher | None = None

    def publish(self, frame: OutputFrame) -> None:
        """Publish the frames of the faces of an image that have a position.

        Without a `frame_id` of the image they have no parent, and TF refuses such frames.
        """
        if self._publisher is None or not self._publisher.get_subscription_count():
            return
        result = frame.result
        if not result.header.frame_id:
            return
        transforms = [
            _transform(face, message, frame)
            for face, message in zip(result.faces, result.message.faces, strict=True)
            if face.position is not None
        ]
        if transforms:
            self._publisher.publish(TFMessage(transforms=transforms))

    def update(self, pipeline: FacePipeline, config: NodeConfig) -> None:
        """Create or remove the publisher."""
        if not config.publish_tf:
            self.destroy()
        elif self._publisher is None:
            self._publisher = self.node.create_publisher(TFMessage, FRAMES_TOPIC, FRAMES_QOS)

    def destroy(self) -> None:
        """Remove the publisher."""
        if self._publisher is not None:
            self.node.destroy_publisher(self._publisher)
            self._publisher = None


def _transform(face: Face, message: FaceAttributes, frame: OutputFrame) -> TransformStamped:
    """Return the frame of a face; its axes are those of the camera unless the head's are known."""
    assert face.position is not None
    x, y, z = face.position
    return TransformStamped(
        header=frame.result.header,
        child_frame_id=f'face_{face.track_id}',
        transform=Transform(translation=Vector3(x=x, y=y, z=z), rotation=message.orientation),
    )

"""Provide a camera with depth that is connected to the node."""

from __future__ import annotations

from depth_messages import wall
from rclpy.qos import QoSProfile
from ros_peers import Camera, HEAD, image_message, Peer, RELIABLE
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.types import Image

CENTER = ((93 - 101.0) / 720 * 1.29, (99.5 - 97.0) / 720 * 1.29, 1.29)
"""Center of the head of the face in `HEAD`."""

USE_DEPTH = ('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable')


class DepthCamera:
    """A camera with depth; its messages have arrived when a method returns."""

    def __init__(self, peer: Peer, info_qos: QoSProfile = RELIABLE) -> None:
        """Create publishers of images, depth and calibration."""
        self._peer = peer
        self.color = Camera(peer)
        self._depth = peer.node.create_publisher(ImageMessage, '/depth', RELIABLE)
        self._info = peer.node.create_publisher(CameraInfo, '/camera_info', info_qos)

    def connect(self) -> None:
        """Wait until the node has subscribed to all three."""
        self.color.connect()
        for publisher in (self._depth, self._info):
            self._peer.wait_for(publisher.get_subscription_count, publisher.topic_name)

    def calibrate(self, message: CameraInfo) -> None:
        """Publish a calibration."""
        self._info.publish(message)
        assert self._info.wait_for_all_acked()

    def publish_depth(
        self, message: ImageMessage, stamp: float, frame: str = 'head_camera'
    ) -> None:
        """Publish a depth image."""
        message.header = Header(stamp=time_message(stamp), frame_id=frame)
        self._depth.publish(message)
        assert self._depth.wait_for_all_acked()

    def face(self, stamp: float, image: Image = HEAD) -> FaceAttributes:
        """Publish an image, and return its face."""
        (face,) = self.color.result_of(image_message(image), stamp).faces
        return face

    def face_at(self, distance: float, stamp: float, image: Image = HEAD) -> FaceAttributes:
        """Publish an image in front of a wall at a distance in meters, and return its face."""
        self.publish_depth(wall(*image.shape[:2], distance), stamp)
        return self.face(stamp, image)

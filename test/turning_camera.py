"""A camera that turns in a room: images, depth and transforms of known geometry."""

from __future__ import annotations

import math

from depth_camera import CENTER, DepthCamera
from depth_messages import camera_info, depth_message
from geometry_msgs.msg import Quaternion, Transform, TransformStamped, Vector3
import numpy as np
from numpy.typing import NDArray
from rendered_depth import HEAD_AXES, Point, render
from ros_peers import HEAD, image_message, LATCHED, Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.types import Image

CAMERA = Intrinsics(640, 240, 720.0, 720.0, 319.5, 119.5)

SPEED = math.radians(30)
"""Radians per second by which the camera turns."""

PLACE = np.array([0.5, -0.3, 1.4])
"""Where the camera is in the frame `map`, in meters."""

START = 100.0
"""Stamp at which the camera looks along x of `map`, to the head."""

TURNING_TIME = 0.5
"""Seconds before and after `START` in which it turns to the left; then it turns back."""

DISTANCE = CENTER[2]

_OPTICAL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Columns are the axes of a camera that looks along x, in x forward, y left, z up."""


def yaw_at(stamp: float) -> float:
    """Return the angle of the camera in `map` in radians."""
    phase = (stamp - START + TURNING_TIME) % (4 * TURNING_TIME)
    return SPEED * (TURNING_TIME - abs(phase - 2 * TURNING_TIME))


def rotation_at(stamp: float) -> NDArray[np.float64]:
    """Return the rotation from the optical frame to `map`."""
    yaw = yaw_at(stamp)
    cos, sin = math.cos(yaw), math.sin(yaw)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ _OPTICAL


def head_at(stamp: float) -> Point:
    """Return the center of the head in the optical frame."""
    x, y, z = rotation_at(stamp).T @ [DISTANCE, 0, 0]
    return x, y, z


def face_in_map(stamp: float) -> NDArray[np.float64]:
    """Return the point of the head's surface that the camera sees in its middle, in `map`."""
    head = np.array(head_at(stamp))
    surface = head * (1 - 1 / np.linalg.norm(head / HEAD_AXES))
    return rotation_at(stamp) @ surface + PLACE


def image_at(stamp: float) -> Image:
    """Return the image of the head."""
    x, y, z = head_at(stamp)
    left = round(CAMERA.fx * x / z + CAMERA.cx - 93)
    top = round(CAMERA.fy * y / z + CAMERA.cy - 99.5)
    image: Image = np.full((int(CAMERA.height), int(CAMERA.width), 3), 128, np.uint8)
    image[top : top + 200, left : left + 200] = HEAD
    return image


def depth_at(stamp: float) -> ImageMessage:
    """Return the depth image, of half the size."""
    half = CAMERA.scaled(int(CAMERA.width) // 2, int(CAMERA.height) // 2)
    return depth_message(render(half, [head_at(stamp)], wall=3.0), '16UC1')


def robot_at(stamp: float) -> TFMessage:
    """Return the transform from the robot to `map`."""
    yaw = yaw_at(stamp)
    turn = Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2))
    x, y, z = PLACE
    return transform_message('map', 'base_link', stamp, (x, y, z), turn)


def camera_on_robot() -> TFMessage:
    """Return the transform from the optical frame to the robot, whose x points forward."""
    turn = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    return transform_message('base_link', 'head_camera', 0.0, (0.0, 0.0, 0.0), turn)


def transform_message(
    parent: str, child: str, stamp: float, position: Point, rotation: Quaternion
) -> TFMessage:
    """Return a message of one transform."""
    x, y, z = position
    header = Header(stamp=time_message(stamp), frame_id=parent)
    transform = Transform(translation=Vector3(x=x, y=y, z=z), rotation=rotation)
    stamped = TransformStamped(header=header, child_frame_id=child, transform=transform)
    return TFMessage(transforms=[stamped])


class TurningCamera(DepthCamera):
    """A camera with depth on a robot that turns; its messages have arrived as well."""

    def __init__(self, peer: Peer) -> None:
        """Create publishers of images, depth, calibration and transforms."""
        super().__init__(peer)
        self._tf = peer.node.create_publisher(TFMessage, '/tf', RELIABLE)
        self._static = peer.node.create_publisher(TFMessage, '/tf_static', LATCHED)

    def connect_tf(self) -> None:
        """Wait until the node listens to transforms, and publish the mount of the camera."""
        for publisher in (self._tf, self._static):
            self._peer.wait_for(publisher.get_subscription_count, publisher.topic_name)
        self._static.publish(camera_on_robot())
        assert self._static.wait_for_all_acked()

    def calibrate_turning(self) -> None:
        """Publish the calibration."""
        self.calibrate(camera_info(CAMERA))

    def transform(self, stamp: float) -> None:
        """Publish where the robot is."""
        self._tf.publish(robot_at(stamp))
        assert self._tf.wait_for_all_acked()

    def show(self, stamp: float) -> FaceAttributesArray:
        """Publish depth and image, and return the faces."""
        self.publish_depth(depth_at(stamp), stamp)
        return self.color.result_of(image_message(image_at(stamp), 'mono8'), stamp)

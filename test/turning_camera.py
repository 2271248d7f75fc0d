"""A camera that turns in a room: images, depth and transforms of known geometry."""

from __future__ import annotations

import math

from depth_camera import CENTER, DepthCamera
from depth_messages import camera_info, depth_message
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
import numpy as np
from numpy.typing import NDArray
from rendered_depth import HEAD_AXES, Point, render
from ros_peers import HEAD, image_message, LATCHED, Peer, RELIABLE
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.types import Image

CAMERA = Intrinsics(640, 240, 720.0, 720.0, 319.5, 119.5)

SPEED = math.radians(30)
"""Radians per second by which the camera turns to the left."""

PLACE = np.array([0.5, -0.3, 1.4])
"""Where the camera is in the frame `map`, in meters."""

START = 100.0
"""Stamp at which the camera looks along x of `map`, to the head."""

TURNING_TIME = 0.5
"""Seconds before and after `START` in which it turns; the head stays in view."""

DISTANCE = CENTER[2]

_OPTICAL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Columns are the axes of a camera that looks along x, in x forward, y left, z up."""


def yaw_at(stamp: float) -> float:
    """Return the angle of the camera in `map` in radians."""
    return SPEED * min(max(stamp - START, -TURNING_TIME), TURNING_TIME)


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


class TurningCamera(DepthCamera):
    """A camera with depth on a robot that turns."""

    def __init__(self, peer: Peer) -> None:
        """Create publishers of images, depth, calibration and transforms."""
        super().__init__(peer)
        self._tf = peer.node.create_publisher(TFMessage, '/tf', RELIABLE)
        self._static = peer.node.create_publisher(TFMessage, '/tf_static', LATCHED)

    def connect_tf(self) -> None:
        """Wait until the node listens to transforms, and publish the mount of the camera."""
        for publisher in (self._tf, self._static):
            self._peer.wait_for(publisher.get_subscription_count, publisher.topic_name)
        # The axes of an optical frame on a robot, x, y and z of whose frame are as in `map`.
        mount = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
        self._publish(self._static, 'base_link', 'head_camera', 0.0, (0.0, 0.0, 0.0), mount)

    def transform(self, stamp: float) -> None:
        """Publish where the robot is."""
        yaw = yaw_at(stamp)
        turn = Quaternion(z=math.sin(yaw / 2), w=math.cos(yaw / 2))
        x, y, z = PLACE
        self._publish(self._tf, 'map', 'base_link', stamp, (x, y, z), turn)

    def show(self, stamp: float) -> FaceAttributesArray:
        """Publish depth and image, and return the faces."""
        self.publish_scene_depth(stamp)
        return self.color.result_of(image_message(image_at(stamp), 'mono8'), stamp)

    def publish_scene_depth(self, stamp: float) -> None:
        """Publish the depth image."""
        half = CAMERA.scaled(int(CAMERA.width) // 2, int(CAMERA.height) // 2)
        values = render(half, [head_at(stamp)], wall=3.0)
        self.publish_depth(depth_message(values, '16UC1'), stamp)

    def calibrate_turning(self) -> None:
        """Publish the calibration."""
        self.calibrate(camera_info(CAMERA))

    def _publish(
        self,
        publisher: object,
        parent: str,
        child: str,
        stamp: float,
        position: Point,
        rotation: Quaternion,
    ) -> None:
        x, y, z = position
        transform = TransformStamped(
            header=Header(stamp=time_message(stamp), frame_id=parent), child_frame_id=child
        )
        transform.transform.translation = Vector3(x=x, y=y, z=z)
        transform.transform.rotation = rotation
        publisher.publish(TFMessage(transforms=[transform]))  # type: ignore[attr-defined]
        assert publisher.wait_for_all_acked()  # type: ignore[attr-defined]

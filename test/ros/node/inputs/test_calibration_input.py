"""The calibration of the camera becomes part of head poses, also without depth images."""

from __future__ import annotations

from collections.abc import Callable

from depth_messages import camera_info
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from ros_peers import Camera, HEAD, image_message, LATCHED, NodeProcess, Peer, RELIABLE
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import SetBool

from face_classification_ros.geometry.head_pose import default_intrinsics
from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.msg import FaceAttributes

StartNode = Callable[..., NodeProcess]

ASIDE = np.pad(HEAD, ((0, 0), (440, 0), (0, 0)), 'edge')
"""A head at the right edge, 640 x 200."""

WIDE = Intrinsics(640, 200, 200.0, 200.0, 319.5, 99.5)
"""A camera of 116 degrees."""


ONE_BY_ONE = (
    *('-p', 'smoothing_time:=0.0'),
    *('-p', 'detection_interval:=1'),
    *('-p', 'image_reliability:=reliable'),
)
"""The same image has the same landmarks whatever was shown before."""


def face_of(camera: Camera) -> FaceAttributes:
    """Return the face in an image of `ASIDE`."""
    (face,) = camera.result_of(image_message(ASIDE)).faces
    assert face.has_orientation
    return face


def quaternion(face: FaceAttributes) -> list[float]:
    """Return the orientation of a head."""
    each = face.orientation
    return [each.x, each.y, each.z, each.w]


@pytest.mark.parametrize('qos', [RELIABLE, LATCHED], ids=['volatile', 'latched'])
def test_calibration_changes_the_pose(start_node: StartNode, peer: Peer, qos: QoSProfile) -> None:
    """A head aside that faces the same way is seen from elsewhere by a wide camera."""
    start_node(*ONE_BY_ONE)
    camera = Camera(peer)
    calibration = peer.node.create_publisher(CameraInfo, '/camera_info', qos)
    camera.connect()
    peer.wait_for(calibration.get_subscription_count, 'a subscriber to the calibration')
    assumed = quaternion(face_of(camera))

    def pose_with(intrinsics: Intrinsics) -> list[float]:
        calibration.publish(camera_info(intrinsics))
        assert calibration.wait_for_all_acked()
        return quaternion(face_of(camera))

    # The subscription that a publisher matches last may miss the first calibration.
    peer.wait_for(lambda: not np.allclose(pose_with(WIDE), assumed, atol=0.05), 'another pose')
    same = pose_with(default_intrinsics(640, 200))
    assert np.allclose(same, assumed, atol=1e-3)


def test_camera_without_calibration_is_logged_once(start_node: StartNode, peer: Peer) -> None:
    """Also one that is for another view; poses are those of a usual camera."""
    node = start_node(*ONE_BY_ONE)
    camera = Camera(peer)
    calibration = peer.node.create_publisher(CameraInfo, '/camera_info', RELIABLE)
    camera.connect()
    # The latched subscription does not match this publisher.
    peer.wait_for(calibration.get_subscription_count, 'a subscriber to the calibration')
    assumed = quaternion(face_of(camera))
    assert 'head poses' not in node.log
    for message, reason in (
        (CameraInfo(width=640, height=200), 'the camera is not calibrated'),
        (camera_info(Intrinsics(640, 480, 200.0, 200.0, 320.0, 240.0)), 'another view'),
    ):
        for _ in range(3):
            calibration.publish(message)
            assert calibration.wait_for_all_acked()
            assert np.allclose(quaternion(face_of(camera)), assumed, atol=1e-3)
        assert 'WARN' in node.wait_for_log(reason)
        assert node.log.count(reason) == 1


def test_inactive_node_has_no_subscription(start_node: StartNode, peer: Peer) -> None:
    """Nor one that is disabled."""
    start_node()

    def wait_for_subscriptions(count: int) -> None:
        peer.wait_for(lambda: peer.node.count_subscribers('/camera_info') == count, str(count))

    def enable(is_enabled: bool) -> None:
        peer.call(SetBool, '/face_classification/enable', SetBool.Request(data=is_enabled))

    wait_for_subscriptions(2)
    enable(False)
    wait_for_subscriptions(0)
    enable(True)
    wait_for_subscriptions(2)
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    wait_for_subscriptions(0)

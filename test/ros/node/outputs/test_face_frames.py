"""Faces are frames of TF while that is switched on."""

from __future__ import annotations

from collections.abc import Callable

from depth_camera import DepthCamera, USE_DEPTH
from depth_messages import camera_info
import pytest
from rclpy.qos import QoSProfile
from ros_peers import BLANK, image_message, NodeProcess, Peer
from tf2_msgs.msg import TFMessage

StartNode = Callable[..., NodeProcess]


def test_face_is_a_frame_below_that_of_the_image(start_node: StartNode, peer: Peer) -> None:
    """At its position and with its stamp, until it is gone or it is switched off."""
    start_node(*USE_DEPTH, '-p', 'publish_tf:=true')
    camera = DepthCamera(peer)
    camera.connect()
    camera.calibrate(camera_info())
    messages = peer.collect(TFMessage, '/tf', QoSProfile(depth=100))

    def has_arrived() -> bool:
        camera.face_at(1.2, camera.color.next_stamp)
        return bool(messages)

    peer.wait_for(has_arrived, 'a frame')
    stamp = camera.color.next_stamp
    face = camera.face_at(1.2, stamp)
    peer.wait_for(
        lambda: messages[-1].transforms[0].header.stamp == camera.color.results[-1].header.stamp,
        'the frame of the last image',
    )
    (transform,) = messages[-1].transforms
    assert transform.header == camera.color.results[-1].header
    assert transform.child_frame_id == f'face_{face.track_id}'
    shift = transform.transform.translation
    expected = face.position.x, face.position.y, face.position.z
    assert (shift.x, shift.y, shift.z) == pytest.approx(expected, abs=1e-6)
    assert transform.transform.rotation == face.orientation

    camera.color.result_of(image_message(BLANK))
    messages.clear()
    camera.color.result_of(image_message(BLANK))
    assert peer.set_parameter('publish_tf', False).successful
    peer.wait_for(lambda: not peer.node.count_publishers('/tf'), 'no publisher')
    assert not messages

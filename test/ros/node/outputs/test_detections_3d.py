"""Faces with a position are boxes in space."""

from __future__ import annotations

from collections.abc import Callable
import math

from depth_camera import DepthCamera, USE_DEPTH
from depth_messages import camera_info
import pytest
from ros_peers import HEAD, image_message, NodeProcess, Peer
from vision_msgs.msg import Detection3DArray

StartNode = Callable[..., NodeProcess]


def test_face_is_a_box_behind_its_surface(start_node: StartNode, peer: Peer) -> None:
    """15 cm wide at 1.2 m; its hypotheses are at the position of the face."""
    start_node(*USE_DEPTH)
    camera = DepthCamera(peer)
    camera.connect()
    arrays = peer.collect(Detection3DArray, '/face_classification/detections_3d')
    camera.calibrate(camera_info())

    def has_arrived() -> bool:
        camera.face_at(1.2, camera.color.next_stamp)
        # The first message may be of the image that connected the camera.
        return bool(arrays) and bool(arrays[-1].detections)

    peer.wait_for(has_arrived, 'boxes')
    (box,) = arrays[-1].detections
    (face,) = next(
        each.faces for each in camera.color.results if each.header.stamp == box.header.stamp
    )
    assert face.track_id == box.id
    assert arrays[-1].header.frame_id == box.header.frame_id == 'head_camera'
    assert box.bbox.size.x == pytest.approx(0.15, rel=0.15)
    assert box.bbox.size.z == box.bbox.size.x
    assert box.bbox.size.y > box.bbox.size.x
    center, surface = box.bbox.center.position, box.results[0].pose.pose.position
    assert surface.z == pytest.approx(face.position.z, abs=1e-3)
    behind = math.dist((center.x, center.y, center.z), (surface.x, surface.y, surface.z))
    assert behind == pytest.approx(box.bbox.size.x / 2)
    assert center.z > surface.z
    classes = {each.hypothesis.class_id: each.hypothesis.score for each in box.results}
    assert classes['face'] == pytest.approx(face.detection_confidence)
    assert f'{face.attributes[0].name}/{face.attributes[0].label}' in classes


def test_face_without_position_has_no_box(start_node: StartNode, peer: Peer) -> None:
    """The message is empty, so that viewers forget the boxes of earlier images."""
    start_node(*USE_DEPTH)
    camera = DepthCamera(peer)
    camera.connect()
    arrays = peer.collect(Detection3DArray, '/face_classification/detections_3d')

    def has_arrived() -> bool:
        (face,) = camera.color.result_of(image_message(HEAD)).faces
        assert not face.has_position
        return bool(arrays)

    peer.wait_for(has_arrived, 'a message')
    assert not any(each.detections for each in arrays)

"""Markers show faces in space, and are deleted when these are gone."""

from __future__ import annotations

from collections.abc import Callable
import math

from depth_camera import DepthCamera, USE_DEPTH
from depth_messages import camera_info
import numpy as np
import pytest
from ros_peers import BLANK, image_message, NodeProcess, Peer
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from visualization_msgs.msg import Marker, MarkerArray

from face_classification_ros.geometry.transforms import Transform
from face_classification_ros.ros.conversions.messages import faces_message
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.outputs.markers import FACE, face_markers, GAZE, LABEL
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.types import BoundingBox, Detection, Face, Quaternion

StartNode = Callable[..., NodeProcess]


class Viewer:
    """Shows markers as rviz does.

    Attributes:
        arrays: messages so far.
    """

    def __init__(self, peer: Peer) -> None:
        """Subscribe."""
        self.arrays: list[MarkerArray] = peer.collect(MarkerArray, '/face_classification/markers')

    @property
    def shown(self) -> dict[tuple[str, int], Marker]:
        """Markers that were added and not deleted, by namespace and number."""
        shown = {}
        for marker in (each for array in self.arrays for each in array.markers):
            key = marker.ns, marker.id
            if marker.action == Marker.ADD:
                shown[key] = marker
            else:
                assert marker.action == Marker.DELETE
                shown.pop(key, None)
        return shown


@pytest.fixture
def depth_camera(start_node: StartNode, peer: Peer) -> DepthCamera:
    """Return a calibrated camera with depth that is connected to a node."""
    start_node(*USE_DEPTH, '-p', 'track_timeout:=1.0')
    camera = DepthCamera(peer)
    camera.connect()
    camera.calibrate(camera_info())
    return camera


def show_until_marked(peer: Peer, camera: DepthCamera, viewer: Viewer, start: float) -> float:
    """Publish images of a face until markers arrive, and return the stamp of the last one."""
    stamps = [start]

    def is_marked() -> bool:
        stamps.append(stamps[-1] + 0.1)
        camera.face_at(1.2, stamps[-1])
        return bool(viewer.shown)

    peer.wait_for(is_marked, 'markers')
    return stamps[-1]


def test_face_is_a_sphere_and_a_text(depth_camera: DepthCamera, peer: Peer) -> None:
    """At its position, in the color of its first attribute, for a limited time; with an arrow."""
    viewer = Viewer(peer)
    stamp = show_until_marked(peer, depth_camera, viewer, 100.0)
    face = depth_camera.face_at(1.2, stamp + 0.1)
    newest = depth_camera.color.results[-1].header.stamp
    peer.wait_for(lambda: viewer.arrays[-1].markers[0].header.stamp == newest, 'the last markers')
    by_name = {name: marker for (name, _), marker in viewer.shown.items()}
    assert set(by_name) == {FACE, LABEL, GAZE}
    sphere, text = by_name[FACE], by_name[LABEL]
    assert {each.header.frame_id for each in by_name.values()} == {'head_camera'}
    assert all(each.lifetime.sec >= 1 for each in by_name.values())
    position = sphere.pose.position
    assert math.dist(
        (position.x, position.y, position.z),
        (face.position.x, face.position.y, face.position.z),
    ) == pytest.approx(0, abs=0.02)
    assert 0.1 < sphere.scale.x < 0.25
    assert text.text.startswith(face.attributes[0].label)
    # y points down.
    assert text.pose.position.y < position.y - 0.1


def test_markers_of_a_face_that_is_gone_are_deleted(depth_camera: DepthCamera, peer: Peer) -> None:
    """After its track has ended, not in a single image without it."""
    viewer = Viewer(peer)
    stamp = show_until_marked(peer, depth_camera, viewer, 100.0)
    for number in range(1, 5):
        depth_camera.color.result_of(image_message(BLANK), stamp + 0.1 * number)
    peer.spin(0.1)
    assert viewer.shown
    depth_camera.color.result_of(image_message(BLANK), stamp + 3)
    peer.wait_for(lambda: not viewer.shown, 'deletion')


def test_markers_are_deleted_when_the_node_is_disabled(
    depth_camera: DepthCamera, peer: Peer
) -> None:
    """No face is shown that is not seen any more."""
    viewer = Viewer(peer)
    show_until_marked(peer, depth_camera, viewer, 100.0)
    assert viewer.shown
    peer.call(SetBool, '/face_classification/enable', SetBool.Request(data=False))
    peer.wait_for(lambda: not viewer.shown, 'deletion')


def result_with(orientation: Quaternion | None) -> FrameResult:
    """Return a face 2 m in front of a camera that looks along y of the target frame."""
    face = Face(
        Detection(BoundingBox(0, 0, 100, 100), 0.9),
        track_id='7',
        position=(0.0, 0.0, 2.0),
        size=(0.15, 0.2),
        target_position=(0.0, 2.0, 0.0),
        orientation=orientation,
    )
    header = Header(frame_id='head_camera')
    message = faces_message([face], header, 100, 100, target_frame='map')
    half = math.sqrt(0.5)
    # x of the camera is x of the target frame, z of the camera is its y.
    transform = Transform(rotation=(-half, 0.0, 0.0, half))
    return FrameResult([face], message, transform, 1.0, 1.0)


def test_arrow_points_where_the_head_looks() -> None:
    """In the target frame; an orientation that is not known any more removes the arrow."""
    # x of the head to the camera: -z.
    orientation = 0.0, math.sqrt(0.5), 0.0, math.sqrt(0.5)
    arrow = face_markers(result_with(orientation), 0, 3, NodeConfig())[-1]
    assert (arrow.ns, arrow.id, arrow.type, arrow.action) == (GAZE, 3, Marker.ARROW, Marker.ADD)
    assert arrow.header.frame_id == 'map'
    turn = arrow.pose.orientation
    forward = Transform(rotation=(turn.x, turn.y, turn.z, turn.w)).vector((1.0, 0.0, 0.0))
    assert np.allclose(forward, (0, -1, 0), atol=1e-6)

    sphere, _, gone = face_markers(result_with(None), 0, 3, NodeConfig())
    assert (gone.ns, gone.id, gone.action) == (GAZE, 3, Marker.DELETE)
    assert (sphere.pose.position.x, sphere.pose.position.y) == (0.0, 2.0)

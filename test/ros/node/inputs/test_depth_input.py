"""Depth images and calibration become positions of faces."""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

from depth_camera import CENTER, DepthCamera, USE_DEPTH
from depth_messages import CAMERA, camera_info, changed, depth_message, wall
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
from numpy.typing import NDArray
import pytest
from rclpy.qos import QoSProfile
from rendered_depth import Point, render, surface_point
from ros_peers import (
    BEST_EFFORT,
    box_of,
    HEAD,
    LATCHED,
    Monitor,
    NodeProcess,
    Peer,
    RELIABLE,
)
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.node.inputs.depth_input import PROBLEM_DELAY

StartNode = Callable[..., NodeProcess]


@pytest.fixture
def depth_camera(start_node: StartNode, peer: Peer) -> DepthCamera:
    """Return a camera with depth that is connected to a node."""
    start_node(*USE_DEPTH)
    camera = DepthCamera(peer)
    camera.connect()
    return camera


def position_of(face: FaceAttributes) -> Point:
    """Return the position of a face."""
    return face.position.x, face.position.y, face.position.z


def test_faces_have_positions(depth_camera: DepthCamera) -> None:
    """Within 2 % of a rendered head, in both encodings, also with depth of half the size."""
    depth_camera.calibrate(camera_info())
    for number, encoding in enumerate(['16UC1', '32FC1', 'half']):
        camera = CAMERA.scaled(100, 100) if encoding == 'half' else CAMERA
        values = render(camera, [CENTER], wall=2.0, holes=0.2, noise=0.003, seed=number)
        message = depth_message(values, encoding if encoding != 'half' else '16UC1')
        depth_camera.publish_depth(message, 100.0 + number)
        face = depth_camera.face(100.0 + number)
        assert face.has_position and face.is_size_plausible
        y_true = surface_point(CAMERA, CENTER, box_of(face))
        assert math.dist(position_of(face), y_true) <= 0.02 * math.hypot(*y_true)


def test_depth_is_matched_by_the_nearest_stamp(depth_camera: DepthCamera) -> None:
    """Half a frame time away is close enough, three are not; then faces have no position."""
    depth_camera.calibrate(camera_info())
    for number in range(5):
        depth_camera.publish_depth(wall(200, 200, 1.0 + number / 10), 200.0 + number / 10)
    assert depth_camera.face(200.16).position.z == pytest.approx(1.2)
    assert depth_camera.face(200.45).position.z == pytest.approx(1.4)
    late = depth_camera.face(200.7)
    assert not late.has_position
    assert position_of(late) == (0, 0, 0)
    depth_camera.publish_depth(wall(200, 200, 1.7), 200.7)
    assert depth_camera.face(200.71).position.z == pytest.approx(1.7)


def test_size_of_a_poster_is_not_plausible(depth_camera: DepthCamera) -> None:
    """At 5 m the face would be 0.6 m wide; the confidence of the detector does not change."""
    depth_camera.calibrate(camera_info())
    near = depth_camera.face_at(1.2, 300.0)
    far = depth_camera.face_at(5.0, 300.1)
    assert near.has_position and near.is_size_plausible
    assert far.has_position and not far.is_size_plausible
    assert far.detection_confidence == pytest.approx(near.detection_confidence, abs=0.05)


def mounted_camera(rotation: int) -> tuple[Intrinsics, Point]:
    """Return calibration and position of the head for a camera that is mounted rotated."""
    x, y, z = CENTER
    last = 199.0
    if rotation == 90:
        return Intrinsics(200, 200, CAMERA.fy, CAMERA.fx, CAMERA.cy, last - CAMERA.cx), (y, -x, z)
    intrinsics = Intrinsics(200, 200, CAMERA.fx, CAMERA.fy, last - CAMERA.cx, last - CAMERA.cy)
    return intrinsics, (-x, -y, z)


def as_mounted(upright: NDArray[Any], rotation: int) -> NDArray[Any]:
    """Return an upright image as a camera sees it that must be rotated by `rotation`."""
    return np.ascontiguousarray(np.rot90(upright, rotation // 90))


@pytest.mark.parametrize('rotation', [90, 180])
def test_positions_are_in_the_frame_of_a_rotated_camera(
    depth_camera: DepthCamera, peer: Peer, rotation: int
) -> None:
    """A rotated camera has its own x and y."""
    mounted, center = mounted_camera(rotation)
    assert peer.set_parameter('rotation', rotation).successful
    depth_camera.calibrate(camera_info(mounted))
    values = render(CAMERA, [CENTER], wall=2.0, holes=0.2, noise=0.003)
    depth_camera.publish_depth(depth_message(as_mounted(values, rotation)), 600.0)
    face = depth_camera.face(600.0, as_mounted(HEAD, rotation))
    assert face.has_position
    # The true distance is that in the center of the box in the rotated depth image.
    u, v = (each - 0.5 for each in box_of(face).center)
    exact = as_mounted(render(CAMERA, [CENTER], wall=2.0), rotation)
    distance = float(exact[round(v), round(u)])
    y_true = ((u - mounted.cx) / mounted.fx * distance, (v - mounted.cy) / mounted.fy * distance)
    assert math.dist(position_of(face), (*y_true, distance)) <= 0.02 * distance
    # The center of the box is a few centimeters from the center of the head.
    assert math.dist(position_of(face)[:2], center[:2]) < 0.03


@pytest.mark.parametrize('rotation', [90, 180])
def test_width_of_a_face_is_measured_from_ear_to_ear(
    depth_camera: DepthCamera, peer: Peer, rotation: int
) -> None:
    """The face is 90 pixels wide and 113 high: at 0.7 m it is too narrow, at 2.5 m wide enough."""
    mounted, _ = mounted_camera(rotation)
    assert peer.set_parameter('rotation', rotation).successful
    depth_camera.calibrate(camera_info(mounted))
    image = as_mounted(HEAD, rotation)
    for number, (distance, expected) in enumerate(((1.2, True), (0.7, False), (2.5, True))):
        face = depth_camera.face_at(distance, 600.1 + number / 10, image)
        assert face.is_size_plausible == expected, distance


def test_missing_calibration_and_other_frames_are_logged(
    start_node: StartNode, peer: Peer
) -> None:
    """Faces continue without positions, and get them with the next usable messages."""
    node = start_node(*USE_DEPTH)
    camera = DepthCamera(peer)
    camera.connect()

    def is_logged(reason: str) -> bool:
        assert not camera.face(400.0).has_position
        return reason in node.log

    peer.wait_for(lambda: is_logged('no calibration has arrived'), 'a line about the calibration')
    line = node.wait_for_log('no calibration has arrived')
    assert 'WARN' in line
    assert 'faces have no positions (/depth, /camera_info)' in line
    camera.calibrate(CameraInfo(width=200, height=200))
    assert 'ERROR' in node.wait_for_log('the camera is not calibrated')
    camera.calibrate(camera_info())
    camera.publish_depth(changed(wall(200, 200), encoding='8UC1'), 400.0)
    assert "depth image of encoding '8UC1'" in node.wait_for_log('expected 16UC1 or 32FC1')
    camera.publish_depth(wall(200, 200), 400.0, 'other_camera')
    reason = 'in frame other_camera, the image in head_camera'
    peer.wait_for(lambda: is_logged(reason), 'a line about the frame')
    assert camera.face_at(1.2, 400.1).has_position


@pytest.mark.parametrize('reliability', ['best_effort', 'reliable'])
def test_calibration_that_is_sent_once_and_latched_is_used(
    start_node: StartNode, peer: Peer, reliability: str
) -> None:
    """Also if it was published before the node was started."""
    camera = DepthCamera(peer, LATCHED)
    camera.calibrate(camera_info())
    node = start_node('-p', 'use_depth:=true', '-p', f'image_reliability:={reliability}')
    camera.connect()
    # The calibration may arrive after the first image.
    peer.wait_for(lambda: camera.face_at(1.2, camera.color.next_stamp).has_position, 'a position')
    assert 'incompatible' not in node.log


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT])
def test_calibration_of_a_volatile_publisher_is_used(
    start_node: StartNode, peer: Peer, qos: QoSProfile
) -> None:
    """As most drivers publish it; that the latched subscription does not match is not logged."""
    node = start_node('-p', 'use_depth:=true')
    camera = DepthCamera(peer, qos)
    camera.connect()

    def has_position() -> bool:
        camera.calibrate(camera_info())
        return camera.face_at(1.2, camera.color.next_stamp).has_position

    peer.wait_for(has_position, 'a position')
    assert 'incompatible' not in node.log


def test_depth_as_mono16_is_used(depth_camera: DepthCamera) -> None:
    """In millimeters, as some drivers label 16UC1."""
    depth_camera.calibrate(camera_info())
    meters = np.full((200, 200), 1.2, np.float32)
    depth_camera.publish_depth(changed(depth_message(meters, '16UC1'), encoding='mono16'), 470.0)
    assert depth_camera.face(470.0).position.z == pytest.approx(1.2)


MakeDepth = Callable[[int, int], ImageMessage]

MALFORMED: dict[str, tuple[MakeDepth, str]] = {
    'encoding': (lambda h, w: changed(wall(h, w), encoding='8UC1'), '8UC1'),
    'step': (lambda h, w: changed(wall(h, w), step=w), 'expected a step of at least'),
    'size': (lambda h, w: changed(wall(h, w), height=h + 1), 'bytes'),
    'empty': (lambda h, w: changed(wall(h, w), height=0, data=[]), 'empty'),
}
"""Messages that are not depth images, for an image of that height and width, and why."""

USELESS: dict[str, tuple[MakeDepth, str]] = {
    'view': (lambda h, w: wall(h, 2 * w), 'another view'),
    'rotated': (lambda h, w: wall(w, h), 'another view'),
    'nan': (lambda h, w: wall(h, w, math.nan), 'no distance'),
    'inf': (lambda h, w: wall(h, w, math.inf), 'no distance'),
    'zero': (lambda h, w: depth_message(np.zeros((h, w), np.float32), '16UC1'), 'no distance'),
    'negative': (lambda h, w: wall(h, w, -1.2), 'no distance'),
}
"""Depth images of another view, or without any distance, and why they are not used."""


@pytest.mark.parametrize('rotation', [0, 90, 180, 270])
def test_unusable_depth_costs_only_the_positions(
    start_node: StartNode, peer: Peer, rotation: int
) -> None:
    """However the camera is mounted: counted, in the diagnostics, and over with usable depth."""
    start_node(*USE_DEPTH, '-p', f'rotation:={rotation}')
    camera, monitor = DepthCamera(peer), Monitor(peer)
    camera.connect()
    # Not square, so that sides cannot be confused.
    image = as_mounted(np.pad(HEAD, ((0, 0), (0, 60), (0, 0)), 'edge'), rotation)
    height, width = image.shape[:2]
    camera.calibrate(camera_info(Intrinsics(width, height, 720.0, 720.0, 100.0, 100.0)))
    stamp, faces = 700.0, []
    for make, reason in (*MALFORMED.values(), *USELESS.values()):
        stamp += 0.1
        camera.publish_depth(make(height, width), stamp)
        faces.append(camera.face(stamp, image))
        monitor.wait_for('positions', DiagnosticStatus.WARN, 'no_positions', reason)
    assert not any(face.has_position for face in faces)
    assert {position_of(face) for face in faces} == {(0, 0, 0)}
    values = monitor.next_values('positions')
    assert values['malformed'] == str(len(MALFORMED))
    assert values['depth images'] == values['faces without a position'] == str(len(faces))
    assert values['faces with a position'] == '0'
    face = camera.face_at(1.2, stamp + 0.1, image)
    assert face.position.z == pytest.approx(1.2)
    assert {each.track_id for each in faces} == {face.track_id}
    monitor.wait_for('positions', DiagnosticStatus.OK, 'ok')


def test_frames_of_faces_without_use_depth_are_a_warning(
    start_node: StartNode, peer: Peer
) -> None:
    """Until depth images are used."""
    start_node('-p', 'publish_tf:=true')
    monitor = Monitor(peer)
    monitor.wait_for('positions', DiagnosticStatus.WARN, 'no_positions', 'use_depth')
    assert peer.set_parameter('use_depth', True).successful
    monitor.wait_for('positions', DiagnosticStatus.OK, 'ok')


def test_unusable_depth_is_logged_once(start_node: StartNode, peer: Peer) -> None:
    """A malformed message has its own line, and usable messages without distances another one."""
    node = start_node(*USE_DEPTH)
    camera = DepthCamera(peer)
    camera.connect()
    camera.calibrate(camera_info())

    def process_for_a_while(stamp: float) -> None:
        camera.face(stamp)
        peer.spin(PROBLEM_DELAY)
        camera.face(stamp + 0.01)

    camera.publish_depth(MALFORMED['encoding'][0](200, 200), 700.0)
    process_for_a_while(700.0)
    assert node.log.count('no positions (1 malformed depth images so far)') == 1
    assert 'faces have no positions' not in node.log
    camera.publish_depth(USELESS['nan'][0](200, 200), 700.1)
    process_for_a_while(700.1)
    line = node.wait_for_log('faces have no positions (/depth, /camera_info)')
    assert 'the depth image has no distance above 0 anywhere' in line


def test_node_subscribes_to_depth_only_if_it_is_used(start_node: StartNode, peer: Peer) -> None:
    """`use_depth` takes effect immediately, and an inactive node has no subscription."""
    start_node('-p', 'image_reliability:=reliable')
    camera = DepthCamera(peer)
    camera.color.connect()

    def subscribers() -> int:
        return int(peer.node.count_subscribers('/depth'))

    assert subscribers() == 0
    assert peer.set_parameter('use_depth', True).successful
    camera.connect()
    camera.calibrate(camera_info())
    assert camera.face_at(1.2, 500.0).has_position
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    peer.wait_for(lambda: subscribers() == 0, 'no subscribers to depth')
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    assert peer.set_parameter('use_depth', False).successful
    peer.wait_for(lambda: subscribers() == 0, 'no subscribers to depth')
    assert not camera.face(501.0).has_position

"""Positions are in the target frame at the time of the image, or absent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import importlib.util
import math

from depth_camera import USE_DEPTH
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
import rclpy
from ros_peers import HEAD, image_message, Monitor, NodeProcess, Peer, TIMEOUT
from turning_camera import depth_at, DISTANCE, face_in_map, image_at, START, TurningCamera
from vision_msgs.msg import Detection3DArray
from visualization_msgs.msg import MarkerArray

from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.client import FaceClient
from face_classification_ros.ros.node import result_queue
from face_classification_ros.ros.node.node import FaceClassificationNode
from face_classification_ros.ros.runtime import ros_running
from face_classification_ros.srv import GetFaces

StartNode = Callable[..., NodeProcess]

HAS_TF2 = importlib.util.find_spec('tf2_ros') is not None
needs_tf2 = pytest.mark.skipif(not HAS_TF2, reason='tf2_ros is in no wheel')
needs_no_tf2 = pytest.mark.skipif(HAS_TF2, reason='tf2_ros is installed')

IN_MAP = (*USE_DEPTH, '-p', 'target_frame:=map', '-p', 'detection_interval:=1')

MAX_ERROR = 0.03
"""Fraction of the distance, 4 cm here; the camera turns by 5 % of it in 0.1 s."""


@needs_no_tf2
def test_node_does_not_start_without_tf2(start_node: StartNode) -> None:
    """It is an error of one line, as for every other setting that is not possible."""
    node = start_node('-p', 'target_frame:=map', until_active=False)
    assert node.wait() == 2
    (line,) = node.log.splitlines()
    assert 'target_frame' in line and 'tf2_ros' in line


@needs_no_tf2
def test_target_frame_cannot_be_set_without_tf2(start_node: StartNode, peer: Peer) -> None:
    """The request is rejected in one line, and changes nothing."""
    start_node()
    result = peer.set_parameter('target_frame', 'map')
    assert not result.successful
    assert result.reason.startswith('target_frame: ') and 'tf2_ros' in result.reason
    assert '\n' not in result.reason
    assert peer.get_parameters('/face_classification', 'target_frame') == {'target_frame': ''}


@pytest.mark.parametrize('name', ['/map', 'the map', ' '])
def test_name_that_no_frame_can_have_is_rejected(
    start_node: StartNode, peer: Peer, name: str
) -> None:
    """With and without tf2_ros."""
    start_node()
    result = peer.set_parameter('target_frame', name)
    assert not result.successful
    assert result.reason.startswith('target_frame: ') and repr(name) in result.reason


@pytest.fixture
def turning_camera(start_node: StartNode, peer: Peer) -> TurningCamera:
    """Return a camera on a robot that turns, connected to a node with the target frame `map`."""
    start_node(*IN_MAP)
    camera = TurningCamera(peer)
    camera.connect()
    camera.connect_tf()
    camera.calibrate_turning()
    return camera


def error_of(face: FaceAttributes, stamp: float) -> float:
    """Return the error of a position as a fraction of the distance."""
    position = face.position.x, face.position.y, face.position.z
    return math.dist(position, face_in_map(stamp)) / DISTANCE


@needs_tf2
def test_positions_are_in_the_map_while_the_camera_turns(
    turning_camera: TurningCamera, peer: Peer
) -> None:
    """Between transforms at 10 Hz, in all outputs and services; headers stay as they are."""
    boxes = peer.collect(Detection3DArray, '/face_classification/detections_3d')
    markers = peer.collect(MarkerArray, '/face_classification/markers')
    stamps = [START - 0.4 + number / 10 for number in range(9)]
    for stamp in (stamps[0] - 0.1, *stamps, stamps[-1] + 0.1):
        turning_camera.transform(stamp + 0.04)
    errors = []
    shown = []
    for stamp in stamps:
        result = turning_camera.show(stamp)
        shown.append(result.header.stamp)
        (face,) = result.faces
        assert (result.header.frame_id, result.position_frame_id) == ('head_camera', 'map')
        assert face.has_position
        errors.append(error_of(face, stamp))
    print(f'error in % of the distance: {np.round(100 * np.array(errors), 2).tolist()}')
    assert max(errors) <= MAX_ERROR

    def frames_of_boxes() -> set[str]:
        # The first message may be of the image that connected the camera.
        return {each.header.frame_id for each in boxes if each.header.stamp in shown}

    peer.wait_for(lambda: frames_of_boxes() and markers, 'boxes and markers')
    assert frames_of_boxes() == {'map'}
    assert {each.header.frame_id for array in markers for each in array.markers} == {'map'}
    request = GetFaces.Request(max_age=math.inf)
    faces = peer.call(GetFaces, '/face_classification/get_faces', request).faces
    assert faces.position_frame_id == 'map'
    assert error_of(faces.faces[0], stamps[-1]) <= MAX_ERROR


@needs_tf2
def test_observed_face_is_in_the_map(turning_camera: TurningCamera, peer: Peer) -> None:
    """The result of the action has the position of the last image."""
    for number in range(-1, 8):
        turning_camera.transform(START + number / 10)
    with FaceClient(node=peer.node, server_timeout=TIMEOUT) as client:
        handle = client.start_observation('nearest', frames=3, duration=0)
        for number in range(3):
            turning_camera.show(START + 0.1 * number)
        (face,) = handle.result(TIMEOUT).faces
    assert face.position is not None
    assert math.dist(face.position, face_in_map(START + 0.2)) <= MAX_ERROR * DISTANCE


@needs_tf2
def test_transform_of_another_time_is_not_used(turning_camera: TurningCamera) -> None:
    """Faces are published without positions if the newest transform is older than the image."""
    turning_camera.transform(START)
    turning_camera.transform(START + 0.1)
    (face,) = turning_camera.show(START + 0.05).faces
    assert face.has_position
    for stamp in (START + 0.2, START + 0.5):
        result = turning_camera.show(stamp)
        assert result.position_frame_id == 'map'
        assert not result.faces[0].has_position
    turning_camera.transform(START + 0.55)
    turning_camera.transform(START + 0.65)
    (face,) = turning_camera.show(START + 0.6).faces
    assert error_of(face, START + 0.6) <= MAX_ERROR


@needs_tf2
def test_missing_transform_is_reported(turning_camera: TurningCamera, peer: Peer) -> None:
    """Faces come without positions, and diagnostics name the frames and count the images."""
    monitor = Monitor(peer)

    def is_missing() -> bool:
        (face,) = turning_camera.show(turning_camera.color.next_stamp).faces
        assert not face.has_position
        status = monitor.status('transforms') if monitor.arrays else None
        return status is not None and status.level == DiagnosticStatus.WARN

    turning_camera.show(START)
    peer.wait_for(is_missing, 'a warning')
    status = monitor.status('transforms')
    assert status is not None
    assert 'head_camera' in status.message and 'map' in status.message
    values = {each.key: each.value for each in status.values}
    assert values['code'] == 'no_transform'
    assert values['target frame'] == 'map'
    assert int(values['images without a transform']) > 1

    stamp = turning_camera.color.next_stamp
    turning_camera.transform(stamp - 0.02)
    turning_camera.transform(stamp + 0.02)
    (face,) = turning_camera.show(stamp).faces
    assert error_of(face, stamp) <= MAX_ERROR
    monitor.wait_for('transforms', DiagnosticStatus.OK, 'ok')


@needs_tf2
def test_target_frame_can_be_changed_while_the_node_runs(
    turning_camera: TurningCamera, peer: Peer
) -> None:
    """Without one, positions are in the frame of the image again, without transforms."""
    assert peer.set_parameter('target_frame', '').successful
    result = turning_camera.show(START)
    assert result.position_frame_id == 'head_camera'
    assert result.faces[0].has_position
    assert peer.set_parameter('target_frame', 'head_camera').successful
    result = turning_camera.show(START + 0.1)
    assert result.position_frame_id == 'head_camera'
    assert result.faces[0].has_position


@pytest.fixture
def node(domain: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaceClassificationNode]:
    """Return an active node in this process that waits long for transforms."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
    monkeypatch.setattr(result_queue, 'PATIENCE', 1000.0)
    parameters = [each for each in IN_MAP if each != '-p']
    arguments = ['--ros-args', *(part for each in parameters for part in ('-p', each))]
    with ros_running(arguments):
        node = FaceClassificationNode()
        node.trigger_configure()
        node.trigger_activate()
        yield node
        node.destroy_node()


@needs_tf2
def test_faces_wait_for_their_transform_while_others_are_processed(
    node: FaceClassificationNode, peer: Peer
) -> None:
    """They are published in the order of the images, each with the transform at its stamp."""
    camera = TurningCamera(peer)

    def spin(predicate: Callable[[], object]) -> object:
        rclpy.spin_once(node, timeout_sec=0.02)
        return predicate()

    peer.wait_for(lambda: spin(camera.color.matches), 'a subscriber')
    for connect in (camera.connect_tf, camera.calibrate_turning):
        peer.wait_for(lambda: spin(lambda: True))
        connect()
    results = camera.color.results
    camera.transform(START)
    stamps = [START + 0.1, START + 0.2]
    for stamp in stamps:
        camera.publish_depth(depth_at(stamp), stamp)
        camera.color.publish(image_message(image_at(stamp), 'mono8'), stamp)
        before = node._statistics.received
        peer.wait_for(lambda before=before: spin(lambda: node._statistics.received > before))
    assert not results
    camera.transform(START + 0.3)
    peer.wait_for(lambda: spin(lambda: len(results) == 2), 'both results')
    for result, stamp in zip(results, stamps, strict=True):
        assert error_of(result.faces[0], stamp) <= MAX_ERROR
    # An image without positions does not wait.
    camera.color.publish(image_message(HEAD), START + 10)
    peer.wait_for(lambda: spin(lambda: len(results) == 3), 'faces without positions')

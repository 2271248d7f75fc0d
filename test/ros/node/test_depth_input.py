"""Depth pictures and calibration become positions: their messages, their stamps, and the node."""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import math
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
from numpy.typing import NDArray
import pytest
from rendered_depth import Point, render, surface_point
from ros_peers import box_of, Camera, HEAD, image_message, Monitor, NodeProcess, Peer, RELIABLE
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.ros.node.depth_input import (
    depth_from_message,
    DepthBuffer,
    intrinsics_from_message,
    NOMINAL_FRAME_TIME,
    PATIENCE,
)
from face_classification_ros.types import Image

StartNode = Callable[..., NodeProcess]

HAS_HRI_MSGS = importlib.util.find_spec('hri_msgs') is not None

# Eileen Collins's face is 90 pixels wide; at this focal length that are 15 cm at 1.2 m.
CAMERA = Intrinsics(200, 200, 720.0, 720.0, 101.0, 97.0)
CENTER = ((93 - 101.0) / 720 * 1.29, (99.5 - 97.0) / 720 * 1.29, 1.29)
"""Center of a head behind her face."""


def depth_message(
    values: NDArray[np.float32],
    encoding: str = '32FC1',
    *,
    big_endian: bool = False,
    padding: int = 0,
) -> ImageMessage:
    """Make a message of distances in meters, with some bytes behind each row."""
    kind, factor = {'16UC1': ('u2', 1000), '32FC1': ('f4', 1)}[encoding]
    pixels = np.ascontiguousarray((values * factor).astype(('>' if big_endian else '<') + kind))
    rows = pixels.view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    height, width = values.shape
    message = ImageMessage(height=height, width=width, encoding=encoding, step=rows.shape[1])
    message.is_bigendian = int(big_endian)
    message.data.frombytes(np.ascontiguousarray(rows))
    return message


def calibration(intrinsics: Intrinsics = CAMERA) -> CameraInfo:
    """Make the calibration of a rectified picture."""
    message = CameraInfo(width=int(intrinsics.width), height=int(intrinsics.height))
    fx, fy, cx, cy = intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy
    message.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    # Another one, as that of the picture before it was rectified is.
    message.k = [fx * 2, 0.0, cx, 0.0, fy * 2, cy, 0.0, 0.0, 1.0]
    return message


def header(stamp: float, frame_id: str = 'head_camera') -> Header:
    """Make a header."""
    return Header(stamp=time_message(stamp), frame_id=frame_id)


# Messages


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('encoding', ['16UC1', '32FC1'])
def test_depth_is_read_whatever_its_layout(encoding: str, big_endian: bool, padding: int) -> None:
    """Both encodings, both byte orders, and rows that end in bytes that mean nothing."""
    meters = np.linspace(0.5, 4, 12, dtype=np.float32).reshape(3, 4)
    message = depth_message(meters, encoding, big_endian=big_endian, padding=padding)
    depth = depth_from_message(message)
    assert np.allclose(depth.values.astype(np.float64) / depth.meter, meters, atol=1e-3)


def without(message: ImageMessage, **changes: object) -> ImageMessage:
    """Change fields of a message."""
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'encoding': 'bgr8'}, "encoding 'bgr8', 4 x 3, step 16, 48 bytes: expected 16UC1 or 32"),
        ({'encoding': '16UC1; compressedDepth'}, 'expected 16UC1 or 32FC1'),
        ({'step': 15}, 'expected a step of at least 16'),
        ({'height': 4}, 'expected at least 64 bytes'),
        ({'height': 0}, 'is empty'),
        ({'width': 100_000, 'height': 100_000}, 'expected a step of at least 400000'),
        ({'width': 100_000, 'height': 100_000, 'step': 400_000}, 'at least 40000000000 bytes'),
    ],
)
def test_malformed_depth_is_refused(changes: dict[str, object], reason: str) -> None:
    """One line says what is wrong, and no memory is taken for what is only claimed."""
    message = without(depth_message(np.ones((3, 4), np.float32)), **changes)
    with pytest.raises(ValueError, match=reason):
        depth_from_message(message)


def test_calibration_is_that_of_the_rectified_picture() -> None:
    """P counts, and K where P is 0."""
    message = calibration()
    assert intrinsics_from_message(message) == CAMERA
    message.p = [0.0] * 12
    assert intrinsics_from_message(message) == Intrinsics(200, 200, 1440, 1440, 101, 97)


def test_binning_and_roi_change_the_calibration() -> None:
    """It is for the full resolution; the picture is a part of it, at half the size."""
    message = calibration(Intrinsics(640, 480, 500.0, 510.0, 320.0, 240.0))
    message.binning_x = message.binning_y = 2
    message.roi = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    found = intrinsics_from_message(message)
    assert found == Intrinsics(200, 150, 250, 255, 109.75, 99.75)
    # A point is seen in the same direction.
    u, v = 355.5, 281.5
    assert ((u - 100 + 0.5) / 2 - 0.5 - found.cx) / found.fx == pytest.approx((u - 320) / 500)
    assert ((v - 40 + 0.5) / 2 - 0.5 - found.cy) / found.fy == pytest.approx((v - 240) / 510)


@pytest.mark.parametrize(
    'changes, reason',
    [
        ({'width': 0}, 'the size of the picture is missing'),
        ({'p': [0.0] * 12, 'k': [0.0] * 9}, 'not calibrated, fx 0, fy 0'),
        ({'p': [math.nan] * 12}, 'not calibrated, fx nan'),
        ({'roi': RegionOfInterest(x_offset=150, width=100)}, 'roi reaches over the edge'),
    ],
)
def test_unusable_calibration_is_refused(changes: dict[str, object], reason: str) -> None:
    """One line says what is wrong."""
    message = calibration()
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(ValueError, match=reason):
        intrinsics_from_message(message)


# Stamps


def buffer_of(*stamps: float) -> DepthBuffer:
    """Make a buffer of depth pictures that show their own stamps as distances."""
    buffer = DepthBuffer()
    for stamp in stamps:
        depth = depth_from_message(depth_message(np.full((1, 1), stamp, np.float32)))
        buffer.add(header(stamp), depth)
    return buffer


@pytest.mark.parametrize(
    'stamp, expected',
    [(10.2, 10.2), (10.14, 10.1), (10.16, 10.2), (10.45, 10.4), (10.505, 10.4), (9.95, 10.0)],
)
def test_nearest_stamp_is_taken(stamp: float, expected: float) -> None:
    """Whether it is before or after that of the picture, within one frame time of 0.1 s."""
    found = buffer_of(10.0, 10.1, 10.2, 10.3, 10.4).nearest(header(stamp))
    assert found.values[0, 0] == pytest.approx(expected)


def test_newest_is_taken_where_stamps_do_not_tell_them_apart() -> None:
    """As those of cameras that leave them at zero."""
    buffer = DepthBuffer()
    for distance in (1.0, 2.0, 3.0):
        values = np.full((1, 1), distance, np.float32)
        buffer.add(header(0.0), depth_from_message(depth_message(values)))
    assert buffer.nearest(header(0.0)).values[0, 0] == 3.0


@pytest.mark.parametrize('stamp', [10.55, 10.7, 9.8])
def test_beyond_one_frame_time_there_is_none(stamp: float) -> None:
    """A person moves on meanwhile; how far the nearest one is away is told."""
    with pytest.raises(LookupError, match=r'is 0\.\d+ s away.*one frame time, 0\.100 s'):
        buffer_of(10.0, 10.1, 10.2, 10.3, 10.4).nearest(header(stamp))


def test_frame_time_is_measured() -> None:
    """A dropped picture or a pause does not change it, and a slow camera is not waited for."""
    assert buffer_of().frame_time == buffer_of(5.0).frame_time == NOMINAL_FRAME_TIME
    assert buffer_of(1.0, 1.03, 1.06, 1.12, 1.15).frame_time == pytest.approx(0.03)
    assert buffer_of(1.0, 1.2, 1.4, 60.0).frame_time == pytest.approx(0.2)
    assert buffer_of(0.0, 10.0, 20.0).frame_time == 1.0


def test_old_depth_pictures_are_forgotten() -> None:
    """Only the newest are kept, and none from before time was set back."""
    with pytest.raises(LookupError):
        buffer_of(*(10.0 + i / 10 for i in range(20))).nearest(header(10.0))
    with pytest.raises(LookupError):
        buffer_of(10.0, 10.1, 2.0, 2.1).nearest(header(10.1))


def test_depth_in_another_frame_is_refused() -> None:
    """It is not registered to the picture, so its pixels are others; no name is no reason."""
    buffer = buffer_of(10.0)
    with pytest.raises(ValueError, match='frame head_camera, the picture in other'):
        buffer.nearest(header(10.0, 'other'))
    assert buffer.nearest(header(10.0, '')).values[0, 0] == 10.0


# The node


class DepthCamera:
    """A camera with depth: what it publishes has arrived when a method returns."""

    def __init__(self, peer: Peer) -> None:
        """Offer pictures, depth and calibration."""
        self._peer = peer
        self.pictures = Camera(peer)
        self._depth = peer.node.create_publisher(ImageMessage, '/depth', RELIABLE)
        self._info = peer.node.create_publisher(CameraInfo, '/camera_info', RELIABLE)

    def connect(self) -> None:
        """Wait until the node listens to all three."""
        self.pictures.connect()
        for publisher in (self._depth, self._info):
            self._peer.wait_for(publisher.get_subscription_count, publisher.topic_name)

    def calibrate(self, message: CameraInfo) -> None:
        """Send a calibration."""
        self._info.publish(message)
        assert self._info.wait_for_all_acked()

    def send_depth(self, message: ImageMessage, stamp: float, frame: str = 'head_camera') -> None:
        """Send a depth picture."""
        message.header = header(stamp, frame)
        self._depth.publish(message)
        assert self._depth.wait_for_all_acked()

    def face(self, stamp: float, image: Image = HEAD) -> FaceAttributes:
        """Send a picture and give its face."""
        (face,) = self.pictures.ask(image_message(image), stamp).faces
        return face


@pytest.fixture
def depth_camera(start_node: StartNode, peer: Peer) -> DepthCamera:
    """Give a camera with depth that the node listens to."""
    start_node('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable')
    camera = DepthCamera(peer)
    camera.connect()
    return camera


def plane(distance: float) -> ImageMessage:
    """Make a depth picture of a wall."""
    return depth_message(np.full((200, 200), distance, np.float32))


def point_of(face: FaceAttributes) -> Point:
    """Give the position of a face."""
    return face.position.x, face.position.y, face.position.z


def test_faces_have_positions(depth_camera: DepthCamera) -> None:
    """In both encodings, within 2 % of the distance of a rendered head; at half the size, too."""
    depth_camera.calibrate(calibration())
    for number, encoding in enumerate(['16UC1', '32FC1', 'half']):
        camera = CAMERA.scaled(100, 100) if encoding == 'half' else CAMERA
        values = render(camera, [CENTER], wall=2.0, holes=0.2, noise=0.003, seed=number)
        message = depth_message(values, encoding if encoding != 'half' else '16UC1')
        depth_camera.send_depth(message, 100.0 + number)
        face = depth_camera.face(100.0 + number)
        assert face.has_position
        y_true = surface_point(CAMERA, CENTER, box_of(face))
        assert math.dist(point_of(face), y_true) <= 0.02 * math.hypot(*y_true)
        assert face.detection_confidence > 0.6


def test_depth_is_paired_by_the_nearest_stamp(depth_camera: DepthCamera) -> None:
    """Half a frame off is paired, three frames are not; faces go on without a position."""
    depth_camera.calibrate(calibration())
    for number in range(5):
        depth_camera.send_depth(plane(1.0 + number / 10), 200.0 + number / 10)
    assert depth_camera.face(200.16).position.z == pytest.approx(1.2)
    assert depth_camera.face(200.45).position.z == pytest.approx(1.4)
    late = depth_camera.face(200.7)
    assert not late.has_position
    assert point_of(late) == (0, 0, 0)
    depth_camera.send_depth(plane(1.7), 200.7)
    assert depth_camera.face(200.71).position.z == pytest.approx(1.7)


def test_implausibly_wide_face_is_marked_down(depth_camera: DepthCamera) -> None:
    """At 5 m a face would be 0.6 m wide: it is a poster, and half as sure."""
    depth_camera.calibrate(calibration())
    depth_camera.send_depth(plane(1.2), 300.0)
    near = depth_camera.face(300.0)
    depth_camera.send_depth(plane(5.0), 300.1)
    far = depth_camera.face(300.1)
    assert near.has_position and far.has_position
    assert far.detection_confidence == pytest.approx(near.detection_confidence / 2, abs=0.05)


@pytest.mark.parametrize('rotation', [90, 180])
def test_positions_are_those_of_the_picture_as_it_came(
    depth_camera: DepthCamera, peer: Peer, rotation: int
) -> None:
    """A camera on its side or head has its own x and y; a face is as wide as from ear to ear."""

    def as_mounted(upright: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(np.rot90(upright, rotation // 90))

    x, y, z = CENTER
    last = 199.0
    if rotation == 90:
        mounted = Intrinsics(200, 200, CAMERA.fy, CAMERA.fx, CAMERA.cy, last - CAMERA.cx)
        center = (y, -x, z)
    else:
        mounted = Intrinsics(200, 200, CAMERA.fx, CAMERA.fy, last - CAMERA.cx, last - CAMERA.cy)
        center = (-x, -y, z)
    assert peer.set_parameter('rotation', rotation).successful
    depth_camera.calibrate(calibration(mounted))
    values = render(CAMERA, [CENTER], wall=2.0, holes=0.2, noise=0.003)
    picture = as_mounted(HEAD)
    depth_camera.send_depth(depth_message(as_mounted(values)), 600.0)
    face = depth_camera.face(600.0, picture)
    assert face.has_position
    # The truth is taken from the turned picture of the head, as the camera has it.
    u, v = (each - 0.5 for each in box_of(face).center)
    distance = float(as_mounted(render(CAMERA, [CENTER], wall=2.0))[round(v), round(u)])
    y_true = ((u - mounted.cx) / mounted.fx * distance, (v - mounted.cy) / mounted.fy * distance)
    assert math.dist(point_of(face), (*y_true, distance)) <= 0.02 * distance
    # And it is where the head is, a few centimeters beside its middle as the box has it.
    assert math.dist(point_of(face)[:2], center[:2]) < 0.03

    def confidence_at(meters: float, stamp: float) -> float:
        depth_camera.send_depth(plane(meters), stamp)
        return float(depth_camera.face(stamp, picture).detection_confidence)

    # Her face is 90 pixels wide and 113 high: at 0.7 m too narrow though high enough, at 2.5 m
    # wide enough though too high.
    plausible = confidence_at(1.2, 600.1)
    assert confidence_at(0.7, 600.2) == pytest.approx(plausible / 2, abs=0.05)
    assert confidence_at(2.5, 600.3) == pytest.approx(plausible, abs=0.05)


def test_malformed_depth_and_calibration_are_told_and_faces_go_on(
    start_node: StartNode, peer: Peer
) -> None:
    """One line each says why there are no positions, and good ones mend it."""
    node = start_node('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable')
    camera = DepthCamera(peer)
    camera.connect()

    def told(reason: str) -> bool:
        assert not camera.face(400.0).has_position
        return reason in node.log

    peer.wait_for(lambda: told('no calibration has come'), 'a line about the calibration')
    line = node.wait_for_log('no calibration has come')
    assert 'WARN' in line
    assert 'faces have no positions (/depth, /camera_info)' in line
    camera.calibrate(CameraInfo(width=200, height=200))
    assert 'ERROR' in node.wait_for_log('the camera is not calibrated')
    camera.calibrate(calibration())
    camera.send_depth(without(plane(1.2), encoding='8UC1'), 400.0)
    assert "depth picture of encoding '8UC1'" in node.wait_for_log('expected 16UC1 or 32FC1')
    camera.send_depth(plane(1.2), 400.0, 'other_camera')
    reason = 'in frame other_camera, the picture in head_camera'
    peer.wait_for(lambda: told(reason), 'a line about the frame')
    camera.send_depth(plane(1.2), 400.1)
    assert camera.face(400.1).has_position


UNUSABLE: list[tuple[str, Callable[[int, int], ImageMessage], str]] = [
    ('encoding', lambda h, w: without(wall(h, w), encoding='8UC1'), 'expected 16UC1 or 32FC1'),
    ('step', lambda h, w: without(wall(h, w), step=w), 'expected a step of at least'),
    ('size', lambda h, w: without(wall(h, w), height=h + 1), 'expected at least'),
    ('empty', lambda h, w: without(wall(h, w), height=0, data=[]), 'is empty'),
    ('view', lambda h, w: wall(h, 2 * w), 'shows another view'),
    ('turned', lambda h, w: wall(w, h), 'shows another view'),
    ('nan', lambda h, w: wall(h, w, math.nan), 'no distance above 0 anywhere'),
    ('inf', lambda h, w: wall(h, w, math.inf), 'no distance above 0 anywhere'),
    ('zero', lambda h, w: depth_message(np.zeros((h, w), np.float32), '16UC1'), 'no distance'),
    ('negative', lambda h, w: wall(h, w, -1.2), 'no distance above 0 anywhere'),
]
"""Name, how it is made for a picture of that height and width, and what is told of it."""

REFUSED = 4
"""So many of them are no depth pictures at all; the others show nothing of use."""


def wall(height: int, width: int, distance: float = 1.2) -> ImageMessage:
    """Make a depth picture of a wall."""
    return depth_message(np.full((height, width), distance, np.float32))


@pytest.mark.parametrize('rotation', [0, 90, 180, 270])
def test_depth_that_cannot_be_used_costs_the_positions_alone(
    start_node: StartNode, peer: Peer, rotation: int
) -> None:
    """However the camera is mounted, with faces for ROS4HRI as well: told, counted, and mended."""
    node = start_node(
        *('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable'),
        *('-p', 'publish_hri:=true', '-p', f'rotation:={rotation}'),
    )
    camera, monitor = DepthCamera(peer), Monitor(peer)
    camera.connect()
    tracked: list[Any] = []
    if HAS_HRI_MSGS:
        from hri_msgs.msg import IdsList

        tracked = peer.collect(IdsList, '/humans/faces/tracked')
    # Not square, so that sides cannot be mixed up unnoticed.
    scene = np.pad(HEAD, ((0, 0), (0, 60), (0, 0)), 'edge')
    picture = np.ascontiguousarray(np.rot90(scene, rotation // 90))
    height, width = picture.shape[:2]
    camera.calibrate(calibration(Intrinsics(width, height, 720.0, 720.0, 100.0, 100.0)))
    stamp, track_ids = 700.0, []
    for number, (name, make, reason) in enumerate(UNUSABLE):
        stamp += 0.1
        camera.send_depth(make(height, width), stamp)
        face = camera.face(stamp, picture)
        assert not face.has_position, name
        assert point_of(face) == (0, 0, 0), name
        track_ids.append(face.track_id)
        monitor.wait_for('positions', DiagnosticStatus.WARN, reason)
        if number == 0:
            line = node.wait_for_log('no position (1 malformed depth pictures so far)')
            assert 'ERROR' in line and reason in line
            peer.spin(PATIENCE)
            camera.face(stamp + 0.01, picture)
            # There is one line for one trouble.
            assert node.log.count('position') == 1 + node.log.count('positions by')
        elif number == REFUSED:
            # What could be read mends what could not, and has lines of its own.
            peer.spin(PATIENCE)
            camera.face(stamp + 0.01, picture)
            assert reason in node.wait_for_log('faces have no positions (/depth, /camera_info)')
    values = monitor.next_values('positions')
    assert values['malformed'] == str(REFUSED)
    assert values['depth pictures'] == str(len(UNUSABLE))
    assert (values['faces with a position'], values['faces without']) == ('0', '12')
    stamp += 0.1
    camera.send_depth(wall(height, width), stamp)
    face = camera.face(stamp, picture)
    assert face.position.z == pytest.approx(1.2)
    assert set(track_ids) == {face.track_id}
    monitor.wait_for('positions', DiagnosticStatus.OK, 'from depth pictures')
    assert monitor.next_values('positions')['faces with a position'] == '1'
    if HAS_HRI_MSGS:
        peer.wait_for(lambda: tracked[-1].ids == [f'f{face.track_id}'], 'the list of faces')
    else:
        assert node.log.count('publish_hri: hri_msgs is not installed') == 1


def test_depth_is_subscribed_to_only_while_wanted(start_node: StartNode, peer: Peer) -> None:
    """`use_depth` acts at once, and an inactive node leaves the camera alone."""
    start_node('-p', 'image_reliability:=reliable')
    camera = DepthCamera(peer)
    camera.pictures.connect()

    def listeners() -> int:
        return peer.node.count_subscribers('/depth') + peer.node.count_subscribers('/camera_info')

    assert listeners() == 0
    assert peer.set_parameter('use_depth', True).successful
    camera.connect()
    camera.calibrate(calibration())
    camera.send_depth(plane(1.2), 500.0)
    assert camera.face(500.0).has_position
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    peer.wait_for(lambda: listeners() == 0, 'nobody who listens to depth')
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.connect()
    assert peer.set_parameter('use_depth', False).successful
    peer.wait_for(lambda: listeners() == 0, 'nobody who listens to depth')
    assert not camera.face(501.0).has_position

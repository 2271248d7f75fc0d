"""Faces are published as REP-155 defines them if hri_msgs is installed."""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import math
from pathlib import Path
from typing import Any

from geometry_msgs.msg import Vector3
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from ros_peers import BLANK, box_of, Camera, estimate, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.node.outputs.hri import face_frames
from face_classification_ros.ros.node.outputs.hri_crops import aligned_face, cropped_face
from face_classification_ros.ros.node.outputs.hri_face import (
    center_of_band,
    EXPRESSIONS,
    GENDERS,
    LANDMARKS,
)
from face_classification_ros.types import BoundingBox, Detection, Face

StartNode = Callable[..., NodeProcess]

HAS_HRI_MSGS = importlib.util.find_spec('hri_msgs') is not None
needs_hri_msgs = pytest.mark.skipif(not HAS_HRI_MSGS, reason='hri_msgs is in no wheel')


def test_cropped_face_is_centered_on_black() -> None:
    """A tall face fills the height, with black to its left and right."""
    image = np.full((200, 200, 3), 200, np.uint8)
    cropped = cropped_face(image, BoundingBox(50, 50, 40, 80))
    assert cropped.shape == (128, 128, 3)
    assert (cropped[:, 32:96] == 200).all()
    assert not cropped[:, :32].any() and not cropped[:, 96:].any()
    assert not cropped_face(image, BoundingBox(300, 0, 10, 10)).any()


def test_aligned_face_has_horizontal_eyes_and_a_mouth_below() -> None:
    """Whatever the roll of the head, the right eye of the person is at the left."""
    for roll in (-60, 0, 30, 90, 180):
        image = np.zeros((200, 200, 3), np.uint8)
        turn = np.radians(roll)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        points = [[-15.0, -10.0], [15.0, -10.0], [0.0, 5.0], [-10.0, 20.0], [10.0, 20.0]]
        landmarks = [(x + 100, y + 90) for x, y in points @ matrix.T]
        for color, (x, y) in zip((60, 120, 0, 180, 240), landmarks, strict=True):
            image[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = color
        aligned = aligned_face(image, BoundingBox(60, 50, 80, 80), landmarks)[..., 0]
        scale = 128 / 80
        for color, (x, y) in zip((60, 120, 0, 180, 240), points, strict=True):
            assert aligned[round(64 + y * scale), round(64 + x * scale)] == pytest.approx(
                color, abs=30
            )


@pytest.mark.parametrize(
    'label, age',
    [
        *[('0-2', 1), ('3-9', 6), ('20-29', 25), ('70+', 75), ('unknown', 0)],
        *[('adult', 0), ('20s', 0), ('(25-32)', 0), ('-', 0), ('1000+', 0), ('', 0)],
    ],
)
def test_age_is_the_center_of_its_band(label: str, age: int) -> None:
    """A number, as the message demands; 0 if it is unknown, or if the model has no bands."""
    assert center_of_band(label) == age


HEADER = Header(frame_id='head_camera')


def face_with_pose(position: tuple[float, float, float] | None = None) -> Face:
    """Return a face that looks at the camera, half a meter away for an average head."""
    return Face(
        Detection(BoundingBox(0, 0, 9, 9), 0.9),
        position=position,
        orientation=(0.5, 0.5, -0.5, 0.5),
        head_position=(0.1, 0.0, 0.5),
    )


def test_face_frame_is_between_the_eyes_and_the_gaze_in_the_same_place() -> None:
    """The gaze points out of the face in an optical frame."""
    head, gaze = face_frames(face_with_pose(), 'f1', HEADER)
    assert (head.header, head.child_frame_id) == (HEADER, 'face_f1')
    assert (gaze.header.frame_id, gaze.child_frame_id) == ('face_f1', 'gaze_f1')
    place = head.transform.translation
    assert (place.x, place.y, place.z) == (0.1, 0.0, 0.5)
    assert gaze.transform.translation == Vector3()
    # The z axis of the gaze is the x axis of the head.
    q = gaze.transform.rotation
    z_axis = (2 * (q.x * q.z + q.w * q.y), 2 * (q.y * q.z - q.w * q.x), q.w**2 + q.z**2 - 0.5)
    assert z_axis == pytest.approx((1, 0, 0))


def test_distance_is_that_of_the_depth_image_if_it_is_known() -> None:
    """The direction stays that of the eyes."""
    head, _ = face_frames(face_with_pose(position=(0.2, 0.1, 1.0)), 'f1', HEADER)
    place = head.transform.translation
    assert (place.x, place.y, place.z) == pytest.approx((0.2, 0.0, 1.0))


def test_face_without_a_pose_has_no_frames() -> None:
    """As those of a detector without landmarks."""
    assert face_frames(Face(Detection(BoundingBox(0, 0, 9, 9), 0.9)), 'f1', HEADER) == []


needs_no_hri_msgs = pytest.mark.skipif(HAS_HRI_MSGS, reason='hri_msgs is installed')


@needs_no_hri_msgs
def test_node_does_not_start_without_the_messages(start_node: StartNode) -> None:
    """It is an error of one line, as for every other setting that is not possible."""
    node = start_node('-p', 'publish_hri:=true', until_active=False)
    assert node.wait() == 2
    (line,) = node.log.splitlines()
    assert 'publish_hri' in line and 'hri_msgs' in line


@needs_no_hri_msgs
def test_topics_cannot_be_switched_on_without_the_messages(camera: Camera, peer: Peer) -> None:
    """The request is rejected in one line, and faces are published as before."""
    result = peer.set_parameter('publish_hri', True)
    assert not result.successful
    assert result.reason.startswith('publish_hri: ') and 'hri_msgs' in result.reason
    assert '\n' not in result.reason
    assert peer.get_parameters('/face_classification', 'publish_hri') == {'publish_hri': False}
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


@needs_hri_msgs
def test_names_and_codes_are_those_of_the_messages() -> None:
    """Of all labels of the shipped models."""
    from hri_msgs.msg import Expression, SoftBiometrics

    assert GENDERS == {'woman': SoftBiometrics.FEMALE, 'man': SoftBiometrics.MALE}
    for name in EXPRESSIONS.values():
        assert getattr(Expression, name.upper()) == name


class Humans:
    """Receives the topics of one face."""

    def __init__(self, peer: Peer, camera: Camera) -> None:
        """Subscribe to the list of faces."""
        from hri_msgs.msg import IdsList

        self.lists = peer.collect(IdsList, '/humans/faces/tracked')
        self._peer, self.camera = peer, camera
        self.topics: dict[str, list[Any]] = {}

    def subscribe(self, name: str) -> None:
        """Subscribe to the topics of a face."""
        from hri_msgs.msg import (
            Expression,
            FacialLandmarks,
            NormalizedRegionOfInterest2D,
            SoftBiometrics,
        )

        types = {
            'roi': NormalizedRegionOfInterest2D,
            'cropped': ImageMessage,
            'aligned': ImageMessage,
            'landmarks': FacialLandmarks,
            'expression': Expression,
            'softbiometrics': SoftBiometrics,
        }
        for topic, kind in types.items():
            self.topics[topic] = self._peer.collect(kind, f'/humans/faces/{name}/{topic}')

    def newest(self) -> tuple[FaceAttributes, dict[str, Any]]:
        """Return a face, and the newest message of each topic for the same image."""
        result = self.camera.result_of(image_message(HEAD))

        def arrived() -> bool:
            nonlocal result
            result = self.camera.result_of(image_message(HEAD))
            self._peer.spin(0.2)
            return all(each and each[-1].header == result.header for each in self.topics.values())

        self._peer.wait_for(arrived, 'all topics of the face')
        return result.faces[0], {topic: each[-1] for topic, each in self.topics.items()}


@pytest.fixture
def humans(start_node: StartNode, peer: Peer) -> Humans:
    """Return the topics of a face that is tracked."""
    thresholds = ('unknown_threshold.gender:=0.0', 'unknown_threshold.emotion:=0.0')
    start_node('-p', 'publish_hri:=true', *(each for t in thresholds for each in ('-p', t)))
    camera = Camera(peer)
    humans = Humans(peer, camera)
    camera.connect()
    camera.result_of(image_message(HEAD))
    peer.wait_for(lambda: humans.lists and len(humans.lists[-1].ids) == 1, 'the list')
    humans.subscribe(humans.lists[-1].ids[0])
    return humans


@needs_hri_msgs
def test_face_has_region_crop_expression_and_gender(humans: Humans) -> None:
    """All are those of the published face."""
    face, topics = humans.newest()
    roi, crop = topics['roi'], topics['cropped']
    box = box_of(face)
    expected = [box.x, box.y, box.x + box.width, box.y + box.height]
    assert np.allclose(
        np.multiply([roi.xmin, roi.ymin, roi.xmax, roi.ymax], 200), expected, atol=1
    )
    for each in (crop, topics['aligned']):
        assert (each.width, each.height, each.encoding) == (128, 128, 'bgr8')
    points = topics['landmarks']
    assert (points.width, points.height) == (200, 200)
    assert [number for number, each in enumerate(points.landmarks) if each.c] == sorted(LANDMARKS)
    for number, landmark in zip(LANDMARKS, face.landmarks, strict=True):
        found = points.landmarks[number]
        assert (found.x * 200, found.y * 200) == pytest.approx((landmark.x, landmark.y), abs=0.01)
    emotion = estimate(face, 'emotion')
    assert topics['expression'].expression == EXPRESSIONS[emotion.label]
    assert topics['expression'].confidence == pytest.approx(emotion.confidence)
    assert math.isnan(topics['expression'].valence)
    assert topics['softbiometrics'].gender == GENDERS[estimate(face, 'gender').label]


@needs_hri_msgs
def test_unknown_labels_have_no_name_and_no_code(humans: Humans, peer: Peer) -> None:
    """The expression is empty, and the gender undefined."""
    for name in ('gender', 'emotion'):
        assert peer.set_parameter(f'unknown_threshold.{name}', 1.0).successful
    _, topics = humans.newest()
    assert (topics['expression'].expression, topics['softbiometrics'].gender) == ('', 0)


@needs_hri_msgs
def test_topics_of_a_face_end_with_its_track(humans: Humans, peer: Peer) -> None:
    """The list is empty then."""
    (name,) = humans.lists[-1].ids
    for _ in range(15):
        humans.camera.result_of(image_message(BLANK))
    peer.wait_for(lambda: not humans.lists[-1].ids, 'an empty list')
    topic = f'/humans/faces/{name}/roi'
    peer.wait_for(lambda: not peer.node.count_publishers(topic), 'no more topics')


@needs_hri_msgs
def test_face_and_gaze_are_frames_of_tf(humans: Humans, peer: Peer) -> None:
    """The head has the published orientation; the gaze is its child."""
    received = peer.collect(TFMessage, '/tf', QoSProfile(depth=100))

    def arrived() -> bool:
        humans.camera.result_of(image_message(HEAD))
        peer.spin(0.1)
        return bool(received)

    peer.wait_for(arrived, 'frames')
    (name,) = humans.lists[-1].ids
    head, gaze = received[-1].transforms
    assert (head.header.frame_id, head.child_frame_id) == ('head_camera', f'face_{name}')
    assert (gaze.header.frame_id, gaze.child_frame_id) == (f'face_{name}', f'gaze_{name}')
    (result,) = [each for each in humans.camera.results if each.header == head.header]
    assert head.transform.rotation == result.faces[0].orientation


@needs_hri_msgs
def test_age_is_part_of_the_biometrics(
    start_node: StartNode, peer: Peer, make_model: Callable[..., Path]
) -> None:
    """Its confidence is that of the band; a gender that nobody estimates stays undefined."""
    model = make_model({'age': ('20-29', '70+')})
    start_node('-p', 'publish_hri:=true', '-p', f'models:=[{model}]')
    camera = Camera(peer)
    humans = Humans(peer, camera)
    camera.connect()
    camera.result_of(image_message(HEAD))
    peer.wait_for(lambda: humans.lists and len(humans.lists[-1].ids) == 1, 'the list')
    humans.subscribe(humans.lists[-1].ids[0])
    del humans.topics['expression']
    face, topics = humans.newest()
    age = estimate(face, 'age')
    biometrics = topics['softbiometrics']
    assert biometrics.age == center_of_band(age.label)
    assert biometrics.age_confidence == pytest.approx(age.confidence)
    assert (biometrics.gender, biometrics.gender_confidence) == (0, 0)


@needs_hri_msgs
def test_several_nodes_publish_the_list_of_all_faces(start_node: StartNode, peer: Peer) -> None:
    """Ids are unique although track ids are not, and the faces of a node leave with it."""
    nodes = [
        start_node('-p', 'publish_hri:=true', '-r', f'__ns:=/{name}') for name in ('one', 'two')
    ]
    cameras = [
        Camera(peer, f'/{name}/image', f'/{name}/face_classification/faces')
        for name in ('one', 'two')
    ]
    humans = Humans(peer, cameras[0])
    for each in cameras:
        each.connect()

    def show_head(camera: Camera) -> None:
        header = camera.publish(image_message(HEAD))
        # An image may get lost, above all while the transport still counts on a dead node.
        peer.happens(lambda: any(each.header == header for each in camera.results), 5.0)

    def newest_lists() -> list[set[str]]:
        humans.lists.clear()

        def have_arrived() -> bool:
            for each in cameras:
                show_head(each)
            return len(humans.lists) >= len(cameras)

        # A list may be late, or be published before its subscriber is known.
        peer.wait_for(have_arrived, 'the lists')
        return [set(each.ids) for each in humans.lists[-len(cameras) :]]

    def are_complete() -> bool:
        one, two = newest_lists()
        return one == two and len(one) == 2

    peer.wait_for(are_complete, 'lists of both faces')
    results = [each for camera in cameras for each in camera.results]
    assert {face.track_id for each in results for face in each.faces} == {'1'}
    nodes.pop().kill()
    cameras.pop()
    peer.wait_for(lambda: len(newest_lists()[0]) == 1, 'a list of the face that remains')

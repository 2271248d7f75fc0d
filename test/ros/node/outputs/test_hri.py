"""Faces are published as REP-155 defines them if hri_msgs is installed."""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import math
from typing import Any

import numpy as np
import pytest
from ros_peers import BLANK, box_of, Camera, estimate, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.msg import FaceAttributes
from face_classification_ros.ros.node.outputs.hri import cropped_face, EXPRESSIONS, GENDERS
from face_classification_ros.types import BoundingBox

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
        from hri_msgs.msg import Expression, NormalizedRegionOfInterest2D, SoftBiometrics

        types = {
            'roi': NormalizedRegionOfInterest2D,
            'cropped': ImageMessage,
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
    (face,) = camera.result_of(image_message(HEAD)).faces
    name = f'f{face.track_id}'
    peer.wait_for(lambda: humans.lists and list(humans.lists[-1].ids) == [name], 'the list')
    humans.subscribe(name)
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
    assert (crop.width, crop.height, crop.encoding) == (128, 128, 'bgr8')
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

"""Faces as REP-155 has them, where hri_msgs is installed, and one line where it is not."""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import math

import numpy as np
import pytest
from ros_peers import BLANK, box_of, Camera, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.ros.node.outputs.hri import cropped_face, EXPRESSIONS, GENDERS
from face_classification_ros.types import BoundingBox

StartNode = Callable[..., NodeProcess]

HAS_HRI_MSGS = importlib.util.find_spec('hri_msgs') is not None
needs_hri_msgs = pytest.mark.skipif(not HAS_HRI_MSGS, reason='hri_msgs is in no wheel')


def test_cropped_face_is_centered_on_black() -> None:
    """A tall face fills the height, and black is left and right of it."""
    image = np.full((200, 200, 3), 200, np.uint8)
    cropped = cropped_face(image, BoundingBox(50, 50, 40, 80))
    assert cropped.shape == (128, 128, 3)
    assert (cropped[:, 32:96] == 200).all()
    assert not cropped[:, :32].any() and not cropped[:, 96:].any()
    assert not cropped_face(image, BoundingBox(300, 0, 10, 10)).any()


@pytest.mark.skipif(HAS_HRI_MSGS, reason='hri_msgs is installed')
def test_missing_hri_msgs_is_told_once_and_faces_go_on(start_node: StartNode, peer: Peer) -> None:
    """The node does the rest of its work."""
    node = start_node('-p', 'publish_hri:=true')
    camera = Camera(peer)
    camera.connect()
    for _ in range(3):
        assert len(camera.ask(image_message(HEAD)).faces) == 1
    assert node.log.count('publish_hri: hri_msgs is not installed') == 1


@needs_hri_msgs
def test_faces_are_told_as_the_standard_has_it(start_node: StartNode, peer: Peer) -> None:
    """List, region, crop, expression and gender; the topics go when the track ends."""
    from hri_msgs.msg import Expression, IdsList, NormalizedRegionOfInterest2D, SoftBiometrics

    for name, code in (('woman', SoftBiometrics.FEMALE), ('man', SoftBiometrics.MALE)):
        assert GENDERS[name] == code
    for word in EXPRESSIONS.values():
        assert getattr(Expression, word.upper()) == word
    start_node(
        '-p', 'publish_hri:=true', '-p', 'unknown_threshold_emotion:=0.0',
        '-p', 'unknown_threshold_gender:=0.0',
    )  # fmt: skip
    camera = Camera(peer)
    lists = peer.collect(IdsList, '/humans/faces/tracked')
    camera.connect()
    answer = camera.ask(image_message(HEAD))
    (face,) = answer.faces
    name = f'f{face.track_id}'
    peer.wait_for(lambda: lists and list(lists[-1].ids) == [name], 'the list')
    topics = {
        'roi': NormalizedRegionOfInterest2D,
        'cropped': ImageMessage,
        'expression': Expression,
        'softbiometrics': SoftBiometrics,
    }
    got = {t: peer.collect(kind, f'/humans/faces/{name}/{t}') for t, kind in topics.items()}

    def all_came() -> bool:
        nonlocal answer
        answer = camera.ask(image_message(HEAD))
        peer.spin(0.2)
        return all(messages and messages[-1].header == answer.header for messages in got.values())

    peer.wait_for(all_came, 'all topics of the face')
    (face,) = answer.faces
    roi, crop, expression, gender = (got[t][-1] for t in topics)
    box = box_of(face)
    expected = [box.x, box.y, box.x + box.width, box.y + box.height]
    assert np.allclose(
        np.multiply([roi.xmin, roi.ymin, roi.xmax, roi.ymax], 200), expected, atol=1
    )
    assert (crop.width, crop.height, crop.encoding) == (128, 128, 'bgr8')
    assert expression.expression == EXPRESSIONS[face.emotion.label]
    assert expression.confidence == pytest.approx(face.emotion.confidence)
    assert math.isnan(expression.valence)
    assert gender.gender == GENDERS[face.gender.label]
    assert peer.set_parameter('unknown_threshold_gender', 1.0).successful
    assert peer.set_parameter('unknown_threshold_emotion', 1.0).successful

    def unknown() -> bool:
        camera.ask(image_message(HEAD))
        peer.spin(0.1)
        words = got['expression'][-1].expression, got['softbiometrics'][-1].gender
        return words == ('', SoftBiometrics.UNDEFINED)

    peer.wait_for(unknown, 'unknown')
    for _ in range(15):
        camera.ask(image_message(BLANK))
    peer.wait_for(lambda: not lists[-1].ids, 'an empty list')
    peer.wait_for(
        lambda: not peer.node.count_publishers(f'/humans/faces/{name}/roi'), 'no more topics'
    )

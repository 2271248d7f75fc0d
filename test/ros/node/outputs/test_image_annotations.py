"""Boxes and texts for Foxglove are published if foxglove_msgs is installed."""

from __future__ import annotations

import importlib.util

import pytest
from ros_peers import BLANK, box_of, Camera, HEAD, image_message, Peer

HAS_FOXGLOVE_MSGS = importlib.util.find_spec('foxglove_msgs') is not None
TOPIC = '/face_classification/image_annotations'

MAX_BYTES = 1000
"""Of a message of one face."""


@pytest.mark.skipif(HAS_FOXGLOVE_MSGS, reason='foxglove_msgs is installed')
def test_topic_is_absent_without_the_messages(camera: Camera, peer: Peer) -> None:
    """The node works as before."""
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert not peer.node.count_publishers(TOPIC)


@pytest.mark.skipif(not HAS_FOXGLOVE_MSGS, reason='foxglove_msgs is in no wheel')
def test_face_is_a_box_and_a_text(camera: Camera, peer: Peer) -> None:
    """In pixels of the image, with its stamp, in less than a kilobyte; none without a face."""
    from foxglove_msgs.msg import ImageAnnotations, PointsAnnotation
    from rclpy.serialization import serialize_message

    messages = peer.collect(ImageAnnotations, TOPIC)

    def has_arrived() -> bool:
        camera.result_of(image_message(HEAD))
        # The first message may be of the image that connected the camera.
        return bool(messages) and bool(messages[-1].points)

    peer.wait_for(has_arrived, 'annotations')
    (box,), (text,) = messages[-1].points, messages[-1].texts
    result = next(each for each in camera.results if each.header.stamp == box.timestamp)
    (face,) = result.faces
    assert text.timestamp == box.timestamp
    assert box.type == PointsAnnotation.LINE_LOOP
    expected = box_of(face)
    assert min(each.x for each in box.points) == pytest.approx(expected.x, abs=1)
    assert max(each.y for each in box.points) == pytest.approx(expected.y + expected.height, abs=1)
    assert f'#{face.track_id}' in text.text and face.attributes[0].label in text.text
    assert len(serialize_message(messages[-1])) <= MAX_BYTES

    count = len(messages)
    camera.result_of(image_message(BLANK))
    peer.wait_for(lambda: len(messages) > count and not messages[-1].points, 'an empty message')

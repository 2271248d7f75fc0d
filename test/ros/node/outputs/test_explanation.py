"""Explanations are published while somebody subscribes to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ros_peers import BLANK, Camera, HEAD, image_message, NodeProcess, Peer, pixels_of
from sensor_msgs.msg import Image as ImageMessage

from face_classification_ros.types import Image

TOPIC = '/face_classification/explanation'

StartNode = Callable[..., NodeProcess]


def newest(camera: Camera, peer: Peer, explained: list[ImageMessage]) -> Image:
    """Publish a face until its explanation arrives, and return it."""

    def arrived() -> bool:
        header = camera.result_of(image_message(HEAD)).header
        return bool(
            peer.happens(lambda: explained and explained[-1].header == header, timeout=0.5)
        )

    peer.wait_for(arrived, 'an explanation')
    return pixels_of(explained[-1])


def test_face_is_explained_after_a_subscription(camera: Camera, peer: Peer) -> None:
    """The panel has the face, the explanation and the distribution."""
    explained = peer.collect(ImageMessage, TOPIC)
    panel = newest(camera, peer, explained)
    assert panel.shape == (240, 800, 3)
    assert explained[-1].header.frame_id == 'head_camera'
    assert panel[:, 240:480].std() > 10
    count = len(explained)
    camera.result_of(image_message(BLANK))
    peer.spin(0.3)
    assert len(explained) == count


def test_attribute_and_method_can_be_changed_at_run_time(camera: Camera, peer: Peer) -> None:
    """The bars are those of the attribute, and the colors those of the method."""
    explained = peer.collect(ImageMessage, TOPIC)
    age = newest(camera, peer, explained)
    assert peer.set_parameter('explanation_attribute', 'gender').successful
    gender = newest(camera, peer, explained)
    assert (age[:, 480:] != gender[:, 480:]).any()
    assert peer.set_parameter('explanation_method', 'grad_cam').successful
    heat = newest(camera, peer, explained)
    # Colors instead of gray.
    assert np.ptp(heat[:, 240:480].astype(int), axis=2).max() > 100
    assert np.ptp(gender[:, 240:480].astype(int), axis=2).max() == 0
    rejected = peer.set_parameter('explanation_method', 'lime')
    assert not rejected.successful
    assert 'explanation_method' in rejected.reason


def test_one_track_can_be_chosen(camera: Camera, peer: Peer) -> None:
    """Nothing is published while no face has that id."""
    explained = peer.collect(ImageMessage, TOPIC)
    newest(camera, peer, explained)
    (face,) = camera.result_of(image_message(HEAD)).faces
    assert peer.set_parameter('explanation_track', 'nobody').successful
    peer.spin(0.3)
    count = len(explained)
    camera.result_of(image_message(HEAD))
    peer.spin(0.3)
    assert len(explained) == count
    assert peer.set_parameter('explanation_track', face.track_id).successful
    newest(camera, peer, explained)


def test_blurred_faces_are_not_explained(start_node: StartNode, peer: Peer) -> None:
    """An explanation would show who it is."""
    start_node('-p', 'blur_faces:=true')
    camera = Camera(peer)
    camera.connect()
    explained = peer.collect(ImageMessage, TOPIC)
    for _ in range(5):
        camera.result_of(image_message(HEAD))
    peer.spin(0.5)
    assert not explained
    assert peer.set_parameter('blur_faces', False).successful
    newest(camera, peer, explained)


def test_nothing_is_explained_without_attributes(start_node: StartNode, peer: Peer) -> None:
    """Faces are published as before."""
    start_node('-p', "models:=['']")
    camera = Camera(peer)
    camera.connect()
    explained = peer.collect(ImageMessage, TOPIC)
    for _ in range(5):
        assert len(camera.result_of(image_message(HEAD)).faces) == 1
    peer.spin(0.5)
    assert not explained

"""A managed node frees its resources, and recovers from transitions that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import gc
from typing import Any
import weakref

from lifecycle_msgs.msg import Transition
import pytest
import rclpy
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from ros_peers import Camera, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage
from std_srvs.srv import SetBool

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.detection.full_frame import FullFrameDetector
from face_classification_ros.ros.node.node import FaceClassificationNode
from face_classification_ros.ros.node.outputs.registry import Outputs

StartNode = Callable[..., NodeProcess]

ROUNDS = 10
"""Rounds of configuring, activating, processing, deactivating and cleaning up."""

GROWTH, LIBRARIES = 8.0, 52.0
"""Megabytes that all rounds may add, and that may remain of the first.

See docs/explanation/reliability.md.
"""


@pytest.fixture
def node(domain: int) -> Iterator[FaceClassificationNode]:
    """Return an unconfigured node in this process."""
    rclpy.init(args=[], domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    node = FaceClassificationNode()
    yield node
    node.destroy_node()
    rclpy.shutdown()


def test_clean_up_frees_detector_and_models(node: FaceClassificationNode) -> None:
    """Immediately; the next configuration loads them again."""

    def loaded() -> list[weakref.ref[Any]]:
        kinds = (Classifier, FullFrameDetector)
        return [weakref.ref(each) for each in gc.get_objects() if isinstance(each, kinds)]

    gc.collect()
    before = len(loaded())
    for _ in range(2):
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        objects = loaded()
        # A detector, and a classifier for both attributes.
        assert len(objects) - before == 2
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
        assert sum(each() is not None for each in objects) == before


def test_clean_up_returns_memory_to_the_system(
    start_node: StartNode, peer: Peer, record_property: Callable[[str, object], None]
) -> None:
    """What remains are libraries, and ten rounds add nothing."""
    node = start_node(
        *('-p', 'autostart:=false', '-p', 'image_reliability:=reliable'),
        *('-p', 'models:=[gender_sequential_fully_cnn, emotion_sequential_fully_cnn]'),
        until_active=False,
    )
    camera = Camera(peer)
    message = image_message(HEAD.repeat(3, axis=0).repeat(3, axis=1))
    explanations = peer.collect(ImageMessage, '/face_classification/explanation')

    def is_explained() -> bool:
        camera.result_of(message)
        # Several, because not everything is allocated at the first one.
        return peer.happens(lambda: len(explanations) >= 3, 0.1)

    assert peer.state() == 'unconfigured'
    at_start = node.resident_memory
    at_work, cleaned_up = [], []
    for _ in range(ROUNDS):
        assert peer.change_state(Transition.TRANSITION_CONFIGURE)
        assert peer.change_state(Transition.TRANSITION_ACTIVATE)
        camera.connect()
        explanations.clear()
        peer.wait_for(is_explained, 'an explanation')
        at_work.append(node.resident_memory)
        assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
        assert peer.change_state(Transition.TRANSITION_CLEANUP)
        cleaned_up.append(node.resident_memory)
    record_property('resident memory at start', at_start)
    record_property('resident memory at work', at_work)
    record_property('resident memory cleaned up', cleaned_up)
    assert max(cleaned_up) - cleaned_up[0] < GROWTH
    # How much memory a working node has in addition to its objects depends on glibc.
    assert cleaned_up[0] - at_start < LIBRARIES
    assert min(at_work) > max(cleaned_up)


def test_transition_that_fails_unexpectedly_can_be_tried_again(
    node: FaceClassificationNode,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The error is logged, and the first half of the transition is undone."""

    def fail(*_: object) -> None:
        raise MemoryError('no memory for that')

    with monkeypatch.context() as patched:
        # The last step of the activation.
        patched.setattr(Outputs, 'update', fail)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.ERROR
    assert 'on_activate failed: MemoryError: no memory for that' in capfd.readouterr().err
    assert node.count_subscribers('/image') == 0
    assert node.count_publishers('/face_classification/faces') == 0
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert node.count_subscribers('/image') == 1


def test_disabled_node_uses_no_processor(start_node: StartNode, peer: Peer) -> None:
    """A camera that continues costs a small fraction of what its images cost before."""
    node = start_node('-p', 'detection_interval:=1', '-p', 'detection_size:=1280')
    camera = Camera(peer)
    camera.connect()
    large = image_message(HEAD.repeat(3, axis=0).repeat(3, axis=1))

    def cost() -> float:
        before = node.processor_time
        for _ in range(10):
            camera.publish(large)
            peer.spin(0.2)
        return node.processor_time - before

    at_work = cost()
    peer.call(SetBool, '/face_classification/enable', SetBool.Request(data=False))
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the subscription')
    assert cost() < 0.3 * at_work

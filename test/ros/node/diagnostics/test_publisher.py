"""The node tells its health on /diagnostics, whatever its state and its camera's."""

from __future__ import annotations

from collections.abc import Callable
import itertools
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from ros_peers import (
    BEST_EFFORT,
    Camera,
    HEAD,
    image_message,
    LiveCamera,
    Monitor,
    NodeProcess,
    Peer,
    RELIABLE,
)
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

StartNode = Callable[..., NodeProcess]


def test_health_follows_the_camera_and_the_state(start_node: StartNode, peer: Peer) -> None:
    """STALE before pictures, OK with them, WARN when some are malformed, ERROR after, OK again."""
    start_node('-p', 'max_image_age:=1.5', '-p', 'max_latency:=30.0', '-r', 'image:=/cam/image')
    arrays: list[DiagnosticArray] = peer.collect(DiagnosticArray, '/diagnostics')
    camera = Camera(peer, '/cam/image')

    def status(part: str) -> DiagnosticStatus | None:
        name = f'face_classification: {part}'
        return next((s for s in arrays[-1].status if s.name == name), None) if arrays else None

    def is_level(level: bytes, make: Callable[[], ImageMessage] | None = None) -> bool:
        if make is not None:
            camera.publish(make(), time.time())
            peer.spin(0.05)
        pictures = status('pictures')
        return pictures is not None and pictures.level == level

    def malformed() -> ImageMessage:
        message = image_message(HEAD)
        message.encoding = 'h264'
        return message

    peer.wait_for(lambda: is_level(DiagnosticStatus.STALE), 'STALE')
    camera.connect()
    peer.wait_for(lambda: is_level(DiagnosticStatus.OK, lambda: image_message(HEAD)), 'OK')
    pictures, models = status('pictures'), status('models')
    assert pictures is not None and models is not None
    assert pictures.hardware_id == '/cam/image'
    values = {each.key: each.value for each in pictures.values}
    assert values['faces'] == '1'
    assert float(values['output rate (Hz)']) > 0
    assert models.level == DiagnosticStatus.OK
    assert {each.key: each.value for each in models.values}['detector'] == 'libfacedetection'
    # One of two; of two that come at once only the newer is looked at.
    pictures_of_both_kinds = itertools.cycle([malformed, lambda: image_message(HEAD)])
    peer.wait_for(
        lambda: is_level(DiagnosticStatus.WARN, lambda: next(pictures_of_both_kinds)()), 'WARN'
    )
    peer.wait_for(lambda: is_level(DiagnosticStatus.ERROR), 'ERROR')
    peer.wait_for(lambda: is_level(DiagnosticStatus.OK, lambda: image_message(HEAD)), 'OK again')
    assert peer.set_parameter('max_latency', 0.001).successful
    peer.wait_for(lambda: is_level(DiagnosticStatus.WARN, lambda: image_message(HEAD)), 'late')
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    peer.wait_for(
        lambda: (s := status('pictures')) is not None and s.message == 'the node is inactive',
        'inactive',
    )
    assert is_level(DiagnosticStatus.OK)


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_every_picture_is_accounted_for(
    start_node: StartNode, peer: Peer, qos: QoSProfile
) -> None:
    """A node that is too slow for its camera, and pictures that it leaves out or cannot read."""
    node = start_node(
        '-p', 'detection_size:=4096', '-p', 'detection_interval:=1',
        '-p', 'max_processing_rate:=4.0',
        '-p', f'image_reliability:={"reliable" if qos is RELIABLE else "best_effort"}',
    )  # fmt: skip
    monitor = Monitor(peer)
    camera = Camera(peer, qos=qos)
    camera.connect()
    # Six faces in each.
    message = image_message(np.tile(HEAD, (2, 3, 1)))
    malformed = image_message(HEAD)
    malformed.encoding = 'h264'
    ways = ('received', 'replaced by newer ones', 'lost on the way')
    fates = ('processed', 'left out by max_processing_rate', 'malformed')

    def counted() -> dict[str, int]:
        values = monitor.next_values()
        return {name: int(values[name]) for name in (*ways, *fates, 'dropped')}

    before = counted()
    sent = 0
    for sent in range(1, 91):  # noqa: B007
        camera.publish(message)
        peer.spin(0.02)
    # Small enough to come through to a node of any speed: of many at once it sees the last, of
    # those that follow each other it leaves some out.
    for pause in [0.0] * 10 + [0.05] * 10:
        camera.publish(image_message(HEAD))
        if pause:
            peer.spin(pause)
    sent += 20

    def send(message: ImageMessage, is_done: Callable[[Header], bool]) -> None:
        """Send a picture that `max_processing_rate` lets through; again where it gets lost."""
        nonlocal sent
        for _ in range(5):
            header = camera.publish(message, camera.next_stamp + 1.0)
            sent += 1
            if peer.happens(lambda h=header: is_done(h), 10.0):
                return
        pytest.fail('the picture never came')

    send(malformed, lambda _: 'skipped a malformed picture' in node.log)
    # Only the next one to come shows that others did not.
    send(image_message(HEAD), lambda header: any(e.header == header for e in camera.answers))
    changes = {name: count - before[name] for name, count in counted().items()}
    assert sum(changes[name] for name in ways) == sent
    assert sum(changes[name] for name in fates) == changes['received']
    for name in ('replaced by newer ones', *fates):
        assert changes[name] > 0, name
    assert (
        changes['dropped']
        == changes['replaced by newer ones'] + changes['left out by max_processing_rate']
    )


def test_a_second_camera_on_the_topic_makes_the_count_a_lower_bound(
    start_node: StartNode, peer: Peer
) -> None:
    """Numbers of several publishers cannot be told apart, and that is said."""
    start_node()
    monitor = Monitor(peer)
    camera = Camera(peer)
    camera.connect()
    assert monitor.next_values()['dropped'].isdigit()
    second = Camera(peer)
    second.connect()
    assert monitor.next_values()['dropped'].startswith('at least ')


def test_models_that_do_not_load_are_an_error(
    start_node: StartNode, peer: Peer, tmp_path: Path
) -> None:
    """Where a lifecycle manager configures the node; it recovers with a model that does."""
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'no model')
    node = start_node(
        '-p', 'autostart:=false', '-p', f'emotion_model:={broken}', until_active=False
    )
    monitor = Monitor(peer)
    monitor.wait_for('models', DiagnosticStatus.OK, 'not loaded')
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    monitor.wait_for('models', DiagnosticStatus.ERROR, str(broken))
    assert 'cannot start' in node.log
    assert peer.set_parameter('emotion_model', '').successful
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    monitor.wait_for('models', DiagnosticStatus.OK, 'loaded')


def test_fewer_answers_than_min_rate_are_a_warning(start_node: StartNode, peer: Peer) -> None:
    """A camera that is slower than wanted; what is wanted can be changed meanwhile."""
    start_node(
        '-p', 'min_output_rate:=50.0', '-p', 'max_image_age:=60.0', '-p', 'max_latency:=60.0'
    )
    monitor = Monitor(peer)
    live = LiveCamera(peer, HEAD)
    try:
        text = 'pictures a second, expected 50'
        monitor.wait_for('pictures', DiagnosticStatus.WARN, text)
        assert peer.set_parameter('min_output_rate', 0.1).successful
        monitor.wait_for('pictures', DiagnosticStatus.OK, 'pictures a second')
    finally:
        live.close()

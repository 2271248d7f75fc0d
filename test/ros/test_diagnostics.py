"""The node tells its health on /diagnostics, whatever its state and its camera's."""

from __future__ import annotations

from collections.abc import Callable
import itertools
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from ros_peers import Camera, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import Image as ImageMessage

StartNode = Callable[..., NodeProcess]


def test_health_follows_the_camera_and_the_state(start_node: StartNode, peer: Peer) -> None:
    """STALE before pictures, OK with them, WARN when some are malformed, ERROR after, OK again."""
    start_node('-p', 'max_picture_age:=1.5', '-p', 'max_latency:=30.0', '-r', 'image:=/cam/image')
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

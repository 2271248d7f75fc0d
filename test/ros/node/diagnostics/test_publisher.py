"""The node publishes its status on /diagnostics in every state and with any camera."""

from __future__ import annotations

from collections.abc import Callable
import itertools
from pathlib import Path
import time

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from ros_peers import (
    BEST_EFFORT,
    BLANK,
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

OK, WARN = DiagnosticStatus.OK, DiagnosticStatus.WARN
ERROR, STALE = DiagnosticStatus.ERROR, DiagnosticStatus.STALE


def malformed_message() -> ImageMessage:
    """Return a message of an unknown encoding."""
    message = image_message(HEAD)
    message.encoding = 'h264'
    return message


def publish_until(
    peer: Peer,
    monitor: Monitor,
    camera: Camera,
    messages: itertools.cycle[ImageMessage],
    level: bytes,
    code: str,
) -> None:
    """Publish images with the stamps of the clock until the images have a level and a code."""

    def has_status() -> bool:
        camera.publish(next(messages), time.time())
        peer.spin(0.05)
        status = monitor.status('images') if monitor.arrays else None
        if status is None or status.level != level:
            return False
        codes = {each.key: each.value for each in status.values}['code']
        return code in codes.split(',')

    peer.wait_for(has_status, f'{level!r} {code}')


def test_status_follows_the_camera(start_node: StartNode, peer: Peer) -> None:
    """STALE before images, OK with them, WARN if some are malformed, ERROR after, OK again."""
    start_node('-p', 'max_image_age:=1.5', '-p', 'max_latency:=30.0', '-r', 'image:=/cam/image')
    monitor = Monitor(peer)
    camera = Camera(peer, '/cam/image')
    good = itertools.cycle([image_message(HEAD)])
    monitor.wait_for('images', STALE, 'no_images_yet')
    camera.connect()
    publish_until(peer, monitor, camera, good, OK, 'ok')
    # Of two that arrive together only the newer one is processed.
    both = itertools.cycle([malformed_message(), image_message(HEAD)])
    publish_until(peer, monitor, camera, both, WARN, 'malformed_images')
    monitor.wait_for('images', ERROR, 'no_images')
    publish_until(peer, monitor, camera, good, OK, 'ok')
    assert peer.set_parameter('max_latency', 0.001).successful
    publish_until(peer, monitor, camera, good, WARN, 'late')


def test_status_has_values_of_images_and_models(start_node: StartNode, peer: Peer) -> None:
    """The hardware id is the topic of the camera."""
    start_node('-r', 'image:=/cam/image')
    monitor = Monitor(peer)
    camera = Camera(peer, '/cam/image')
    camera.connect()
    publish_until(peer, monitor, camera, itertools.cycle([image_message(HEAD)]), OK, 'ok')
    images = monitor.next_values('images')
    assert images['faces'] == '1'
    assert float(images['output rate (Hz)']) > 0
    status = monitor.status('models')
    assert status is not None
    assert (status.level, status.hardware_id) == (OK, '/cam/image')
    models = {each.key: each.value for each in status.values}
    assert models == {'code': 'ok', 'detector': 'auto', 'models': 'multitask_mini_xception'}


def test_status_follows_the_state_of_the_node(camera: Camera, peer: Peer) -> None:
    """An inactive node is OK, and the code is its state."""
    monitor = Monitor(peer)
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    monitor.wait_for('images', OK, 'inactive')
    assert peer.change_state(Transition.TRANSITION_CLEANUP)
    monitor.wait_for('images', OK, 'unconfigured')
    monitor.wait_for('models', OK, 'not_loaded')


WAYS = ('received', 'superseded', 'lost in transport')
FATES = ('processed', 'rate limited', 'malformed')


class Accounting:
    """Publishes images to a slow node, and counts them."""

    def __init__(self, start_node: StartNode, peer: Peer, qos: QoSProfile) -> None:
        """Start the node and connect a camera."""
        reliability = 'reliable' if qos is RELIABLE else 'best_effort'
        parameters = {
            'detection_size': '4096',
            'detection_interval': '1',
            'max_processing_rate': '4.0',
            'image_reliability': reliability,
        }
        arguments = [each for p in parameters.items() for each in ('-p', f'{p[0]}:={p[1]}')]
        start_node(*arguments)
        self._peer = peer
        self._monitor = Monitor(peer)
        self.camera = Camera(peer, qos=qos)
        self.camera.connect()
        self.sent = 0
        self._before = self._counters()

    def publish(self, message: ImageMessage, pause: float, count: int) -> None:
        """Publish an image several times."""
        for _ in range(count):
            self.camera.publish(message)
            self._peer.spin(pause)
        self.sent += count

    def publish_until(self, message: ImageMessage, is_done: Callable[[Header], bool]) -> None:
        """Publish an image that the rate limit admits; again if it gets lost."""
        for _ in range(5):
            header = self.camera.publish(message, self.camera.next_stamp + 1.0)
            self.sent += 1
            if self._peer.happens(lambda h=header: is_done(h), 10.0):
                return
        pytest.fail('no image arrived')

    def changes(self) -> dict[str, int]:
        """Return how much each counter has increased."""
        return {name: count - self._before[name] for name, count in self._counters().items()}

    def malformed(self) -> int:
        """Return how many images were malformed."""
        return self.changes()['malformed']

    def _counters(self) -> dict[str, int]:
        values = self._monitor.next_values()
        return {name: int(values[name]) for name in (*WAYS, *FATES, 'dropped')}


@pytest.mark.parametrize('qos', [RELIABLE, BEST_EFFORT], ids=['reliable', 'best_effort'])
def test_every_image_is_accounted_for(start_node: StartNode, peer: Peer, qos: QoSProfile) -> None:
    """The camera is too fast for the node, and some images are rate limited or malformed."""
    accounting = Accounting(start_node, peer, qos)
    # Six faces in each.
    accounting.publish(image_message(np.tile(HEAD, (2, 3, 1))), 0.02, 90)
    # Small images are processed at any speed: of many that arrive together only the last one, of
    # those that follow each other some are rate limited.
    accounting.publish(image_message(HEAD), 0.0, 10)
    accounting.publish(image_message(HEAD), 0.05, 10)
    accounting.publish_until(malformed_message(), lambda _: accounting.malformed() > 0)
    # Only the next image that arrives shows which did not.
    accounting.publish_until(
        image_message(HEAD),
        lambda header: any(each.header == header for each in accounting.camera.results),
    )
    changes = accounting.changes()
    assert sum(changes[name] for name in WAYS) == accounting.sent
    assert sum(changes[name] for name in FATES) == changes['received']
    for name in ('superseded', *FATES):
        assert changes[name] > 0, name
    assert changes['dropped'] == changes['superseded'] + changes['rate limited']


def test_second_camera_on_the_topic_makes_the_count_a_lower_bound(
    start_node: StartNode, peer: Peer
) -> None:
    """Sequence numbers of several publishers cannot be distinguished."""
    start_node()
    monitor = Monitor(peer)
    camera = Camera(peer)
    camera.connect()
    assert monitor.next_values()['dropped'].isdigit()
    second = Camera(peer)
    second.connect()
    # In turn, since the numbers of one may happen to continue those of the other.
    for each in (camera, second, camera):
        each.result_of(image_message(BLANK))
    assert monitor.next_values()['dropped'].startswith('at least ')


def test_models_that_cannot_be_loaded_are_an_error(
    start_node: StartNode, peer: Peer, tmp_path: Path
) -> None:
    """The node recovers with other models."""
    broken = tmp_path / 'broken.onnx'
    broken.write_bytes(b'not a model')
    start_node('-p', 'autostart:=false', '-p', f'models:=[{broken}]', until_active=False)
    monitor = Monitor(peer)
    monitor.wait_for('models', OK, 'not_loaded')
    assert not peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert str(broken) in monitor.wait_for('models', ERROR, 'load_failed').message
    assert peer.set_parameter('models', ['']).successful
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    monitor.wait_for('models', OK, 'ok')


def test_low_output_rate_is_a_warning(start_node: StartNode, peer: Peer) -> None:
    """The limit can be changed at run time."""
    limits = {'min_output_rate': '50.0', 'max_image_age': '60.0', 'max_latency': '60.0'}
    start_node(*[each for name in limits for each in ('-p', f'{name}:={limits[name]}')])
    monitor = Monitor(peer)
    live = LiveCamera(peer, HEAD)
    try:
        monitor.wait_for('images', WARN, 'low_rate')
        assert peer.set_parameter('min_output_rate', 0.1).successful
        monitor.wait_for('images', OK, 'ok')
    finally:
        live.close()


def test_incompatible_publisher_is_a_warning(start_node: StartNode, peer: Peer) -> None:
    """A reliable subscription receives nothing from a best-effort camera."""
    start_node('-p', 'image_reliability:=reliable')
    monitor = Monitor(peer)
    camera = Camera(peer, qos=BEST_EFFORT)
    monitor.wait_for('images', STALE, 'incompatible_qos')
    assert peer.set_parameter('image_reliability', 'best_effort').successful
    camera.connect()
    values = monitor.next_values()
    assert 'incompatible_qos' not in values['code']

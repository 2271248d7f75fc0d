"""What goes wrong on a robot: the node lives, says so, recovers, and keeps ids right.

How long it took to recover is recorded, not judged; `benchmarks/faults.py` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import select
import signal
import statistics
import subprocess
import sys
import time

from builtin_interfaces.msg import Time
import cv2
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from ros_peers import (
    box_of,
    Camera,
    FACE,
    HEAD,
    image_message,
    LiveCamera,
    Monitor,
    NodeProcess,
    Peer,
    RELIABLE,
)
from rosgraph_msgs.msg import Clock

from face_classification_ros.io.sample import crowd
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.processes import LOCK_LIMIT
from face_classification_ros.srv import GetFaces
from face_classification_ros.types import BoundingBox

StartNode = Callable[..., NodeProcess]
Record = Callable[[str, object], None]

PEER_PROCESS = Path(__file__).parents[1] / 'peer_process.py'
OTHERS = 4
"""Processes that keep the processor busy: more than the cores of a small computer."""


@contextmanager
def peer_process(domain: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run peer_process.py; it is killed in the end, and what it may have locked is given up."""
    with subprocess.Popen(
        [sys.executable, str(PEER_PROCESS), str(domain), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # A stopped one, too.
            process.kill()
            time.sleep(LOCK_LIMIT)


def first_time(process: subprocess.Popen[str]) -> float:
    """Give when the process sent or got its first message, in seconds of the steady clock."""
    assert process.stdout is not None
    return float(process.stdout.readline())


@contextmanager
def busy_processor() -> Iterator[None]:
    """Keep all cores busy, and more."""
    others = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(OTHERS)]
    try:
        yield
    finally:
        for each in others:
            each.kill()
            each.wait()


class Arrivals:
    """The node's answers with the times at which they came."""

    def __init__(self, peer: Peer) -> None:
        """Listen."""
        self._peer = peer
        self.answers: list[tuple[float, FaceAttributesArray]] = []
        peer.node.create_subscription(
            FaceAttributesArray, '/face_classification/faces', self._take, RELIABLE
        )

    def _take(self, message: FaceAttributesArray) -> None:
        self.answers.append((time.monotonic(), message))

    def next(self) -> tuple[float, FaceAttributesArray]:
        """Wait for an answer that comes from now on."""
        self.answers.clear()
        self._peer.wait_for(lambda: self.answers, 'faces')
        return self.answers[0]

    def next_id(self) -> int:
        """Wait for an answer, and give the track id of the only face."""
        _, message = self.next()
        (face,) = message.faces
        return int(face.track_id)


# Processes that die


def test_camera_is_killed_and_started_again(
    start_node: StartNode, peer: Peer, domain: int, record_property: Record
) -> None:
    """The silence is an error in diagnostics; the next picture is answered, with a new id."""
    start_node('-p', 'max_image_age:=0.5', '-p', 'track_timeout:=0.5')
    monitor, arrivals = Monitor(peer), Arrivals(peer)
    with peer_process(domain, 'camera') as camera:
        first_time(camera)
        before = arrivals.next_id()
    monitor.wait_for('pictures', DiagnosticStatus.ERROR, 'no picture for')
    arrivals.answers.clear()
    with peer_process(domain, 'camera') as camera:
        begin = first_time(camera)
        arrival, _ = arrivals.next()
        record_property('camera killed: first picture to first faces', arrival - begin)
        assert arrivals.next_id() > before
        monitor.wait_for('pictures', DiagnosticStatus.OK, 'pictures a second')


def test_node_is_killed_at_any_moment_and_started_again(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """Nothing that a killed one leaves keeps the next from its work, as when launch starts it."""
    arrivals = Arrivals(peer)
    camera = LiveCamera(peer, HEAD)
    try:
        for delay in (0.1, 0.3, 0.6):
            node = start_node(until_active=False)
            peer.spin(delay)
            node.kill()
        node = start_node()
        for _ in range(2):
            arrivals.next_id()
            # In the midst of a picture, as likely as not.
            node.kill()
            begin = time.monotonic()
            node = start_node(until_active=False)
            arrival, message = arrivals.next()
            record_property('node killed: its start to first faces', arrival - begin)
            assert len(message.faces) == 1
    finally:
        camera.close()


# Cameras that misbehave


def test_camera_that_repeats_itself_makes_nothing_more_certain(camera: Camera, peer: Peer) -> None:
    """A picture that comes again is answered with the same id, and counts once."""
    message = image_message(HEAD)
    observations = []
    for stamp in (100.0, 100.0, 100.0, 100.1):
        camera.answers.clear()
        (face,) = camera.ask(message, stamp).faces
        observations.append((face.track_id, face.gender.frame_count))
    first = observations[0][0]
    assert observations == [(first, 1), (first, 1), (first, 1), (first, 2)]


def test_camera_that_stops_for_a_while_keeps_its_people(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """An error in diagnostics meanwhile; who is still there has the same id."""
    start_node('-p', 'max_image_age:=0.5', '-p', 'track_timeout:=30.0')
    monitor, arrivals = Monitor(peer), Arrivals(peer)
    camera = LiveCamera(peer, HEAD)
    try:
        before = arrivals.next_id()
        camera.show(None)
        monitor.wait_for('pictures', DiagnosticStatus.ERROR, 'no picture for')
        arrivals.answers.clear()
        begin = time.monotonic()
        camera.show(HEAD)
        arrival, message = arrivals.next()
        record_property('camera stopped: its return to first faces', arrival - begin)
        assert int(message.faces[0].track_id) == before
        monitor.wait_for('pictures', DiagnosticStatus.OK, 'pictures a second')
    finally:
        camera.close()


def test_stamps_jump_both_ways(start_node: StartNode, peer: Peer) -> None:
    """Every picture is answered, and no id is given twice; a second of disorder is none."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    ids = []
    for stamp in (1000.0, 1000.1, 5000.0, 5000.1, 2.0, 2.1, 2e9, 2e9 + 0.1, 0.5, 0.6):
        camera.answers.clear()
        (face,) = camera.ask(image_message(HEAD), stamp).faces
        ids.append(int(face.track_id))
    assert ids[::2] == ids[1::2]
    assert ids[::2] == sorted(set(ids))
    assert node.log.count('time was set back') >= 1
    # A driver that sends two pictures in the wrong order.
    before = ids[-1]
    for stamp in (0.7, 0.65, 0.8):
        camera.answers.clear()
        (face,) = camera.ask(image_message(HEAD), stamp).faces
        assert int(face.track_id) == before


def test_stamps_stand_still_and_go_on(start_node: StartNode, peer: Peer) -> None:
    """By less than they stood: time was not set back, so who is there keeps the id."""
    node = start_node('-p', 'track_timeout:=20.0')
    camera = Camera(peer)
    camera.connect()

    def track_id(stamp: float) -> int:
        camera.answers.clear()
        (face,) = camera.ask(image_message(HEAD), stamp).faces
        return int(face.track_id)

    ids = {track_id(100.0)}
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        peer.spin(0.1)
        ids.add(track_id(100.0))
    ids |= {track_id(stamp) for stamp in (100.1, 100.2, 100.15, 100.3)}
    assert len(ids) == 1
    assert 'stand still at 100.000 s' in node.log
    assert 'time was set back' not in node.log
    assert track_id(99.0) > max(ids)
    node.wait_for_log('time was set back to 99.000 s')


def test_clock_stands_still_and_is_set_back(start_node: StartNode, peer: Peer) -> None:
    """With simulated time: diagnostics go on, and who waits is not left waiting."""
    start_node('-p', 'use_sim_time:=true')
    monitor = Monitor(peer)
    clock = peer.node.create_publisher(Clock, '/clock', RELIABLE)
    camera = Camera(peer)
    camera.connect()
    ids = []
    for seconds in (1000, 2000, 10):
        clock.publish(Clock(clock=Time(sec=seconds)))
        peer.spin(0.2)
        camera.answers.clear()
        (face,) = camera.ask(image_message(HEAD), float(seconds)).faces
        ids.append(int(face.track_id))
        assert int(monitor.next_values()['processed']) > 0
    assert len(set(ids)) == len(ids)
    answer = peer.call(
        GetFaces, '/face_classification/get_faces', GetFaces.Request(max_age=0.0, timeout=0.5)
    )
    assert not answer.success
    assert 'no picture came within 0.5 s' in answer.message


# Much to do


@pytest.mark.parametrize('topic', ['faces', 'image_annotated'])
def test_subscriber_that_does_not_read_holds_up_nobody(
    camera: Camera, peer: Peer, domain: int, topic: str, record_property: Record
) -> None:
    """A reliable one that was stopped by a signal; all others get all faces meanwhile."""
    message = image_message(HEAD)
    with peer_process(domain, 'reader', f'/face_classification/{topic}') as reader:
        assert reader.stdout is not None
        while not select.select([reader.stdout], [], [], 0.0)[0]:
            camera.ask(message)
        first_time(reader)

        def times(pictures: int) -> list[float]:
            """Give the seconds that answers take."""
            result = []
            for _ in range(pictures):
                begin = time.monotonic()
                camera.ask(message)
                result.append(time.monotonic() - begin)
            return result

        before = times(20)
        reader.send_signal(signal.SIGSTOP)
        stopped = times(60)
        reader.send_signal(signal.SIGCONT)
        times(5)
    ratio = statistics.median(stopped) / statistics.median(before)
    record_property(f'reader of {topic} stopped: time to faces over that before', ratio)
    record_property(f'reader of {topic} stopped: longest time to faces', max(stopped))


def test_two_hundred_faces(start_node: StartNode, peer: Peer, record_property: Record) -> None:
    """All are found, each has an id of its own, and keeps it."""
    start_node('-p', 'detection_size:=1600', '-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    message = image_message(np.tile(crowd(100, 1600, 600), (2, 1, 1)))
    begin = time.monotonic()
    first = camera.ask(message)
    record_property('200 faces: time to faces', time.monotonic() - begin)
    second = camera.ask(message)
    ids = [{each.track_id for each in answer.faces} for answer in (first, second)]
    assert len(first.faces) == 200
    assert len(ids[0]) == 200
    assert ids[0] == ids[1]


def test_picture_of_twelve_megapixels(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """It is answered in its own pixels, and smaller ones after it as before."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    message = image_message(np.asarray(cv2.resize(HEAD, (4000, 3000)), np.uint8))
    begin = time.monotonic()
    answer = camera.ask(message)
    record_property('12 Mpx: time to faces', time.monotonic() - begin)
    (face,) = answer.faces
    x, y = 4000 / HEAD.shape[1], 3000 / HEAD.shape[0]
    assert (
        box_of(face).iou(BoundingBox(FACE.x * x, FACE.y * y, FACE.width * x, FACE.height * y))
        > 0.4
    )
    assert len(camera.ask(image_message(HEAD)).faces) == 1


def test_two_nodes_of_one_name(start_node: StartNode, peer: Peer) -> None:
    """Both work, and when one ends the other goes on; `test_namesakes.py` tells what they say."""
    nodes = [start_node(), start_node()]
    arrivals = Arrivals(peer)
    camera = Camera(peer)
    camera.connect()
    peer.wait_for(lambda: camera.matches() == 2, 'both nodes')

    def both_answer() -> bool:
        header = camera.publish(image_message(HEAD))
        peer.spin(0.5)
        return sum(each.header == header for _, each in arrivals.answers) == 2

    peer.wait_for(both_answer, 'an answer of each')
    assert nodes[0].stop() == 0
    camera.answers.clear()
    assert len(camera.ask(image_message(HEAD)).faces) == 1


def test_processor_is_overloaded(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """Pictures are dropped and counted, what is told is of the newest; then all is as before."""
    start_node(
        *('-p', 'detection_size:=640', '-p', 'detection_interval:=1'),
        *('-p', 'image_reliability:=reliable'),
    )
    monitor = Monitor(peer)
    camera = Camera(peer)
    camera.connect()
    message = image_message(np.tile(HEAD, (2, 3, 1)))
    before = monitor.next_values()
    with busy_processor():
        begin = time.monotonic()
        for number in range(90):
            camera.publish(message)
            peer.spin(max(0.0, begin + number / 30 - time.monotonic()))
        newest = time.monotonic()
        camera.ask(message)
        record_property('overload: newest picture to its faces', time.monotonic() - newest)
    begin = time.monotonic()
    camera.ask(message)
    record_property('overload: its end to the next faces', time.monotonic() - begin)
    after = monitor.next_values()
    ways = ('received', 'replaced by newer ones', 'lost on the way')
    changes = {name: int(after[name]) - int(before[name]) for name in (*ways, 'processed')}
    assert sum(changes[name] for name in ways) == 92
    assert changes['processed'] == changes['received']
    record_property('overload: share of 30 Hz answered', changes['processed'] / 92)

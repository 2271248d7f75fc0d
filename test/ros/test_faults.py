"""Faults of a robot: the node survives, reports them in diagnostics, and recovers.

The time to recover is recorded but not checked; `benchmarks/faults.py` prints it.
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
    estimate,
    FACE,
    HEAD,
    image_message,
    LiveCamera,
    Monitor,
    NodeProcess,
    Peer,
    read_line,
    RELIABLE,
)
from rosgraph_msgs.msg import Clock

from face_classification_ros.io.sample import crowd
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.ros.conversions.messages import seconds
from face_classification_ros.ros.processes import LOCK_LIMIT
from face_classification_ros.srv import GetFaces
from face_classification_ros.types import BoundingBox

StartNode = Callable[..., NodeProcess]
Record = Callable[[str, object], None]

PEER_PROCESS = Path(__file__).parents[1] / 'peer_process.py'
BUSY_PROCESSES = 4
"""Processes that overload the processor: more than a small computer has cores."""


@contextmanager
def peer_process(domain: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run peer_process.py, kill it at the end, and wait until its locks are released."""
    with subprocess.Popen(
        [sys.executable, str(PEER_PROCESS), str(domain), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # Also ends a process that was stopped by a signal.
            process.kill()
            time.sleep(LOCK_LIMIT)


def first_time(process: subprocess.Popen[str]) -> float:
    """Return when a peer process had its first message, in seconds of the steady clock."""
    assert process.stdout is not None
    return float(read_line(process.stdout))


@contextmanager
def busy_processor() -> Iterator[None]:
    """Overload all cores."""
    command = [sys.executable, '-c', 'while True: pass']
    processes = [subprocess.Popen(command) for _ in range(BUSY_PROCESSES)]
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.wait()


class Arrivals:
    """Receives faces together with the time of their arrival."""

    def __init__(self, peer: Peer) -> None:
        """Subscribe."""
        self._peer = peer
        self.results: list[tuple[float, FaceAttributesArray]] = []
        peer.node.create_subscription(
            FaceAttributesArray, '/face_classification/faces', self._take, RELIABLE
        )

    def _take(self, message: FaceAttributesArray) -> None:
        self.results.append((time.monotonic(), message))

    def next(self, start: float = 0.0) -> tuple[float, FaceAttributesArray]:
        """Wait for the next faces, and return their arrival and the message.

        Args:
            start: stamp from which on images count; faces of a node that was killed may arrive
                after its end.
        """
        self.results.clear()
        return self._peer.wait_for(
            lambda: next(
                (each for each in self.results if seconds(each[1].header.stamp) >= start), None
            ),
            'faces',
        )

    def next_id(self) -> int:
        """Wait for the next faces, and return the track id of the only one."""
        _, message = self.next()
        return track_id(message)


def track_id(message: FaceAttributesArray) -> int:
    """Return the track id of the only face."""
    (face,) = message.faces
    return int(face.track_id)


def head_track(camera: Camera, stamp: float) -> int:
    """Publish an image of the head, and return the track id of its face."""
    # A stamp may occur twice.
    camera.results.clear()
    return track_id(camera.result_of(image_message(HEAD), stamp))


# Processes that die


def test_camera_is_killed_and_started_again(
    start_node: StartNode, peer: Peer, domain: int, record_property: Record
) -> None:
    """Diagnostics report an error meanwhile; the next image is processed and has a new track."""
    start_node('-p', 'max_image_age:=0.5', '-p', 'track_timeout:=0.5')
    monitor, arrivals = Monitor(peer), Arrivals(peer)
    with peer_process(domain, 'camera') as camera:
        first_time(camera)
        before = arrivals.next_id()
    monitor.wait_for('images', DiagnosticStatus.ERROR, 'no_images')
    arrivals.results.clear()
    with peer_process(domain, 'camera') as camera:
        begin = first_time(camera)
        arrival, _ = arrivals.next()
        record_property('camera killed: first image to first faces', arrival - begin)
        assert arrivals.next_id() > before
        monitor.wait_for('images', DiagnosticStatus.OK, 'ok')


def test_node_is_killed_while_it_starts(start_node: StartNode, peer: Peer) -> None:
    """Whatever a killed node leaves behind, the next one works."""
    arrivals = Arrivals(peer)
    camera = LiveCamera(peer, HEAD)
    try:
        for delay in (0.1, 0.3, 0.6):
            node = start_node(until_active=False)
            peer.spin(delay)
            node.kill()
        start_node()
        assert arrivals.next_id() > 0
    finally:
        camera.close()


def test_node_is_killed_while_it_works(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """The next node works, as when a launch file starts it."""
    arrivals = Arrivals(peer)
    camera = LiveCamera(peer, HEAD)
    try:
        node = start_node()
        for _ in range(2):
            arrivals.next()
            # Probably while it processes an image.
            node.kill()
            begin, killed = time.monotonic(), time.time()
            node = start_node(until_active=False)
            arrival, message = arrivals.next(killed)
            record_property('node killed: its start to first faces', arrival - begin)
            assert len(message.faces) == 1
    finally:
        camera.close()


# Cameras that misbehave


def test_repeated_image_counts_once(camera: Camera) -> None:
    """It is processed again, with the same track, and makes no estimate more certain."""
    message = image_message(HEAD)
    observed = []
    for stamp in (100.0, 100.0, 100.0, 100.1):
        camera.results.clear()
        (face,) = camera.result_of(message, stamp).faces
        observed.append((face.track_id, estimate(face, 'gender').frame_count))
    first = observed[0][0]
    assert observed == [(first, 1), (first, 1), (first, 1), (first, 2)]


def test_tracks_survive_a_pause_of_the_camera(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """Diagnostics report an error meanwhile; people who are still in view keep their ids."""
    start_node('-p', 'max_image_age:=0.5', '-p', 'track_timeout:=30.0')
    monitor, arrivals = Monitor(peer), Arrivals(peer)
    camera = LiveCamera(peer, HEAD)
    try:
        before = arrivals.next_id()
        camera.show(None)
        monitor.wait_for('images', DiagnosticStatus.ERROR, 'no_images')
        arrivals.results.clear()
        begin = time.monotonic()
        camera.show(HEAD)
        arrival, message = arrivals.next()
        record_property('camera paused: its return to first faces', arrival - begin)
        assert track_id(message) == before
        monitor.wait_for('images', DiagnosticStatus.OK, 'ok')
    finally:
        camera.close()


def test_stamps_that_jump_start_new_tracks(camera: Camera) -> None:
    """Forward and back: every image is processed, and no track id is used twice."""
    stamps = (1000.0, 1000.1, 5000.0, 5000.1, 2.0, 2.1, 2e9, 2e9 + 0.1, 0.5, 0.6)
    ids = [head_track(camera, stamp) for stamp in stamps]
    assert ids[::2] == ids[1::2]
    assert ids[::2] == sorted(set(ids))


def test_images_in_wrong_order_keep_their_track(camera: Camera) -> None:
    """Stamps that go back by less than 0.1 s are no jump."""
    assert len({head_track(camera, stamp) for stamp in (0.6, 0.7, 0.65, 0.8)}) == 1


def test_constant_stamps_keep_the_track(start_node: StartNode, peer: Peer) -> None:
    """Time is that of the arrival, which diagnostics report, until the stamps go on."""
    start_node('-p', 'track_timeout:=20.0')
    monitor, camera = Monitor(peer), Camera(peer)
    camera.connect()
    ids = {head_track(camera, 100.0)}
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        peer.spin(0.1)
        ids.add(head_track(camera, 100.0))
    monitor.wait_for('images', DiagnosticStatus.WARN, 'no_stamps')
    ids |= {head_track(camera, stamp) for stamp in (100.1, 100.2, 100.15, 100.3)}
    assert len(ids) == 1
    assert head_track(camera, 99.0) > max(ids)


def test_simulated_clock_that_stops_or_is_set_back(start_node: StartNode, peer: Peer) -> None:
    """Images are processed, diagnostics continue, and timeouts are of real time."""
    start_node('-p', 'use_sim_time:=true')
    monitor = Monitor(peer)
    clock = peer.node.create_publisher(Clock, '/clock', RELIABLE)
    camera = Camera(peer)
    camera.connect()
    ids = []
    for now in (1000, 2000, 10):
        clock.publish(Clock(clock=Time(sec=now)))
        peer.spin(0.2)
        ids.append(head_track(camera, float(now)))
        assert int(monitor.next_values()['processed']) > 0
    assert len(set(ids)) == len(ids)
    response = peer.call(
        GetFaces, '/face_classification/get_faces', GetFaces.Request(max_age=0.0, timeout=0.5)
    )
    assert (response.success, response.message) == (False, 'no image arrived within 0.5 s')


# High load


def times_to_faces(camera: Camera, count: int) -> list[float]:
    """Publish images one by one, and return the seconds until the faces of each."""
    message = image_message(HEAD)
    times = []
    for _ in range(count):
        begin = time.monotonic()
        camera.result_of(message)
        times.append(time.monotonic() - begin)
    return times


@pytest.mark.parametrize('topic', ['faces', 'image_annotated'])
def test_stopped_subscriber_does_not_block_others(
    camera: Camera, domain: int, topic: str, record_property: Record
) -> None:
    """A reliable subscriber is stopped by a signal; all others receive all faces meanwhile."""
    with peer_process(domain, 'reader', f'/face_classification/{topic}') as reader:
        assert reader.stdout is not None
        while not select.select([reader.stdout], [], [], 0.0)[0]:
            camera.result_of(image_message(HEAD))
        first_time(reader)
        before = times_to_faces(camera, 20)
        reader.send_signal(signal.SIGSTOP)
        stopped = times_to_faces(camera, 60)
        reader.send_signal(signal.SIGCONT)
        times_to_faces(camera, 5)
    ratio = statistics.median(stopped) / statistics.median(before)
    record_property(f'reader of {topic} stopped: time to faces over that before', ratio)
    record_property(f'reader of {topic} stopped: longest time to faces', max(stopped))


def test_two_hundred_faces(start_node: StartNode, peer: Peer, record_property: Record) -> None:
    """All are found, and each keeps a track id of its own."""
    start_node('-p', 'detection_size:=1600', '-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    message = image_message(np.tile(crowd(100, 1600, 600), (2, 1, 1)))
    begin = time.monotonic()
    first = camera.result_of(message)
    record_property('200 faces: time to faces', time.monotonic() - begin)
    second = camera.result_of(message)
    ids = [{each.track_id for each in result.faces} for result in (first, second)]
    assert len(first.faces) == 200
    assert len(ids[0]) == 200
    assert ids[0] == ids[1]


def test_image_of_twelve_megapixels(
    start_node: StartNode, peer: Peer, record_property: Record
) -> None:
    """Its box is in its own pixels, and smaller images are processed afterwards."""
    start_node('-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    message = image_message(np.asarray(cv2.resize(HEAD, (4000, 3000)), np.uint8))
    begin = time.monotonic()
    result = camera.result_of(message)
    record_property('12 megapixels: time to faces', time.monotonic() - begin)
    (face,) = result.faces
    x, y = 4000 / HEAD.shape[1], 3000 / HEAD.shape[0]
    expected = BoundingBox(FACE.x * x, FACE.y * y, FACE.width * x, FACE.height * y)
    assert box_of(face).iou(expected) > 0.4
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


def test_two_nodes_of_one_name_both_work(start_node: StartNode, peer: Peer) -> None:
    """When one ends the other continues; `test_name_conflicts.py` tests the diagnostics."""
    nodes = [start_node(), start_node()]
    arrivals = Arrivals(peer)
    camera = Camera(peer)
    camera.connect()
    peer.wait_for(lambda: camera.matches() == 2, 'both nodes')

    def both_publish() -> bool:
        header = camera.publish(image_message(HEAD))
        peer.spin(0.5)
        return sum(each.header == header for _, each in arrivals.results) == 2

    peer.wait_for(both_publish, 'faces of both nodes')
    assert nodes[0].stop() == 0
    camera.results.clear()
    assert len(camera.result_of(image_message(HEAD)).faces) == 1


def test_overloaded_processor(start_node: StartNode, peer: Peer, record_property: Record) -> None:
    """Images are superseded and counted, the newest is processed, and the node recovers."""
    start_node(
        *('-p', 'detection_size:=640', '-p', 'detection_interval:=1'),
        *('-p', 'image_reliability:=reliable'),
    )
    monitor, camera = Monitor(peer), Camera(peer)
    camera.connect()
    message = image_message(np.tile(HEAD, (2, 3, 1)))
    before = monitor.next_values()
    with busy_processor():
        begin = time.monotonic()
        for number in range(90):
            camera.publish(message)
            peer.spin(max(0.0, begin + number / 30 - time.monotonic()))
        newest = time.monotonic()
        camera.result_of(message)
        record_property('overload: newest image to its faces', time.monotonic() - newest)
    begin = time.monotonic()
    camera.result_of(message)
    record_property('overload: its end to the next faces', time.monotonic() - begin)
    after = monitor.next_values()
    ways = ('received', 'superseded', 'lost in transport')
    changes = {name: int(after[name]) - int(before[name]) for name in (*ways, 'processed')}
    assert sum(changes[name] for name in ways) == 92
    assert changes['processed'] == changes['received']
    record_property('overload: fraction of 30 Hz processed', changes['processed'] / 92)

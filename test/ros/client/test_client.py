"""The client of behaviors with the node as a process, over DDS, and a camera that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
import cv2
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_peers import (
    BLANK,
    FACE,
    HEAD,
    LATCHED,
    LiveCamera,
    NodeProcess,
    Peer,
    TIMEOUT,
)

from face_classification_ros.ros.client.client import (
    confident_label,
    FaceClient,
    FaceClientError,
    FaceSnapshot,
    Observation,
    Outcome,
    Progress,
    RequestRejectedError,
    ResponseTimeoutError,
    ServerUnavailableError,
)
from face_classification_ros.ros.processes import LOCK_LIMIT
from face_classification_ros.types import Face

NODE = '/face_classification'

StartNode = Callable[..., NodeProcess]


@pytest.fixture
def client(peer: Peer) -> Iterator[FaceClient]:
    """Give a client that is patient, as machines that test are busy."""
    with FaceClient(NODE, node=peer.node, server_timeout=TIMEOUT) as client:
        yield client


@pytest.fixture
def camera(start_node: StartNode, peer: Peer, client: FaceClient) -> Iterator[LiveCamera]:
    """Give a camera that shows a head, and the node that looks through it."""
    start_node()
    camera = LiveCamera(peer, HEAD)
    try:
        assert client.wait_for_face(TIMEOUT) is not None
        yield camera
    finally:
        camera.close()


def head_in(view: FaceSnapshot) -> Face:
    """Give the one face of a view."""
    (face,) = view.faces
    return face


# Questions


def test_view_is_what_the_camera_shows(camera: LiveCamera, client: FaceClient) -> None:
    """Everything comes as plain values: where, who, how sure, in which picture."""
    view = client.get_faces(max_age=0, timeout=TIMEOUT)
    assert (view.width, view.height, view.frame_id) == (200, 200, 'head_camera')
    assert 0 <= time.time() - view.stamp < TIMEOUT
    face = head_in(view)
    assert face.detection.box.iou(FACE) > 0.6
    assert len(face.detection.landmarks) == 5
    assert face.position is None
    assert face.gender is not None and face.emotion is not None
    assert face.gender.labels == ('woman', 'man')
    assert face.gender.probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert face.first_seen <= view.stamp
    assert client.get_faces(max_age=0, timeout=TIMEOUT).stamp > view.stamp
    doubtful = client.get_faces(max_age=0, timeout=TIMEOUT, min_confidence=1.0)
    assert doubtful.faces == ()


def test_face_is_waited_for(camera: LiveCamera, client: FaceClient) -> None:
    """Pictures without anybody go by until somebody comes, or the time is over."""
    camera.show(BLANK)
    while client.get_faces(max_age=0, timeout=TIMEOUT).faces:
        pass
    assert client.wait_for_face(0.5) is None
    timer = threading.Timer(0.3, camera.show, [HEAD])
    timer.start()
    view = client.wait_for_face(TIMEOUT)
    timer.join()
    assert view is not None
    assert head_in(view).track_id


def test_camera_that_stands_still_is_no_empty_room(camera: LiveCamera, client: FaceClient) -> None:
    """Nobody in view and nothing seen are told apart."""
    camera.show(None)
    with pytest.raises(RequestRejectedError, match=r'no picture came within 0\.5 s'):
        for _ in range(100):
            # What was still on its way may come.
            client.wait_for_face(0.5, max_age=0)


def test_people_are_counted_once(camera: LiveCamera, client: FaceClient) -> None:
    """Somebody in many pictures is one person."""
    client.observe(frames=5, duration=TIMEOUT)
    count = client.count_people(window=TIMEOUT)
    assert (count.women, count.men, count.unknown, count.total) == (1, 0, 0, 1)


def test_still_picture_is_classified(camera: LiveCamera, client: FaceClient) -> None:
    """As an array and as a file; what is no picture is refused with the reason."""
    camera.show(BLANK)
    view = client.classify_image(HEAD)
    assert head_in(view).detection.box.iou(FACE) > 0.6
    assert confident_label(head_in(view).gender) == 'woman'
    for suffix in ('.png', '.jpg'):
        file = cv2.imencode(suffix, HEAD)[1].tobytes()
        assert head_in(client.classify_image(file)).detection.box.iou(FACE) > 0.6
    with pytest.raises(RequestRejectedError, match='JPEG'):
        client.classify_image(b'no picture')
    with pytest.raises(ValueError, match='float64, 4 x 4: expected uint8'):
        client.classify_image(np.zeros((4, 4)))  # type: ignore[arg-type]


# Observations


def test_observation_tells_the_aggregate(camera: LiveCamera, client: FaceClient) -> None:
    """As many pictures as were asked for, told while they come, in the caller's thread."""
    progress: list[Progress] = []
    num_threads = set()

    def take(each: Progress) -> None:
        progress.append(each)
        num_threads.add(threading.get_ident())

    told = client.observe(frames=5, duration=0, timeout=TIMEOUT, on_feedback=take)
    assert told.outcome is Outcome.COMPLETED, told
    (face,) = told.faces
    assert face.gender is not None and face.gender.frame_count == 5
    assert confident_label(face.gender) == 'woman'
    assert confident_label(face.emotion) == 'happy'
    counts = [each.frames for each in progress]
    assert counts == sorted(set(counts)) and counts[0] >= 1
    assert {each.faces[0].track_id for each in progress} == {face.track_id}
    assert num_threads == {threading.get_ident()}


def test_observation_ends_by_its_time_out_with_what_there_is(
    camera: LiveCamera, client: FaceClient
) -> None:
    """A goal that would take for ever is cancelled."""
    told = client.observe(frames=1_000_000, duration=0, timeout=1.0)
    assert told.outcome is Outcome.CANCELED, told
    (face,) = told.faces
    assert face.gender is not None and face.gender.frame_count >= 1


def test_callback_that_raises_ends_the_observation(
    camera: LiveCamera, client: FaceClient, peer: Peer
) -> None:
    """The exception comes out, and the node watches nobody any more."""
    arrays = peer.collect(GoalStatusArray, f'{NODE}/observe/_action/status', LATCHED)

    def fail(progress: Progress) -> None:
        raise LookupError('enough')

    with pytest.raises(LookupError, match='enough'):
        client.observe(frames=1_000_000, duration=0, timeout=TIMEOUT, on_feedback=fail)
    peer.wait_for(
        lambda: arrays and arrays[-1].status_list[-1].status == GoalStatus.STATUS_CANCELED,
        'the goal to be cancelled',
    )


def test_observation_goes_on_beside_other_work(camera: LiveCamera, client: FaceClient) -> None:
    """As a behavior tree has it: begun, looked after, cancelled."""
    watching = client.start_observation('all', frames=1_000_000, duration=0)
    while (progress := watching.progress()) is None or progress.frames < 2:
        assert not watching.is_done()
        assert client.get_faces(max_age=TIMEOUT).faces
    with pytest.raises(ResponseTimeoutError, match=r'has not ended within 0\.1 s'):
        watching.result(0.1)
    watching.cancel()
    told = watching.result(TIMEOUT)
    assert watching.is_done()
    assert told.outcome is Outcome.CANCELED
    assert len(told.faces) == 1
    watching.cancel()
    assert watching.result(0).faces[0].track_id == told.faces[0].track_id


def test_observation_gives_way_to_the_next(camera: LiveCamera, client: FaceClient) -> None:
    """The first is told so, with what it has; the second is not disturbed."""
    first = client.start_observation(frames=1_000_000, duration=0)
    second = client.start_observation(frames=3, duration=TIMEOUT)
    assert first.result(TIMEOUT).outcome is Outcome.PREEMPTED
    assert second.result(TIMEOUT).outcome is Outcome.COMPLETED


def test_observation_of_who_is_not_there(camera: LiveCamera, client: FaceClient) -> None:
    """A track that is not there has left; in an empty room there is nobody."""
    told = client.observe('no such track', duration=0.5, timeout=TIMEOUT)
    assert told.outcome is Outcome.LOST
    camera.show(BLANK)
    while client.get_faces(max_age=0, timeout=TIMEOUT).faces:
        pass
    told = client.observe(duration=0.5, timeout=TIMEOUT)
    assert (told.outcome, told.faces) == (Outcome.NO_FACE, ())
    assert 'nobody' in told.reason


def test_observation_without_an_end_is_refused(client: FaceClient) -> None:
    """It is refused before anything is asked, as no node is there."""
    with pytest.raises(ValueError, match='needs an end'):
        client.observe(duration=0)


# Commands


def test_node_is_switched_off_and_on(camera: LiveCamera, client: FaceClient) -> None:
    """While it is off, whoever asks is told so."""
    client.enable(False)
    with pytest.raises(RequestRejectedError, match=r'(?i)disabled|off'):
        client.get_faces(timeout=TIMEOUT)
    assert client.observe(duration=5.0).outcome is Outcome.INTERRUPTED
    client.enable()
    assert client.get_faces(max_age=0, timeout=TIMEOUT).faces
    assert client.state() == 'active'


def test_tracks_are_reset(camera: LiveCamera, client: FaceClient) -> None:
    """The same face is somebody new."""
    before = head_in(client.get_faces(timeout=TIMEOUT)).track_id
    client.reset_tracks()
    assert head_in(client.get_faces(max_age=0, timeout=TIMEOUT)).track_id != before


# Where it is called


def test_callback_may_ask(camera: LiveCamera, client: FaceClient, peer: Peer) -> None:
    """A callback of a single-threaded executor gets its answers, and the executor goes on."""
    told: list[Any] = []

    def ask() -> None:
        timer.cancel()
        told.append(client.get_faces(max_age=TIMEOUT))
        told.append(client.observe(frames=2, duration=TIMEOUT))

    timer = peer.node.create_timer(0.01, ask)
    peer.wait_for(lambda: len(told) == 2, 'the answers')
    assert isinstance(told[0], FaceSnapshot) and isinstance(told[1], Observation)
    later: list[bool] = []
    peer.node.create_timer(0.01, lambda: later.append(True))
    peer.wait_for(lambda: later, 'another callback')


def test_threads_ask_at_once(camera: LiveCamera, client: FaceClient) -> None:
    """None gets the answer of another, and none is left without."""

    def ask(number: int) -> bool:
        if number % 2:
            return client.get_faces(max_age=0, timeout=TIMEOUT).width == HEAD.shape[1]
        return client.count_people(TIMEOUT).total >= 1

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(40)))


def test_relative_name_is_that_of_the_behavior(start_node: StartNode, domain: int) -> None:
    """A behavior in the namespace of a robot asks the robot's own node."""
    start_node('-r', '__ns:=/robot/head_cam')
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node('behavior', namespace='/robot', context=context)
    try:
        with FaceClient(
            'head_cam/face_classification', node=node, server_timeout=TIMEOUT
        ) as client:
            assert client.node_name == '/robot/head_cam/face_classification'
            assert client.state() == 'active'
    finally:
        node.destroy_node()
        context.shutdown()


# What fails


def test_missing_node_is_named_and_others_are_told(start_node: StartNode, peer: Peer) -> None:
    """Whoever forgot a namespace reads in one line what to write."""
    with FaceClient(NODE, node=peer.node, server_timeout=0.5) as client:
        with pytest.raises(ServerUnavailableError) as nobody:
            client.get_faces()
        assert str(nobody.value) == (
            'no service /face_classification/get_faces within 0.5 s: there is no node '
            '/face_classification, nor another that tells of faces'
        )
        with pytest.raises(ServerUnavailableError, match='no action /face_classification/observe'):
            client.observe()
    start_node('-r', '__ns:=/head_cam')
    with FaceClient(NODE, node=peer.node, server_timeout=0.5) as client:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            with pytest.raises(ServerUnavailableError) as elsewhere:
                client.count_people(1.0)
            if str(elsewhere.value).endswith(', but /head_cam/face_classification'):
                return
    pytest.fail(str(elsewhere.value))


def test_node_that_does_not_look_yet_says_so(start_node: StartNode, client: FaceClient) -> None:
    """The state of its life cycle is in the reason."""
    start_node('-p', 'autostart:=false', until_active=False)
    with pytest.raises(RequestRejectedError, match='unconfigured'):
        client.get_faces()
    assert client.state() == 'unconfigured'


def test_node_that_dies_holds_nobody_up(
    camera: LiveCamera, client: FaceClient, start_node: StartNode, peer: Peer
) -> None:
    """An observation of a node that is killed ends with an error, in time."""
    with FaceClient(
        '/victim/face_classification', node=peer.node, server_timeout=TIMEOUT
    ) as client_node:
        node = start_node('-r', '__ns:=/victim')
        watching = client_node.start_observation(duration=TIMEOUT)
        node.kill()
        watching.cancel()
        with pytest.raises(ResponseTimeoutError, match=r'has not ended within 1\.0 s'):
            watching.result(1.0)
    # Until Fast DDS has given up what the dead one may have locked.
    time.sleep(LOCK_LIMIT)


def test_end_of_ros_ends_what_waits(start_node: StartNode, domain: int) -> None:
    """Whoever waits in another thread is told; whoever asks afterwards, too."""
    start_node()
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node('behavior', context=context)
    client = FaceClient(NODE, node=node, server_timeout=TIMEOUT)
    other = FaceClient(NODE, node=node, server_timeout=TIMEOUT)
    assert client.state() == other.state() == 'active'
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(each.get_faces, 0, TIMEOUT) for each in (client, other)]
        time.sleep(0.3)
        other.close()
        assert str(waiting[1].exception(TIMEOUT)) == 'the client was closed'
        node.destroy_node()
        context.shutdown()
        assert str(waiting[0].exception(TIMEOUT)) == 'ROS was shut down'
    for each in (client, other):
        with pytest.raises(FaceClientError):
            each.get_faces()
        each.close()
        each.close()


PROGRAM = """
from face_classification_ros.ros.client.client import FaceClient

client = FaceClient(patience=60.0)
print(client.state())
"""


def test_program_without_ros_of_its_own_ends_well(
    start_node: StartNode, domain: int, tmp_path: Path
) -> None:
    """A script that neither starts ROS nor closes the client says and leaves nothing bad."""
    start_node()
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM],
        capture_output=True,
        text=True,
        timeout=2 * TIMEOUT,
        cwd=tmp_path,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, 'active\n', '')

"""The client with the node as a process, over DDS, and a camera that runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
import threading
import time
from typing import Any

from action_msgs.msg import GoalStatus, GoalStatusArray
import cv2
import numpy as np
import pytest
from rendered_head import CAMERA, render_head, rotation
from ros_peers import BLANK, FACE, HEAD, LATCHED, LiveCamera, NodeProcess, Peer, TIMEOUT

from face_classification_ros.ros.client import (
    confident_label,
    Face,
    FaceClient,
    FaceSnapshot,
    Observation,
    Outcome,
    Progress,
    RequestRejectedError,
    ResponseTimeoutError,
)

NODE = '/face_classification'
ENDLESS = 1_000_000
"""More images than any test sends."""

StartNode = Callable[..., NodeProcess]


@pytest.fixture
def client(peer: Peer) -> Iterator[FaceClient]:
    """Return a client with a long timeout, because machines that run tests are busy."""
    with FaceClient(NODE, node=peer.node, server_timeout=TIMEOUT) as client:
        yield client


@pytest.fixture
def camera(start_node: StartNode, peer: Peer, client: FaceClient) -> Iterator[LiveCamera]:
    """Return a camera that shows a head, to a node that has seen it."""
    start_node()
    camera = LiveCamera(peer, HEAD)
    try:
        assert client.wait_for_face(TIMEOUT) is not None
        yield camera
    finally:
        camera.close()


def only_face(faces: tuple[Face, ...]) -> Face:
    """Return the one face."""
    (face,) = faces
    return face


def show_blank(camera: LiveCamera, client: FaceClient) -> None:
    """Show images without a face, and wait until the node has seen one."""
    camera.show(BLANK)
    while client.get_faces(max_age=0, timeout=TIMEOUT).faces:
        pass


# Queries


def test_snapshot_describes_the_image(camera: LiveCamera, client: FaceClient) -> None:
    """Size, frame and stamp are those of the image, and a later image has a later stamp."""
    snapshot = client.get_faces(max_age=0, timeout=TIMEOUT)
    assert (snapshot.width, snapshot.height) == (200, 200)
    assert snapshot.frame_id == snapshot.position_frame_id == 'head_camera'
    assert 0 <= time.time() - snapshot.stamp < TIMEOUT
    assert client.get_faces(max_age=0, timeout=TIMEOUT).stamp > snapshot.stamp


def test_face_has_all_attributes_of_the_node(camera: LiveCamera, client: FaceClient) -> None:
    """Attributes are found by name, in the order of the models, with their labels."""
    snapshot = client.get_faces(max_age=0, timeout=TIMEOUT)
    face = only_face(snapshot.faces)
    assert face.detection.box.iou(FACE) > 0.6
    assert len(face.detection.landmarks) == 5
    assert face.position is None
    assert face.first_seen <= snapshot.stamp
    assert list(face.attributes) == ['gender', 'emotion', 'age']
    assert face.attributes['gender'].labels == ('woman', 'man')
    for estimate in face.attributes.values():
        assert estimate.probabilities.sum() == pytest.approx(1, abs=1e-4)


def test_faces_below_the_minimum_confidence_are_left_out(
    camera: LiveCamera, client: FaceClient
) -> None:
    """No detector is entirely certain, so the highest minimum leaves no face."""
    assert client.get_faces(max_age=0, timeout=TIMEOUT, min_confidence=1.0).faces == ()


def test_wait_for_face_returns_none_without_a_face(camera: LiveCamera, client: FaceClient) -> None:
    """Images without a face are not an error, whether or not one comes while the client waits."""
    show_blank(camera, client)
    assert client.wait_for_face(0.5, max_age=TIMEOUT) is None


def test_wait_for_face_returns_the_first_face(camera: LiveCamera, client: FaceClient) -> None:
    """Somebody who comes into view while the client waits is returned."""
    show_blank(camera, client)
    timer = threading.Timer(0.3, camera.show, [HEAD])
    timer.start()
    snapshot = client.wait_for_face(TIMEOUT)
    timer.join()
    assert snapshot is not None
    assert only_face(snapshot.faces).track_id


def test_wait_for_face_waits_for_somebody_who_looks(
    start_node: StartNode, peer: Peer, client: FaceClient
) -> None:
    """A head that is turned away is a face that does not look; then it turns to the camera."""
    away, facing = (render_head(CAMERA, rotation(yaw), (0.0, 0.0, 0.45)) for yaw in (45, 0))
    start_node()
    camera = LiveCamera(peer, away)
    try:
        assert client.wait_for_face(TIMEOUT) is not None
        assert client.wait_for_face(3.0, max_age=TIMEOUT, looking=True) is None
        assert client.get_faces(max_age=0, timeout=TIMEOUT, looking=True).faces == ()
        observation = client.observe('looking', duration=0.5)
        assert observation.outcome is Outcome.NO_FACE
        camera.show(facing)
        snapshot = client.wait_for_face(TIMEOUT, max_age=0, looking=True)
        assert snapshot is not None
        assert only_face(snapshot.faces).is_looking
        observation = client.observe('looking', frames=2, duration=TIMEOUT)
        assert observation.outcome is Outcome.COMPLETED
        assert only_face(observation.faces).track_id == only_face(snapshot.faces).track_id
    finally:
        camera.close()


def test_wait_for_face_fails_without_images(camera: LiveCamera, client: FaceClient) -> None:
    """A camera that stopped is not the same as an empty room."""
    camera.show(None)
    with pytest.raises(RequestRejectedError) as caught:
        for _ in range(100):
            # Images that were sent before may still arrive.
            client.wait_for_face(0.5, max_age=0)
    assert caught.value.server == f'{NODE}/get_faces'
    assert caught.value.code == 'no_image_in_time'
    assert caught.value.reason == 'no image arrived within 0.5 s'


def test_person_in_many_images_counts_once(camera: LiveCamera, client: FaceClient) -> None:
    """Counts have all labels of the attribute; the first attribute is the default."""
    client.observe(frames=5, duration=TIMEOUT)
    by_gender = client.count_people(window=TIMEOUT)
    assert (by_gender.counts, by_gender.unknown) == ({'woman': 1, 'man': 0}, 0)
    assert by_gender.total == 1
    by_emotion = client.count_people(window=TIMEOUT, attribute='emotion')
    assert by_emotion.counts['happy'] == by_emotion.total == 1
    assert len(by_emotion.counts) == 7


def test_people_are_not_counted_by_an_attribute_that_does_not_exist(
    camera: LiveCamera, client: FaceClient
) -> None:
    """The node rejects an attribute that none of its models estimates."""
    with pytest.raises(RequestRejectedError) as caught:
        client.count_people(window=TIMEOUT, attribute='shoe_size')
    assert caught.value.server == f'{NODE}/count_people'
    assert 'shoe_size' in caught.value.reason


def test_still_image_is_classified(camera: LiveCamera, client: FaceClient) -> None:
    """An array, a PNG file and a JPEG file give the same face, without a track."""
    camera.show(BLANK)
    face = only_face(client.classify_image(HEAD).faces)
    assert face.detection.box.iou(FACE) > 0.6
    assert confident_label(face.attributes['gender']) == 'woman'
    assert face.track_id == ''
    for suffix in ('.png', '.jpg'):
        file = cv2.imencode(suffix, HEAD)[1].tobytes()
        assert only_face(client.classify_image(file).faces).detection.box.iou(FACE) > 0.6


def test_bytes_that_are_no_image_are_rejected(camera: LiveCamera, client: FaceClient) -> None:
    """The node reports that it cannot decode them."""
    with pytest.raises(RequestRejectedError) as caught:
        client.classify_image(b'no image')
    assert caught.value.server == f'{NODE}/classify_image'
    assert 'JPEG' in caught.value.reason


def test_array_of_another_type_is_not_sent(client: FaceClient) -> None:
    """It raises a ValueError without a node."""
    with pytest.raises(ValueError, match='float64'):
        client.classify_image(np.zeros((4, 4)))  # type: ignore[arg-type]


# Observations


def test_observation_returns_the_mean_of_all_images(
    camera: LiveCamera, client: FaceClient
) -> None:
    """It ends with the requested number of images."""
    observation = client.observe(frames=5, duration=0, timeout=TIMEOUT)
    assert observation.outcome is Outcome.COMPLETED, observation
    face = only_face(observation.faces)
    assert face.attributes['gender'].frame_count == 5
    labels = {name: confident_label(each) for name, each in face.attributes.items()}
    assert list(labels) == ['gender', 'emotion', 'age']
    assert (labels['gender'], labels['emotion']) == ('woman', 'happy')


def test_feedback_comes_in_the_calling_thread(camera: LiveCamera, client: FaceClient) -> None:
    """Each feedback has more images than the one before."""
    progress: list[Progress] = []
    threads = set()

    def take(each: Progress) -> None:
        progress.append(each)
        threads.add(threading.get_ident())

    observation = client.observe(frames=5, duration=0, timeout=TIMEOUT, on_feedback=take)
    counts = [each.frames for each in progress]
    assert counts == sorted(set(counts)) and counts[0] >= 1
    observed = only_face(observation.faces).track_id
    assert {only_face(each.faces).track_id for each in progress} == {observed}
    assert threads == {threading.get_ident()}


def test_observation_is_canceled_after_its_timeout(camera: LiveCamera, client: FaceClient) -> None:
    """The result has the images until then."""
    observation = client.observe(frames=ENDLESS, duration=0, timeout=1.0)
    assert observation.outcome is Outcome.CANCELED, observation
    assert only_face(observation.faces).attributes['gender'].frame_count >= 1


def test_timeout_of_an_observation_follows_its_duration(
    camera: LiveCamera, client: FaceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default it is the duration and a margin, so that no duration is too long."""
    duration = 10 * TIMEOUT
    monkeypatch.setattr(
        'face_classification_ros.ros.client.client.OBSERVATION_MARGIN', 1 - duration
    )
    observation = client.observe(duration=duration)
    assert observation.outcome is Outcome.CANCELED, observation


def test_callback_that_raises_cancels_the_observation(
    camera: LiveCamera, client: FaceClient, peer: Peer
) -> None:
    """The exception is passed on, and the goal ends in the node."""
    arrays = peer.collect(GoalStatusArray, f'{NODE}/observe/_action/status', LATCHED)

    def fail(progress: Progress) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        client.observe(frames=ENDLESS, duration=0, timeout=TIMEOUT, on_feedback=fail)
    peer.wait_for(
        lambda: arrays and arrays[-1].status_list[-1].status == GoalStatus.STATUS_CANCELED,
        'the goal to be canceled',
    )


def test_observation_runs_in_parallel_to_queries(camera: LiveCamera, client: FaceClient) -> None:
    """As in a behavior tree: started, polled, canceled; its result can be read twice."""
    handle = client.start_observation('all', frames=ENDLESS, duration=0)
    while (progress := handle.progress()) is None or progress.frames < 2:
        assert not handle.is_done()
        assert client.get_faces(max_age=TIMEOUT).faces
    with pytest.raises(ResponseTimeoutError) as caught:
        handle.result(0.1)
    assert caught.value.timeout == 0.1
    handle.cancel()
    observation = handle.result(TIMEOUT)
    assert handle.is_done()
    assert observation.outcome is Outcome.CANCELED
    handle.cancel()
    again = handle.result(0)
    assert only_face(again.faces).track_id == only_face(observation.faces).track_id


def test_new_observation_preempts_the_running_one(camera: LiveCamera, client: FaceClient) -> None:
    """The first ends with what it has; the second is not affected."""
    first = client.start_observation(frames=ENDLESS, duration=0)
    second = client.start_observation(frames=3, duration=TIMEOUT)
    assert first.result(TIMEOUT).outcome is Outcome.PREEMPTED
    assert second.result(TIMEOUT).outcome is Outcome.COMPLETED


def test_observation_of_an_absent_track_is_lost(camera: LiveCamera, client: FaceClient) -> None:
    """A track that does not exist is one that has left."""
    observation = client.observe('no such track', duration=0.5, timeout=TIMEOUT)
    assert observation.outcome is Outcome.LOST


def test_observation_of_an_empty_room_has_no_face(camera: LiveCamera, client: FaceClient) -> None:
    """It ends after its duration."""
    show_blank(camera, client)
    observation = client.observe(duration=0.5, timeout=TIMEOUT)
    assert (observation.outcome, observation.faces) == (Outcome.NO_FACE, ())


def test_observation_without_a_limit_is_not_sent(client: FaceClient) -> None:
    """It raises a ValueError without a node."""
    with pytest.raises(ValueError, match='duration'):
        client.observe(duration=0)


def test_observation_with_an_invalid_duration_is_rejected(
    camera: LiveCamera, client: FaceClient
) -> None:
    """By the node, with the reason; the result of a handle raises it."""
    handle = client.start_observation(frames=1, duration=-1.0)
    with pytest.raises(RequestRejectedError) as caught:
        handle.result(TIMEOUT)
    assert (caught.value.server, caught.value.code) == (f'{NODE}/observe', 'invalid_request')
    assert 'duration -1.0' in caught.value.reason


# Commands


def test_disabled_node_rejects_requests(camera: LiveCamera, client: FaceClient) -> None:
    """Observations also; all works again when the node is enabled."""
    client.enable(False)
    with pytest.raises(RequestRejectedError) as queried:
        client.get_faces(timeout=TIMEOUT)
    with pytest.raises(RequestRejectedError) as observed:
        client.observe(duration=5.0)
    assert f'{NODE}/enable' in queried.value.reason
    assert (queried.value.code, observed.value.code) == ('disabled', 'disabled')
    assert (observed.value.server, observed.value.reason) == (
        f'{NODE}/observe',
        queried.value.reason,
    )
    client.enable()
    assert client.get_faces(max_age=0, timeout=TIMEOUT).faces
    assert client.state() == 'active'


def test_reset_starts_new_tracks(camera: LiveCamera, client: FaceClient) -> None:
    """The same face has a new track id afterwards."""
    before = only_face(client.get_faces(timeout=TIMEOUT).faces).track_id
    client.reset_tracks()
    after = only_face(client.get_faces(max_age=0, timeout=TIMEOUT).faces).track_id
    assert after != before


# Threads


def test_client_works_inside_a_callback(
    camera: LiveCamera, client: FaceClient, peer: Peer
) -> None:
    """A callback of a single-threaded executor gets its results, and the executor continues."""
    results: list[Any] = []

    def query() -> None:
        timer.cancel()
        results.append(client.get_faces(max_age=TIMEOUT))
        results.append(client.observe(frames=2, duration=TIMEOUT))

    timer = peer.node.create_timer(0.01, query)
    peer.wait_for(lambda: len(results) == 2, 'both results')
    assert isinstance(results[0], FaceSnapshot) and isinstance(results[1], Observation)
    later: list[bool] = []
    peer.node.create_timer(0.01, lambda: later.append(True))
    peer.wait_for(lambda: later, 'another callback')


def test_threads_share_a_client(camera: LiveCamera, client: FaceClient) -> None:
    """Every call gets its own response."""
    client.observe(frames=5, duration=TIMEOUT)

    def query(number: int) -> bool:
        if number % 2:
            return client.get_faces(max_age=0, timeout=TIMEOUT).width == HEAD.shape[1]
        return client.count_people(TIMEOUT).total >= 1

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(query, range(40)))

"""The services that behaviors ask, of the node as a process over DDS."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import signal
import time
from typing import Any

from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from rclpy.task import Future
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    compressed_message,
    FACE,
    HEAD,
    image_message,
    NodeProcess,
    Peer,
    RELIABLE,
)
from rosgraph_msgs.msg import Clock
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces

NODE = '/face_classification'
GENDERS = ['woman', 'man']

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


def get_faces(peer: Peer, **request: float) -> GetFaces.Response:
    """Ask for faces; the service may be called twice."""
    return peer.call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(**request))


def start_get_faces(peer: Peer, **request: float) -> Future:
    """Ask for faces and do not wait."""
    return peer.start_call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(**request))


def classify(peer: Peer, **pictures: Any) -> ClassifyImage.Response:
    """Have pictures classified."""
    return peer.call(ClassifyImage, f'{NODE}/classify_image', ClassifyImage.Request(**pictures))


def count(peer: Peer, window: float) -> tuple[int, int, int, int]:
    """Give women, men, unknown and total."""
    request = CountPeople.Request(window=window)
    answer = peer.call(CountPeople, f'{NODE}/count_people', request)
    return answer.women, answer.men, answer.unknown, answer.total


def enable(peer: Peer, on: bool) -> SetBool.Response:
    """Switch the work on pictures on or off."""
    return peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=on))


def reset_tracks(peer: Peer) -> Trigger.Response:
    """Start tracks anew."""
    return peer.call(Trigger, f'{NODE}/reset_tracks', Trigger.Request())


# get_faces


def test_newest_answer_is_given_up_to_its_age(camera: Camera, peer: Peer) -> None:
    """Age is that of the stamp; whoever may not wait is told how old the newest is."""
    answer = camera.ask(image_message(HEAD), stamp=time.time() - 100)
    given = get_faces(peer, max_age=1000.0)
    assert (given.success, given.message, given.faces) == (True, '', answer)
    old = get_faces(peer, max_age=50.0)
    assert not old.success
    assert float(old.message.removeprefix('the newest picture is ').split()[0]) >= 100
    assert len(old.faces.faces) == 0
    sure = answer.faces[0].detection_confidence
    assert len(get_faces(peer, max_age=1e6, min_confidence=sure - 0.01).faces.faces) == 1
    without = get_faces(peer, max_age=1e6, min_confidence=min(sure + 0.01, 1.0))
    assert without.success
    assert without.faces.header == answer.header
    assert len(without.faces.faces) == 0
    # A stamp from the future is that of a recording before it started again.
    camera.ask(image_message(HEAD), stamp=time.time() + 1000)
    assert not get_faces(peer, max_age=50.0).success


@pytest.mark.parametrize(
    'request_, reason',
    [
        ({'max_age': -1.0}, 'max_age -1.0: expected seconds'),
        ({'max_age': math.nan}, 'max_age nan'),
        ({'timeout': -1.0}, 'timeout -1.0: expected finite seconds'),
        ({'timeout': math.inf}, 'timeout inf'),
        ({'min_confidence': 1.5}, 'min_confidence 1.5: expected 0 to 1'),
        ({}, 'there was no picture yet'),
        ({'timeout': 0.2}, 'no picture came within 0.2 s'),
    ],
)
def test_question_without_an_answer_gets_a_reason(
    silent: Peer, request_: dict[str, float], reason: str
) -> None:
    """Values that cannot be, and pictures that do not come."""
    answer = get_faces(silent, **request_)
    assert not answer.success
    assert reason in answer.message


@pytest.fixture(scope='module')
def silent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a peer of a node that gets no picture."""
    from conftest import reserved_domain, running_nodes

    with (
        reserved_domain() as domain,
        running_nodes(domain, tmp_path_factory.mktemp('silent')) as start,
    ):
        start()
        peer = Peer(domain)
        yield peer
        peer.close()


def test_many_wait_for_the_next_picture_and_hold_up_nobody(camera: Camera, peer: Peer) -> None:
    """All get the same answer, that to the first picture after their question."""
    before = camera.ask(image_message(BLANK), stamp=time.time())
    assert get_faces(peer, max_age=1000.0).faces == before
    waiting = [start_get_faces(peer, timeout=60.0) for _ in range(5)]
    longest = start_get_faces(peer, timeout=3e38)
    # The node works meanwhile.
    assert peer.state() == 'active'
    assert get_faces(peer, max_age=1000.0).success
    assert not any(each.done() for each in waiting)
    answer = camera.ask(image_message(HEAD), stamp=time.time())
    peer.wait_for(lambda: all(each.done() for each in [*waiting, longest]), 'the answers')
    for each in [*waiting, longest]:
        assert each.result().success
        assert each.result().faces == answer


def test_no_question_is_lost_while_the_node_is_busy(start_node: StartNode, peer: Peer) -> None:
    """More come at once than DDS keeps for a service by default, which are ten."""
    node = start_node()
    client = peer.node.create_client(
        CountPeople, f'{NODE}/count_people', qos_profile=QoSProfile(depth=100)
    )
    count(peer, 1.0)
    peer.wait_for(client.service_is_ready, 'the service')
    first = client.call_async(CountPeople.Request())
    peer.wait_for(first.done, 'the first answer')
    node.send(signal.SIGSTOP)
    try:
        asked = [client.call_async(CountPeople.Request()) for _ in range(50)]
        peer.spin(0.5)
    finally:
        node.send(signal.SIGCONT)
    peer.wait_for(lambda: all(each.done() for each in asked), 'all answers')


@pytest.mark.parametrize('how', ['deactivate', 'disable', 'shut down'])
def test_who_waits_is_told_when_the_node_stops_looking(
    camera: Camera, peer: Peer, how: str
) -> None:
    """So is whoever asks later, until pictures are worked on again."""
    camera.ask(image_message(HEAD), stamp=time.time())
    assert get_faces(peer, max_age=1000.0).success
    waiting = start_get_faces(peer, timeout=60.0)
    peer.spin(0.2)
    if how == 'disable':
        enable(peer, False)
        reason = f'the node is disabled; {NODE}/enable switches it on'
    elif how == 'deactivate':
        assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
        reason = 'the node is inactive'
    else:
        assert peer.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
        reason = 'the node is finalized'
    peer.wait_for(waiting.done, 'the answer')
    assert (waiting.result().success, waiting.result().message) == (False, reason)
    late = get_faces(peer, max_age=1000.0, timeout=60.0)
    assert (late.success, late.message) == (False, reason)
    if how == 'deactivate':
        assert peer.change_state(Transition.TRANSITION_CLEANUP)
        assert get_faces(peer, max_age=1000.0).message == 'the node is unconfigured'
        assert classify(peer, image=image_message(HEAD)).message == 'the node is unconfigured'


def test_age_is_that_of_simulated_time(start_node: StartNode, peer: Peer) -> None:
    """A recording of last year is new when it is played; the time-out is real all the same."""
    start_node('-p', 'use_sim_time:=true')
    camera = Camera(peer)
    camera.connect()
    clock = peer.node.create_publisher(Clock, '/clock', RELIABLE)

    def age_limit_holds(now: float, max_age: float) -> bool:
        clock.publish(Clock(clock=time_message(now)))
        peer.spin(0.1)
        return bool(get_faces(peer, max_age=max_age).success)

    camera.ask(image_message(HEAD), stamp=5000.0)
    peer.wait_for(lambda: age_limit_holds(5000.5, 0.6), 'a new picture')
    peer.wait_for(lambda: not age_limit_holds(5001.5, 0.6), 'an old picture')
    answer = get_faces(peer, timeout=0.2)
    assert answer.message == 'no picture came within 0.2 s'


@pytest.mark.parametrize('stamp', [0.0, 100.0])
def test_age_is_that_of_the_arrival_where_stamps_tell_no_time(
    camera: Camera, peer: Peer, stamp: float
) -> None:
    """Zero is no stamp, and one that stands still for a second says nothing either."""
    before = camera.ask(image_message(HEAD), stamp)
    if stamp:
        assert not get_faces(peer, max_age=1e6).success
        peer.spin(1.0)
        camera.answers.clear()
        before = camera.ask(image_message(HEAD), stamp)
    # Far more than it takes to ask, and far less than the age of such a stamp.
    given = get_faces(peer, max_age=1000.0)
    assert (given.success, given.faces) == (True, before)
    peer.spin(0.3)
    old = get_faces(peer, max_age=0.3)
    assert not old.success
    assert 0.3 <= float(old.message.removeprefix('the newest picture is ').split()[0]) < 1000


# classify_image


def test_still_pictures_are_classified(camera: Camera, peer: Peer) -> None:
    """Raw and compressed, with their own header and without an effect on tracks."""
    before = camera.ask(image_message(HEAD), stamp=100.0)
    large = np.zeros((300, 500, 3), np.uint8)
    large[50:250, 250:450] = HEAD
    raw = image_message(large)
    raw.header.frame_id, raw.header.stamp = 'album', time_message(7.5)
    compressed = compressed_message(large, 'png')
    compressed.header = raw.header
    for pictures in ({'image': raw}, {'compressed_image': compressed}):
        answer = classify(peer, **pictures)
        assert (answer.success, answer.message) == (True, '')
        assert answer.faces.header == raw.header
        assert (answer.faces.image_width, answer.faces.image_height) == (500, 300)
        (face,) = answer.faces.faces
        assert box_of(face).iou(FACE.translated(250, 50)) > 0.6
        assert face.track_id == ''
        assert (face.gender.label, face.gender.frame_count) == ('woman', 1)
        assert face.first_seen == raw.header.stamp
    blank = classify(peer, image=image_message(BLANK))
    assert blank.success
    assert len(blank.faces.faces) == 0
    after = camera.ask(image_message(HEAD), stamp=100.1)
    assert after.faces[0].track_id == before.faces[0].track_id
    assert after.faces[0].gender.frame_count == 2
    assert count(peer, 100.0) == (1, 0, 0, 1)
    assert peer.set_parameter('unknown_threshold_gender', 1.0).successful
    assert classify(peer, image=raw).faces.faces[0].gender.label == 'unknown'


def test_picture_that_cannot_be_read_gets_a_reason(start_node: StartNode, peer: Peer) -> None:
    """Also while the node is inactive, where good ones are classified."""
    start_node('-p', 'autostart:=false', until_active=False)
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert len(classify(peer, image=image_message(HEAD)).faces.faces) == 1
    short = image_message(HEAD)
    short.data = short.data[:-1000]
    broken = compressed_message(HEAD, 'jpeg')
    broken.data = broken.data[:200]
    depth = image_message(HEAD)
    depth.encoding = '32FC1'
    both = {'image': image_message(HEAD), 'compressed_image': compressed_message(HEAD, 'jpeg')}
    for pictures, reason in (
        ({}, 'expected one with data, neither is'),
        (both, 'expected one with data, both are'),
        ({'image': short}, 'bytes'),
        ({'compressed_image': broken}, 'compressed'),
        ({'image': depth}, '32FC1'),
    ):
        answer = classify(peer, **pictures)
        assert not answer.success
        assert reason in answer.message
        assert '\n' not in answer.message
    assert peer.state() == 'inactive'


# count_people


def test_people_are_counted_by_track_and_window(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """A bright face is a woman here, a dark one a man, and one between the two is unknown."""
    model = make_model({'gender': GENDERS})
    start_node('-p', f'gender_model:={model}', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect()
    (bright,) = camera.ask(image_message(HEAD)).faces
    p = bright.gender.frame_probabilities[0]
    assert p > 0.55
    assert peer.set_parameter('unknown_threshold_gender', p - 0.02).successful
    assert peer.set_parameter('smoothing_time', 0.0).successful
    assert count(peer, 600.0) == (0, 0, 1, 1)
    (again,) = camera.ask(image_message(HEAD)).faces
    assert again.track_id == bright.track_id
    assert count(peer, 600.0) == (1, 0, 0, 1)
    # So dark that the face is that of a man; much later, so that it is somebody else's.
    (dark,) = camera.ask(image_message(HEAD // 3), stamp=50.0).faces
    assert dark.track_id != bright.track_id
    assert dark.gender.label == 'man'
    assert count(peer, 600.0) == (1, 1, 0, 2)
    assert count(peer, 5.0) == (0, 1, 0, 1)
    assert count(peer, 0.0) == (0, 1, 0, 1)
    assert count(peer, math.nan) == (0, 1, 0, 1)
    assert peer.set_parameter('gender_model', '').successful
    camera.ask(image_message(HEAD), stamp=90.0)
    assert count(peer, 600.0) == (1, 1, 1, 3)
    camera.ask(image_message(BLANK), stamp=95.0)
    assert count(peer, 0.0) == (0, 0, 0, 0)


# enable and reset_tracks


def test_disabled_node_leaves_camera_and_processor_alone(camera: Camera, peer: Peer) -> None:
    """It unsubscribes until it is enabled again; saying it twice changes nothing."""
    (before,) = camera.ask(image_message(HEAD)).faces
    for _ in range(2):
        answer = enable(peer, False)
        assert (answer.success, answer.message) == (True, 'disabled')
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the subscription')
    assert peer.state() == 'active'
    # Neither a parameter nor a round of the life cycle switches it on.
    assert peer.set_parameter('image_reliability', 'reliable').successful
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert enable(peer, False).message == 'disabled, but the node is inactive'
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    peer.spin(0.3)
    assert peer.node.count_subscribers('/image') == 0
    for _ in range(2):
        answer = enable(peer, True)
        assert (answer.success, answer.message) == (True, 'enabled')
    camera.answers.clear()
    camera.connect()
    (after,) = camera.ask(image_message(HEAD)).faces
    assert after.track_id == before.track_id
    assert peer.node.count_subscribers('/image') == 1


def test_tracks_start_anew_on_request_and_when_time_is_set_back(
    start_node: StartNode, peer: Peer
) -> None:
    """Ids go on, people are counted anew, and the log tells of time."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    (first,) = camera.ask(image_message(HEAD), stamp=100.0).faces
    assert count(peer, 600.0)[3] == 1
    answer = reset_tracks(peer)
    assert (answer.success, answer.message) == (True, 'tracks start anew; no id is given twice')
    assert count(peer, 600.0)[3] == 0
    (second,) = camera.ask(image_message(HEAD), stamp=100.1).faces
    assert int(second.track_id) > int(first.track_id)
    assert second.gender.frame_count == 1
    assert 'time was set back' not in node.log
    (third,) = camera.ask(image_message(HEAD), stamp=50.0).faces
    node.wait_for_log('time was set back to 50.000 s, so tracks start anew')
    assert int(third.track_id) > int(second.track_id)
    assert count(peer, 600.0)[3] == 1


def test_client_that_goes_away_harms_nobody(camera: Camera, peer: Peer, domain: int) -> None:
    """Its answer has nowhere to go; pictures and other clients do."""
    for _ in range(3):
        other = Peer(domain, 'other')
        assert not get_faces(other, timeout=0.05).success
        start_get_faces(other, timeout=60.0)
        waiting = start_get_faces(peer, timeout=60.0)
        other.spin(0.2)
        other.close()
        peer.spin(0.2)
        answer = camera.ask(image_message(HEAD), stamp=time.time())
        peer.wait_for(waiting.done, 'the answer')
        assert waiting.result().faces == answer
    assert peer.state() == 'active'

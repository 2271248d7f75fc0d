"""The services of the node, as a process over DDS."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import re
import signal
import time
from typing import Any

from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from rclpy.task import Future
from rendered_head import CAMERA as RENDERING_CAMERA
from rendered_head import render_head, rotation
from ros_peers import (
    BLANK,
    box_of,
    Camera,
    compressed_message,
    estimate,
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
from face_classification_ros.ros.node import state
from face_classification_ros.srv import ClassifyImage, CountPeople, GetFaces
from face_classification_ros.types import Image

NODE = '/face_classification'
ROOT = Path(__file__).parents[3]

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


def get_faces(peer: Peer, **request: float) -> GetFaces.Response:
    """Request faces; the service may be called twice."""
    return peer.call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(**request))


def start_get_faces(peer: Peer, **request: float) -> Future:
    """Request faces without waiting for the response."""
    return peer.start_call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(**request))


def classify(peer: Peer, **images: Any) -> ClassifyImage.Response:
    """Request the faces of a still image."""
    return peer.call(ClassifyImage, f'{NODE}/classify_image', ClassifyImage.Request(**images))


def count(peer: Peer, window: float, attribute: str = '') -> CountPeople.Response:
    """Count people."""
    request = CountPeople.Request(window=window, attribute=attribute)
    return peer.call(CountPeople, f'{NODE}/count_people', request)


def count_every_track(peer: Peer) -> None:
    """Count each track as another person, however short it is."""
    counting = {'count_min_frames': 1, 'count_min_duration': 0.0, 'count_return_time': 0.0}
    assert peer.set_parameters(**counting).successful


def enable(peer: Peer, on: bool) -> SetBool.Response:
    """Enable or disable the node."""
    return peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=on))


def reset_tracks(peer: Peer) -> Trigger.Response:
    """Reset the tracks."""
    return peer.call(Trigger, f'{NODE}/reset_tracks', Trigger.Request())


# get_faces


def age_in(response: GetFaces.Response) -> float:
    """Return the age of the newest image in seconds that the message of a failure has."""
    return float(response.message.removeprefix('the newest image is ').split()[0])


def test_newest_faces_are_returned_up_to_their_age(camera: Camera, peer: Peer) -> None:
    """The age is that of the stamp."""
    response = camera.result_of(image_message(HEAD), stamp=time.time() - 100)
    given = get_faces(peer, max_age=1000.0)
    assert (given.success, given.code, given.message, given.faces) == (True, '', '', response)
    old = get_faces(peer, max_age=50.0)
    assert (old.success, old.code) == (False, 'image_too_old')
    assert age_in(old) >= 100
    assert len(old.faces.faces) == 0
    # A stamp from the future is that of a recording before it started again.
    camera.result_of(image_message(HEAD), stamp=time.time() + 1000)
    assert not get_faces(peer, max_age=50.0).success


def test_faces_of_a_lower_confidence_are_left_out(camera: Camera, peer: Peer) -> None:
    """The header remains that of the image."""
    result = camera.result_of(image_message(HEAD), stamp=time.time())
    confidence = result.faces[0].detection_confidence
    given = get_faces(peer, max_age=1e6, min_confidence=confidence - 0.01)
    assert given.faces == result
    given = get_faces(peer, max_age=1e6, min_confidence=min(confidence + 0.01, 1.0))
    assert given.success
    assert given.faces.header == result.header
    assert len(given.faces.faces) == 0


def test_faces_that_do_not_look_at_the_camera_are_left_out(
    start_node: StartNode, peer: Peer
) -> None:
    """Only if that is requested; a head that turns away and back is found again."""
    # A face that is followed has the orientation of the last image that was searched.
    start_node('-p', 'smoothing_time:=0.0', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect()
    for yaw, is_looking in ((0.0, True), (45.0, False), (-45.0, False), (0.0, True)):
        image = render_head(RENDERING_CAMERA, rotation(yaw), (0.0, 0.0, 0.45))
        (face,) = camera.result_of(image_message(image), stamp=time.time()).faces
        assert face.has_orientation
        assert (face.looking_at_camera >= 0.5) == is_looking
        looking = get_faces(peer, max_age=1e6, looking_at_camera=True)
        assert looking.success
        assert len(looking.faces.faces) == is_looking
        assert len(get_faces(peer, max_age=1e6).faces.faces) == 1


def test_without_landmarks_it_is_not_known_who_looks(start_node: StartNode, peer: Peer) -> None:
    """Which is not the same as nobody; without faces nobody looks."""
    start_node('-p', 'detector:=haar')
    camera = Camera(peer)
    camera.connect()
    (face,) = camera.result_of(image_message(HEAD), stamp=time.time()).faces
    assert not face.has_orientation
    given = get_faces(peer, max_age=1e6, looking_at_camera=True)
    assert (given.success, given.code) == (False, 'orientation_unknown')
    assert get_faces(peer, max_age=1e6).success
    assert reset_tracks(peer).success
    camera.result_of(image_message(BLANK), stamp=time.time())
    assert get_faces(peer, max_age=1e6, looking_at_camera=True).success


@pytest.mark.parametrize(
    'request_, code, text',
    [
        ({'max_age': -1.0}, 'invalid_request', 'max_age -1.0'),
        ({'max_age': math.nan}, 'invalid_request', 'max_age nan'),
        ({'timeout': -1.0}, 'invalid_request', 'timeout -1.0'),
        ({'timeout': math.inf}, 'invalid_request', 'timeout inf'),
        ({'min_confidence': 1.5}, 'invalid_request', 'min_confidence 1.5'),
        ({}, 'no_images_yet', 'no image has arrived yet'),
        ({'timeout': 0.2}, 'no_image_in_time', 'no image arrived within 0.2 s'),
    ],
)
def test_request_that_fails_gets_the_reason(
    silent: Peer, request_: dict[str, float], code: str, text: str
) -> None:
    """Impossible values, and images that do not arrive."""
    response = get_faces(silent, **request_)
    assert (response.success, response.code) == (False, code)
    assert text in response.message


@pytest.fixture(scope='module')
def silent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a peer of a node that receives no images."""
    from conftest import reserved_domain, running_nodes

    with (
        reserved_domain() as domain,
        running_nodes(domain, tmp_path_factory.mktemp('silent')) as start,
    ):
        start()
        peer = Peer(domain)
        yield peer
        peer.close()


def test_many_clients_wait_for_the_next_image_and_block_nobody(camera: Camera, peer: Peer) -> None:
    """All receive the faces of the first image after their request."""
    before = camera.result_of(image_message(BLANK), stamp=time.time())
    assert get_faces(peer, max_age=1000.0).faces == before
    waiting = [start_get_faces(peer, timeout=60.0) for _ in range(5)]
    longest = start_get_faces(peer, timeout=3e38)
    # The node serves other requests meanwhile.
    assert peer.state() == 'active'
    assert get_faces(peer, max_age=1000.0).success
    assert not any(each.done() for each in waiting)
    response = camera.result_of(image_message(HEAD), stamp=time.time())
    peer.wait_for(lambda: all(each.done() for each in [*waiting, longest]), 'the responses')
    for each in [*waiting, longest]:
        assert each.result().success
        assert each.result().faces == response


def test_no_request_is_lost_while_the_node_is_busy(start_node: StartNode, peer: Peer) -> None:
    """More arrive than the ten that a service keeps by default."""
    node = start_node()
    client = peer.node.create_client(
        CountPeople, f'{NODE}/count_people', qos_profile=QoSProfile(depth=100)
    )
    count(peer, 1.0)
    peer.wait_for(client.service_is_ready, 'the service')
    first = client.call_async(CountPeople.Request())
    peer.wait_for(first.done, 'the first response')
    node.send(signal.SIGSTOP)
    try:
        asked = [client.call_async(CountPeople.Request()) for _ in range(50)]
        peer.spin(0.5)
    finally:
        node.send(signal.SIGCONT)
    peer.wait_for(lambda: all(each.done() for each in asked), 'all responses')


@pytest.mark.parametrize('how', ['deactivate', 'disable', 'shut down'])
def test_waiting_clients_get_the_reason_when_processing_ends(
    camera: Camera, peer: Peer, how: str
) -> None:
    """Later requests get it, too, although there was an image before."""
    camera.result_of(image_message(HEAD), stamp=time.time())
    assert get_faces(peer, max_age=1000.0).success
    waiting = start_get_faces(peer, timeout=60.0)
    peer.spin(0.2)
    if how == 'disable':
        enable(peer, False)
        code = 'disabled'
    elif how == 'deactivate':
        assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
        code = 'inactive'
    else:
        assert peer.change_state(Transition.TRANSITION_ACTIVE_SHUTDOWN)
        code = 'finalized'
    peer.wait_for(waiting.done, 'the response')
    late = get_faces(peer, max_age=1000.0, timeout=60.0)
    for response in (waiting.result(), late):
        assert (response.success, response.code) == (False, code)
        assert code in response.message


def test_unconfigured_node_serves_no_request(start_node: StartNode, peer: Peer) -> None:
    """The reason is the state of the node."""
    start_node('-p', 'autostart:=false', until_active=False)
    for response in (
        get_faces(peer, max_age=1000.0),
        classify(peer, image=image_message(HEAD)),
        count(peer, 10.0),
    ):
        assert (response.success, response.code) == (False, 'unconfigured')
        assert response.message == 'the node is unconfigured'


def test_age_is_that_of_simulated_time(start_node: StartNode, peer: Peer) -> None:
    """An old recording is new while it is played; the timeout is in real time."""
    start_node('-p', 'use_sim_time:=true')
    camera = Camera(peer)
    camera.connect()
    clock = peer.node.create_publisher(Clock, '/clock', RELIABLE)

    def age_limit_holds(now: float, max_age: float) -> bool:
        clock.publish(Clock(clock=time_message(now)))
        peer.spin(0.1)
        return bool(get_faces(peer, max_age=max_age).success)

    camera.result_of(image_message(HEAD), stamp=5000.0)
    peer.wait_for(lambda: age_limit_holds(5000.5, 0.6), 'a new image')
    peer.wait_for(lambda: not age_limit_holds(5001.5, 0.6), 'an old image')
    response = get_faces(peer, timeout=0.2)
    assert response.code == 'no_image_in_time'


@pytest.mark.parametrize('stamp', [0.0, 100.0])
def test_age_is_that_of_the_arrival_without_usable_stamps(
    camera: Camera, peer: Peer, stamp: float
) -> None:
    """A stamp of zero, or one that has been constant for a second, is not used."""
    before = camera.result_of(image_message(HEAD), stamp)
    if stamp:
        assert not get_faces(peer, max_age=1e6).success
        peer.spin(1.0)
        camera.results.clear()
        before = camera.result_of(image_message(HEAD), stamp)
    # Much more than a request takes, and much less than the age of such a stamp.
    given = get_faces(peer, max_age=1000.0)
    assert (given.success, given.faces) == (True, before)
    peer.spin(0.3)
    old = get_faces(peer, max_age=0.3)
    assert not old.success
    assert 0.3 <= age_in(old) < 1000


# classify_image


def test_still_images_are_classified(camera: Camera, peer: Peer) -> None:
    """Raw and compressed, with their own header."""
    large = np.zeros((300, 500, 3), np.uint8)
    large[50:250, 250:450] = HEAD
    raw = image_message(large)
    raw.header.frame_id, raw.header.stamp = 'album', time_message(7.5)
    compressed = compressed_message(large, 'png')
    compressed.header = raw.header
    for images in ({'image': raw}, {'compressed_image': compressed}):
        response = classify(peer, **images)
        assert (response.success, response.code, response.message) == (True, '', '')
        assert response.faces.header == raw.header
        assert (response.faces.image_width, response.faces.image_height) == (500, 300)
        (face,) = response.faces.faces
        assert box_of(face).iou(FACE.translated(250, 50)) > 0.6
        assert face.track_id == ''
        gender = estimate(face, 'gender')
        assert (gender.label, gender.frame_count) == ('woman', 1)
    blank = classify(peer, image=image_message(BLANK))
    assert blank.success
    assert len(blank.faces.faces) == 0
    assert peer.set_parameter('unknown_threshold.gender', 1.0).successful
    (face,) = classify(peer, image=raw).faces.faces
    assert estimate(face, 'gender').label == 'unknown'


def test_still_images_have_no_effect_on_tracks(camera: Camera, peer: Peer) -> None:
    """Neither on ids nor on filters nor on counts."""
    count_every_track(peer)
    before = camera.result_of(image_message(HEAD), stamp=100.0)
    assert classify(peer, image=image_message(HEAD)).success
    after = camera.result_of(image_message(HEAD), stamp=100.1)
    assert after.faces[0].track_id == before.faces[0].track_id
    assert estimate(after.faces[0], 'gender').frame_count == 2
    assert count(peer, 100.0).total == 1


def test_unreadable_still_image_gets_the_reason(start_node: StartNode, peer: Peer) -> None:
    """Also while the node is inactive, when readable images are classified."""
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
    for images, code, text in (
        ({}, 'invalid_request', 'neither has data'),
        (both, 'invalid_request', 'both have data'),
        ({'image': short}, 'malformed_image', 'bytes'),
        ({'compressed_image': broken}, 'malformed_image', 'compressed'),
        ({'image': depth}, 'malformed_image', '32FC1'),
    ):
        response = classify(peer, **images)
        assert (response.success, response.code) == (False, code)
        assert text in response.message
        assert '\n' not in response.message
    assert peer.state() == 'inactive'


# count_people


def counted(peer: Peer, window: float, attribute: str = '') -> tuple[int, ...]:
    """Return the counts of the labels and of unknown."""
    response = count(peer, window, attribute)
    assert response.success, response.message
    assert response.total == sum(response.counts) + response.unknown
    return *response.counts, response.unknown


def show(camera: Camera, image: Image, start: float, images: int = 5) -> list[str]:
    """Send an image several times at 10 Hz, and return the track ids of the last one."""
    for number in range(images):
        result = camera.result_of(image_message(image), stamp=start + number / 10)
    return [face.track_id for face in result.faces]


def test_people_are_counted_by_track_and_window(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """A bright face is labeled yes here, a dark one no, and one in between is unknown."""
    model = make_model({'hat': ['yes', 'no']}, thresholds={'hat': 1.0})
    start_node('-p', f'models:=[{model}]', '-p', 'detection_interval:=1')
    count_every_track(peer)
    camera = Camera(peer)
    camera.connect()
    (bright,) = camera.result_of(image_message(HEAD)).faces
    p = bright.attributes[0].frame_probabilities[0]
    assert p > 0.55
    assert peer.set_parameter('unknown_threshold.hat', p - 0.02).successful
    assert peer.set_parameter('smoothing_time', 0.0).successful
    assert counted(peer, 600.0) == (0, 0, 1)
    (again,) = camera.result_of(image_message(HEAD)).faces
    assert again.track_id == bright.track_id
    assert counted(peer, 600.0) == (1, 0, 0)
    # The dark face is seen so much later that it has another track.
    (dark,) = camera.result_of(image_message(HEAD // 3), stamp=50.0).faces
    assert dark.track_id != bright.track_id
    assert dark.attributes[0].label == 'no'
    assert counted(peer, 600.0) == (1, 1, 0)
    assert counted(peer, 5.0) == counted(peer, 0.0) == (0, 1, 0)
    assert list(count(peer, 5.0).labels) == ['yes', 'no']
    camera.result_of(image_message(BLANK), stamp=95.0)
    assert counted(peer, 0.0) == (0, 0, 0)


def test_flashes_do_not_count_as_people(camera: Camera, peer: Peer) -> None:
    """A track counts from a number of images and a time, which can be changed at run time."""
    assert peer.set_parameters(count_min_frames=3, count_min_duration=1.0).successful
    for stamp in (10.0, 10.2, 10.4):
        camera.result_of(image_message(HEAD), stamp=stamp)
    assert count(peer, 10.0).total == 0
    for stamp in (10.8, 11.1):
        camera.result_of(image_message(HEAD), stamp=stamp)
    assert count(peer, 10.0).total == 1
    assert peer.set_parameter('count_min_frames', 10).successful
    assert count(peer, 10.0).total == 0


def test_flashes_do_not_count_by_default(camera: Camera, peer: Peer) -> None:
    """Two images are no person, nor are two more of another track at the same place."""
    for start in (10.0, 15.0):
        assert len(show(camera, HEAD, start, images=2)) == 1
        show(camera, BLANK, start + 0.5, images=1)
        assert count(peer, 600.0).total == 0
    show(camera, HEAD, 20.0)
    assert count(peer, 600.0).total == 1


def test_person_who_comes_back_is_counted_once(camera: Camera, peer: Peer) -> None:
    """Somebody who looks different counts, and so does everybody who was away for longer."""
    tracks = show(camera, HEAD, 10.0)
    show(camera, BLANK, 15.0, images=1)
    tracks += show(camera, HEAD, 30.0)
    assert len(set(tracks)) == 2
    assert count(peer, 600.0).total == 1
    show(camera, BLANK, 35.0, images=1)
    assert len(show(camera, np.ascontiguousarray(HEAD[..., ::-1]), 40.0)) == 1
    assert count(peer, 600.0).total == 2
    show(camera, BLANK, 45.0, images=1)
    show(camera, HEAD, 100.0)
    assert count(peer, 600.0).total == 3
    count_every_track(peer)
    show(camera, BLANK, 105.0, images=1)
    show(camera, HEAD, 110.0)
    assert count(peer, 600.0).total == 4


def test_people_who_look_alike_and_come_back_together_are_two(camera: Camera, peer: Peer) -> None:
    """People of one image are different."""
    twins = np.hstack([HEAD, HEAD])
    tracks = show(camera, twins, 10.0)
    assert count(peer, 600.0).total == 2
    show(camera, BLANK, 15.0, images=1)
    tracks += show(camera, twins, 30.0)
    assert len(set(tracks)) == 4
    assert count(peer, 600.0).total == count(peer, 5.0).total == 2


def test_people_are_counted_by_any_attribute(camera: Camera, peer: Peer) -> None:
    """The default is the first one; without attributes all people are unknown."""
    count_every_track(peer)
    camera.result_of(image_message(HEAD), stamp=10.0)
    assert list(count(peer, 1.0).labels) == ['woman', 'man']
    response = count(peer, 1.0, 'emotion')
    assert len(response.labels) == len(response.counts) == 7
    assert response.total == 1
    assert peer.set_parameter('models', ['']).successful
    response = count(peer, 1.0)
    assert (list(response.labels), response.unknown, response.total) == ([], 1, 1)


@pytest.mark.parametrize(
    'window, attribute, code, text',
    [
        (-1.0, '', 'invalid_request', 'window -1'),
        (601.0, '', 'invalid_request', 'window 601'),
        (math.nan, '', 'invalid_request', 'window nan'),
        (math.inf, '', 'invalid_request', 'window inf'),
        (1.0, 'hat', 'unknown_attribute', 'available: gender, emotion, age'),
    ],
)
def test_impossible_count_gets_the_reason(
    silent: Peer, window: float, attribute: str, code: str, text: str
) -> None:
    """Nothing is counted."""
    response = count(silent, window, attribute)
    assert (response.success, response.code) == (False, code)
    assert text in response.message
    assert (list(response.labels), response.total) == ([], 0)


# enable and reset_tracks


def test_disabled_node_unsubscribes(camera: Camera, peer: Peer) -> None:
    """Until it is enabled again, also if the request is repeated."""
    (before,) = camera.result_of(image_message(HEAD)).faces
    for _ in range(2):
        response = enable(peer, False)
        assert (response.success, response.message) == (True, 'disabled')
    peer.wait_for(lambda: camera.matches() == 0, 'the end of the subscription')
    assert peer.state() == 'active'
    # Neither a parameter nor a deactivation enables it.
    assert peer.set_parameter('image_reliability', 'reliable').successful
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert enable(peer, False).message == 'disabled; the node is still inactive'
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    peer.spin(0.3)
    assert peer.node.count_subscribers('/image') == 0
    for _ in range(2):
        response = enable(peer, True)
        assert (response.success, response.message) == (True, 'enabled')
    camera.results.clear()
    camera.connect()
    (after,) = camera.result_of(image_message(HEAD)).faces
    assert after.track_id == before.track_id
    assert peer.node.count_subscribers('/image') == 1


def test_tracks_are_reset_on_request_and_when_time_jumps_back(
    start_node: StartNode, peer: Peer
) -> None:
    """Ids continue, people are counted again, and a jump of time is logged."""
    node = start_node()
    count_every_track(peer)
    camera = Camera(peer)
    camera.connect()
    (first,) = camera.result_of(image_message(HEAD), stamp=100.0).faces
    assert count(peer, 600.0).total == 1
    response = reset_tracks(peer)
    assert (response.success, response.message) == (True, 'tracks were reset; ids continue')
    assert count(peer, 600.0).total == 0
    (second,) = camera.result_of(image_message(HEAD), stamp=100.1).faces
    assert int(second.track_id) > int(first.track_id)
    assert estimate(second, 'gender').frame_count == 1
    assert 'time jumped back' not in node.log
    (third,) = camera.result_of(image_message(HEAD), stamp=50.0).faces
    node.wait_for_log('time jumped back to 50.000 s, tracks were reset')
    assert int(third.track_id) > int(second.track_id)
    assert count(peer, 600.0).total == 1


def test_client_that_disappears_does_not_affect_others(
    camera: Camera, peer: Peer, domain: int
) -> None:
    """Its response is dropped; images and other clients are served."""
    for _ in range(3):
        other = Peer(domain, 'other')
        assert not get_faces(other, timeout=0.05).success
        start_get_faces(other, timeout=60.0)
        waiting = start_get_faces(peer, timeout=60.0)
        other.spin(0.2)
        other.close()
        peer.spin(0.2)
        response = camera.result_of(image_message(HEAD), stamp=time.time())
        peer.wait_for(waiting.done, 'the response')
        assert waiting.result().faces == response
    assert peer.state() == 'active'


def test_manual_has_the_codes_of_rejected_requests() -> None:
    """They are the states of the node, and the reasons that its modules return."""
    page = (ROOT / 'docs' / 'reference' / 'node.md').read_text()
    table = page.partition('| code | services | |')[2].partition('\n\n')[0]
    documented = {
        code
        for row in table.strip().splitlines()
        for code in re.findall(r'`(\w+)`', row.split('|')[1])
    }
    source = ''.join(path.read_text() for path in Path(state.__file__).parent.glob('*.py'))
    returned = set(re.findall(r"Reason\('(\w+)'", source))
    states = {each.value for each in state.Lifecycle if each is not state.Lifecycle.ACTIVE}
    assert documented == returned | states

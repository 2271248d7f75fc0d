"""The action that watches people, of the node as a process over DDS, with real clients."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import signal
from typing import Any

from action_msgs.msg import GoalStatus
import cv2
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.action import ActionClient
from ros_peers import BLANK, Camera, HEAD, image_message, NodeProcess, Peer, RELIABLE
from sensor_msgs.msg import CameraInfo
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from face_classification_ros.action import Observe
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.srv import GetFaces
from face_classification_ros.types import Image

NODE = '/face_classification'
GENDERS = ['woman', 'man']
Result = Observe.Result

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


class Observer:
    """A client of the action in a test."""

    def __init__(self, peer: Peer) -> None:
        """Find the server."""
        self._peer = peer
        self._client = ActionClient(peer.node, Observe, f'{NODE}/observe')
        peer.wait_for(self._client.server_is_ready, 'the action')

    def send(self, **goal: Any) -> Goal:
        """Send a goal, and wait until it is accepted or rejected."""
        return Goal(self._peer, self._client, Observe.Goal(**goal))


class Goal:
    """A goal with what came back of it."""

    def __init__(self, peer: Peer, client: ActionClient, goal: Observe.Goal) -> None:
        """Send it."""
        self._peer = peer
        self.feedback: list[Observe.Feedback] = []
        future = client.send_goal_async(goal, lambda each: self.feedback.append(each.feedback))
        peer.wait_for(future.done, 'the goal to be accepted or rejected')
        self.handle = future.result()
        self.accepted = bool(self.handle.accepted)
        self._future = self.handle.get_result_async() if self.accepted else None

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        assert self._future is not None
        return bool(self._future.done())

    def cancel(self) -> None:
        """Ask for the end, and wait until that is heard."""
        future = self.handle.cancel_goal_async()
        self._peer.wait_for(future.done, 'the answer to the cancellation')
        assert len(future.result().goals_canceling) == 1

    def result(self, status: int, outcome: int) -> Observe.Result:
        """Wait for the result, and give it."""
        self._peer.wait_for(lambda: self.done, 'the result of the goal')
        assert self._future is not None
        response = self._future.result()
        assert (response.status, response.result.outcome) == (status, outcome), response.result
        assert response.result.reason
        return response.result


@pytest.fixture
def observer(camera: Camera, peer: Peer) -> Observer:
    """Give a client of the default node, which has a camera."""
    return Observer(peer)


def two_heads() -> Image:
    """Give a picture with a large head, left, and a smaller one, right."""
    image = np.zeros((200, 400, 3), np.uint8)
    image[:, :200] = HEAD
    image[40:180, 230:370] = cv2.resize(HEAD, (140, 140))
    return image


def test_largest_face_is_watched_and_the_mean_told(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """The first picture counts as the last, whatever is smoothed along the track."""
    model = make_model({'gender': GENDERS})
    start_node('-p', f'gender_model:={model}', '-p', 'smoothing_time:=0.1')
    camera = Camera(peer)
    camera.connect()
    goal = Observer(peer).send(frames=3)
    assert goal.accepted
    camera.ask(image_message(BLANK))
    answers = [camera.ask(image_message(HEAD // dim)) for dim in (1, 1, 2)]
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    (face,) = result.faces
    assert face.track_id == answers[0].faces[0].track_id
    expected = np.mean([each.faces[0].gender.frame_probabilities for each in answers], axis=0)
    # The smoothed one is nearer to the last picture.
    smoothed = answers[-1].faces[0].gender.probabilities
    assert abs(smoothed - expected).min() > 0.08
    assert face.gender.probabilities == pytest.approx(expected, abs=0.08)
    assert (face.gender.frames, face.emotion.frames) == (3, 3)
    assert face.roi == answers[-1].faces[0].roi
    assert face.first_seen == answers[0].faces[0].first_seen
    peer.wait_for(lambda: len(goal.feedback) == 4, 'all feedback')
    assert [each.frames for each in goal.feedback] == [0, 1, 2, 3]
    assert [list(each.faces) for each in goal.feedback] == [
        [],
        *([each.faces[0]] for each in answers),
    ]


def test_all_or_one_track_are_watched_for_a_time_by_the_stamps(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """However long the pictures take to come; without positions the nearest is the largest."""
    picture = image_message(two_heads())
    large, small = camera.ask(picture, stamp=100.0).faces
    for whom, expected in (
        ('all', [large, small]),
        (small.track_id, [small]),
        ('nearest', [large]),
    ):
        start = camera.next_stamp
        goal = observer.send(track_id=whom, duration=0.3)
        # The next stamps are start, start + 0.1, 0.2 and 0.3 seconds.
        for _ in range(3):
            camera.ask(picture)
        assert not goal.done
        last = camera.ask(picture)
        assert last.header.stamp.sec + last.header.stamp.nanosec / 1e9 >= start + 0.299
        result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
        assert [face.track_id for face in result.faces] == [face.track_id for face in expected]
        assert {face.gender.frames for face in result.faces} == {4}
        assert ('largest was watched' in result.reason) == (whom == 'nearest')


def test_nearest_face_is_that_of_the_smallest_distance(start_node: StartNode, peer: Peer) -> None:
    """A small face may be nearer than a large one, as the depth picture tells."""
    start_node('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    calibration = peer.node.create_publisher(CameraInfo, '/camera_info', RELIABLE)
    depth = peer.node.create_publisher(ImageMessage, '/depth', RELIABLE)
    for publisher in (calibration, depth):
        peer.wait_for(publisher.get_subscription_count, publisher.topic_name)
    info = CameraInfo(width=400, height=200)
    info.p = [720.0, 0.0, 200.0, 0.0, 0.0, 720.0, 100.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    calibration.publish(info)
    # The large face is 2 m away, the small one 1.4 m.
    millimeters = np.full((200, 400), 2000, np.uint16)
    millimeters[:, 215:] = 1400
    message = ImageMessage(height=200, width=400, encoding='16UC1', step=800)
    message.data.frombytes(millimeters.view(np.uint8))
    message.header = Header(stamp=time_message(50.0), frame_id='head_camera')
    depth.publish(message)
    for publisher in (calibration, depth):
        assert publisher.wait_for_all_acked()
    goal = Observer(peer).send(track_id='nearest', frames=1)
    large, small = camera.ask(image_message(two_heads()), stamp=50.0).faces
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    (face,) = result.faces
    assert face.track_id == small.track_id
    assert face.has_position
    assert face.position.z == pytest.approx(1.4)
    assert large.position.z == pytest.approx(2.0)
    assert 'largest' not in result.reason


def test_cancelled_goal_tells_what_was_seen(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """After that, and before the first picture, another goal works as well."""
    goal = observer.send(frames=100)
    goal.cancel()
    assert len(goal.result(GoalStatus.STATUS_CANCELED, Result.CANCELED).faces) == 0
    goal = observer.send(frames=100)
    camera.ask(image_message(HEAD))
    camera.ask(image_message(HEAD))
    goal.cancel()
    (face,) = goal.result(GoalStatus.STATUS_CANCELED, Result.CANCELED).faces
    assert face.gender.frames == 2
    goal = observer.send(frames=1)
    camera.ask(image_message(HEAD))
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


def test_new_goal_takes_the_place_of_the_old(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """The old one tells what it saw, also where it is another client's."""
    old = observer.send(frames=100)
    camera.ask(image_message(HEAD))
    new = Observer(peer).send(frames=2)
    (face,) = old.result(GoalStatus.STATUS_ABORTED, Result.PREEMPTED).faces
    assert face.gender.frames == 1
    camera.ask(image_message(HEAD))
    assert not new.done
    camera.ask(image_message(HEAD))
    (face,) = new.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED).faces
    assert face.gender.frames == 2


def test_person_who_leaves_and_track_that_is_not_there(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """Both are told once the time-out of tracks is over; so is that nobody came."""
    goal = observer.send(frames=100)
    camera.ask(image_message(HEAD), stamp=100.0)
    camera.ask(image_message(BLANK), stamp=100.5)
    assert not goal.done
    camera.ask(image_message(BLANK), stamp=101.1)
    result = goal.result(GoalStatus.STATUS_ABORTED, Result.LOST)
    assert [face.gender.frames for face in result.faces] == [1]
    goal = observer.send(track_id='999', duration=60.0)
    camera.ask(image_message(HEAD), stamp=110.0)
    camera.ask(image_message(HEAD), stamp=111.1)
    result = goal.result(GoalStatus.STATUS_ABORTED, Result.LOST)
    assert result.reason == 'there is no track 999'
    goal = observer.send(duration=0.5)
    camera.ask(image_message(BLANK), stamp=120.0)
    camera.ask(image_message(BLANK), stamp=120.6)
    assert len(goal.result(GoalStatus.STATUS_SUCCEEDED, Result.NO_FACE).faces) == 0


def test_goal_ends_though_no_picture_comes(camera: Camera, peer: Peer, observer: Observer) -> None:
    """A camera that died keeps nobody waiting for ever; what was seen before counts."""
    goal = observer.send(duration=0.3)
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.NO_FACE)
    assert 'the pictures stopped coming' in result.reason
    goal = observer.send(duration=0.3)
    camera.ask(image_message(HEAD))
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    assert [face.gender.frames for face in result.faces] == [1]
    goal = observer.send(frames=3)
    result = goal.result(GoalStatus.STATUS_ABORTED, Result.INTERRUPTED)
    assert result.reason == 'no picture came for 10 s'


def test_goal_that_would_never_end_is_rejected(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """A running goal goes on, and a very long one is none that never ends."""
    running = observer.send(frames=1, duration=3e38)
    for duration in (0.0, -1.0, math.nan, math.inf):
        assert not observer.send(duration=duration).accepted
    camera.ask(image_message(HEAD))
    running.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


def test_goal_ends_when_the_node_stops_looking(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """Disabled, deactivated, set back in time: the reason says which; later goals are told so."""

    def running() -> Goal:
        goal = observer.send(frames=100)
        camera.ask(image_message(HEAD))
        return goal

    def stopped(goal: Goal) -> Observe.Result:
        return goal.result(GoalStatus.STATUS_ABORTED, Result.INTERRUPTED)

    goal = running()
    camera.ask(image_message(HEAD), stamp=0.5)
    result = stopped(goal)
    assert result.reason == 'time was set back to 0.500 s, so tracks start anew'
    assert [face.gender.frames for face in result.faces] == [1]

    goal = running()
    peer.call(Trigger, f'{NODE}/reset_tracks', Trigger.Request())
    assert stopped(goal).reason == 'tracks were reset'

    goal = running()
    peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=False))
    assert stopped(goal).reason.startswith('the node is disabled')
    assert stopped(observer.send(frames=1)).reason.startswith('the node is disabled')
    peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=True))
    camera.answers.clear()
    camera.connect()

    goal = running()
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert stopped(goal).reason == 'the node is inactive'
    assert stopped(observer.send(frames=1)).reason == 'the node is inactive'
    assert peer.change_state(Transition.TRANSITION_CLEANUP)
    assert stopped(observer.send(frames=1)).reason == 'the node is unconfigured'
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.answers.clear()
    camera.connect()
    goal = observer.send(frames=1)
    camera.ask(image_message(HEAD))
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_node_in_the_midst_of_a_goal(
    start_node: StartNode, peer: Peer, how: signal.Signals
) -> None:
    """The exit code is 0 and there is no traceback; who waits for faces is no hindrance."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    Observer(peer).send(frames=100)
    camera.ask(image_message(HEAD))
    peer.start_call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(timeout=60.0))
    camera.publish(image_message(HEAD))
    assert node.stop(how) == 0
    assert 'Traceback' not in node.log
    assert 'Error' not in node.log

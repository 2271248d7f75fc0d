"""The action observes people, with the node as a process and real clients."""

from __future__ import annotations

from collections.abc import Callable
import math
from pathlib import Path
import signal
from typing import Any

from action_msgs.msg import GoalStatus
import cv2
from depth_messages import camera_info, depth_message
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
from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.ros.conversions.messages import time_message
from face_classification_ros.srv import GetFaces
from face_classification_ros.types import Image

NODE = '/face_classification'
Result = Observe.Result

StartNode = Callable[..., NodeProcess]
MakeModel = Callable[..., Path]


class Observer:
    """A client of the action."""

    def __init__(self, peer: Peer) -> None:
        """Wait for the server."""
        self._peer = peer
        self._client = ActionClient(peer.node, Observe, f'{NODE}/observe')
        peer.wait_for(self._client.server_is_ready, 'the action')

    def send(self, **goal: Any) -> Goal:
        """Send a goal, and wait until it is accepted."""
        return Goal(self._peer, self._client, Observe.Goal(**goal))


class Goal:
    """A goal with its feedback and result."""

    def __init__(self, peer: Peer, client: ActionClient, goal: Observe.Goal) -> None:
        """Send it."""
        self._peer = peer
        self.feedback: list[Observe.Feedback] = []
        future = client.send_goal_async(goal, lambda each: self.feedback.append(each.feedback))
        peer.wait_for(future.done, 'the goal to be accepted')
        self.handle = future.result()
        assert self.handle.accepted
        self._future = self.handle.get_result_async()

    @property
    def done(self) -> bool:
        """Whether the result has arrived."""
        return bool(self._future.done())

    def cancel(self) -> None:
        """Cancel the goal, and wait for the response."""
        future = self.handle.cancel_goal_async()
        self._peer.wait_for(future.done, 'the response to the cancellation')
        assert len(future.result().goals_canceling) == 1

    def result(self, status: int, outcome: int, code: str = '') -> Observe.Result:
        """Wait for the result, check how the goal ended, and return the result."""
        self._peer.wait_for(lambda: self.done, 'the result of the goal')
        response = self._future.result()
        assert (response.status, response.result.outcome) == (status, outcome), response.result
        assert response.result.code == code
        assert response.result.reason
        return response.result


@pytest.fixture
def observer(camera: Camera, peer: Peer) -> Observer:
    """Return a client of a node with default parameters and a camera."""
    return Observer(peer)


def two_heads() -> Image:
    """Return an image with a large head, left, and a smaller one, right."""
    image = np.zeros((200, 400, 3), np.uint8)
    image[:, :200] = HEAD
    image[40:180, 230:370] = cv2.resize(HEAD, (140, 140))
    return image


def test_largest_face_is_observed_and_its_mean_returned(
    start_node: StartNode, peer: Peer, make_model: MakeModel
) -> None:
    """All images count equally, although the track is filtered with a short time constant."""
    model = make_model({'hat': ['yes', 'no']})
    models = f'models:=[{model}, emotion_mini_xception]'
    start_node('-p', models, '-p', 'smoothing_time:=0.1')
    camera = Camera(peer)
    camera.connect()
    goal = Observer(peer).send(frames=3)
    camera.result_of(image_message(BLANK))
    seen = [camera.result_of(image_message(HEAD // dim)).faces[0] for dim in (1, 1, 2)]
    (face,) = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED).faces
    assert face.track_id == seen[0].track_id
    expected = np.mean([each.attributes[0].frame_probabilities for each in seen], axis=0)
    # The filtered probabilities are closer to those of the last image.
    filtered = seen[-1].attributes[0].probabilities
    assert abs(filtered - expected).min() > 0.08
    assert face.attributes[0].probabilities == pytest.approx(expected, abs=0.08)
    assert [each.frame_count for each in face.attributes] == [3, 3]
    assert face.roi == seen[-1].roi
    assert face.first_seen == seen[0].first_seen


def test_feedback_has_the_observed_faces_of_each_image(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """Also of an image without faces."""
    goal = observer.send(frames=3)
    camera.result_of(image_message(BLANK))
    seen = [camera.result_of(image_message(HEAD)).faces[0] for _ in range(3)]
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    peer.wait_for(lambda: len(goal.feedback) == 4, 'all feedback')
    assert [each.frames for each in goal.feedback] == [0, 1, 2, 3]
    assert [list(each.faces) for each in goal.feedback] == [[], *([each] for each in seen)]


def test_duration_is_measured_by_the_stamps(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """For all faces, one track, or the nearest, which without positions is the largest."""
    image = image_message(two_heads())
    large, small = camera.result_of(image, stamp=100.0).faces
    for target, expected in (
        ('all', [large, small]),
        (small.track_id, [small]),
        ('nearest', [large]),
    ):
        start = camera.next_stamp
        goal = observer.send(track_id=target, duration=0.3)
        # The next stamps are start, start + 0.1, 0.2 and 0.3 seconds.
        for _ in range(3):
            camera.result_of(image)
        assert not goal.done
        last = camera.result_of(image)
        assert last.header.stamp.sec + last.header.stamp.nanosec / 1e9 >= start + 0.299
        result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
        assert [face.track_id for face in result.faces] == [face.track_id for face in expected]
        assert {face.attributes[0].frame_count for face in result.faces} == {4}
        assert ('the largest one was observed' in result.reason) == (target == 'nearest')


def test_nearest_face_has_the_smallest_distance(start_node: StartNode, peer: Peer) -> None:
    """A small face may be nearer than a large one."""
    start_node('-p', 'use_depth:=true', '-p', 'image_reliability:=reliable')
    camera = Camera(peer)
    camera.connect()
    calibration = peer.node.create_publisher(CameraInfo, '/camera_info', RELIABLE)
    depth = peer.node.create_publisher(ImageMessage, '/depth', RELIABLE)
    for publisher in (calibration, depth):
        peer.wait_for(publisher.get_subscription_count, publisher.topic_name)
    calibration.publish(camera_info(Intrinsics(400, 200, 720.0, 720.0, 200.0, 100.0)))
    # The large face is 2 m away, the small one 1.4 m.
    meters = np.full((200, 400), 2.0, np.float32)
    meters[:, 215:] = 1.4
    message = depth_message(meters, '16UC1')
    message.header = Header(stamp=time_message(50.0), frame_id='head_camera')
    depth.publish(message)
    for publisher in (calibration, depth):
        assert publisher.wait_for_all_acked()
    goal = Observer(peer).send(track_id='nearest', frames=1)
    large, small = camera.result_of(image_message(two_heads()), stamp=50.0).faces
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    (face,) = result.faces
    assert face.track_id == small.track_id
    assert face.has_position
    assert face.position.z == pytest.approx(1.4)
    assert large.position.z == pytest.approx(2.0)
    assert 'largest' not in result.reason


def test_canceled_goal_returns_the_faces_seen_so_far(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """Also before the first image; other goals work after it."""
    goal = observer.send(frames=100)
    goal.cancel()
    assert len(goal.result(GoalStatus.STATUS_CANCELED, Result.CANCELED).faces) == 0
    goal = observer.send(frames=100)
    camera.result_of(image_message(HEAD))
    camera.result_of(image_message(HEAD))
    goal.cancel()
    (face,) = goal.result(GoalStatus.STATUS_CANCELED, Result.CANCELED).faces
    assert face.attributes[0].frame_count == 2
    goal = observer.send(frames=1)
    camera.result_of(image_message(HEAD))
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


def test_new_goal_preempts_the_old_one(camera: Camera, peer: Peer, observer: Observer) -> None:
    """The old one returns the faces seen so far, also to another client."""
    old = observer.send(frames=100)
    camera.result_of(image_message(HEAD))
    new = Observer(peer).send(frames=2)
    (face,) = old.result(GoalStatus.STATUS_ABORTED, Result.PREEMPTED).faces
    assert face.attributes[0].frame_count == 1
    camera.result_of(image_message(HEAD))
    assert not new.done
    camera.result_of(image_message(HEAD))
    (face,) = new.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED).faces
    assert face.attributes[0].frame_count == 2


def test_person_who_leaves_ends_the_goal(camera: Camera, peer: Peer, observer: Observer) -> None:
    """After the timeout of tracks."""
    goal = observer.send(frames=100)
    camera.result_of(image_message(HEAD), stamp=100.0)
    camera.result_of(image_message(BLANK), stamp=100.5)
    assert not goal.done
    camera.result_of(image_message(BLANK), stamp=101.1)
    (face,) = goal.result(GoalStatus.STATUS_ABORTED, Result.LOST).faces
    assert face.attributes[0].frame_count == 1


def test_track_that_does_not_exist_ends_the_goal(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """After the timeout of tracks; the reason names the track and the one that exists."""
    goal = observer.send(track_id='999', duration=60.0)
    camera.result_of(image_message(HEAD), stamp=110.0)
    (face,) = camera.result_of(image_message(HEAD), stamp=111.1).faces
    result = goal.result(GoalStatus.STATUS_ABORTED, Result.LOST)
    assert "'999'" in result.reason
    assert result.reason.endswith(f': {face.track_id}')


def test_duration_without_a_face_ends_the_goal(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """The goal succeeds without faces."""
    goal = observer.send(duration=0.5)
    camera.result_of(image_message(BLANK), stamp=120.0)
    camera.result_of(image_message(BLANK), stamp=120.6)
    assert len(goal.result(GoalStatus.STATUS_SUCCEEDED, Result.NO_FACE).faces) == 0


def test_goal_ends_without_images(camera: Camera, peer: Peer, observer: Observer) -> None:
    """The faces seen before count; without a duration the goal ends after 10 s."""
    goal = observer.send(duration=0.3)
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.NO_FACE)
    assert result.reason.endswith('images stopped')
    goal = observer.send(duration=0.3)
    camera.result_of(image_message(HEAD))
    result = goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)
    assert [face.attributes[0].frame_count for face in result.faces] == [1]
    goal = observer.send(frames=3)
    result = goal.result(GoalStatus.STATUS_ABORTED, Result.INTERRUPTED)
    assert result.reason == 'no image arrived for 10 s'


def rejected(goal: Goal, code: str) -> Observe.Result:
    """Return the result of a goal that was rejected with this code."""
    return goal.result(GoalStatus.STATUS_ABORTED, Result.REJECTED, code)


def test_goal_that_would_never_end_is_rejected(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """With the reason; a running goal continues, and a very long duration is possible."""
    running = observer.send(frames=1, duration=3e38)
    for duration in (0.0, -1.0, math.nan, math.inf):
        result = rejected(observer.send(duration=duration), 'invalid_request')
        assert 'duration' in result.reason
    camera.result_of(image_message(HEAD))
    running.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


def running_goal(camera: Camera, observer: Observer) -> Goal:
    """Return a goal that has seen one image."""
    goal = observer.send(frames=100)
    camera.result_of(image_message(HEAD))
    return goal


def test_attribute_that_is_switched_on_meanwhile_is_in_the_result(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """The goal continues, and the images before it do not count for this attribute."""
    assert peer.set_parameter('attributes', ['gender']).successful
    goal = running_goal(camera, observer)
    assert peer.set_parameter('attributes', ['']).successful
    camera.result_of(image_message(HEAD))
    goal.cancel()
    (face,) = goal.result(GoalStatus.STATUS_CANCELED, Result.CANCELED).faces
    counts = {each.name: each.frame_count for each in face.attributes}
    assert counts == {'gender': 2, 'emotion': 1, 'age': 1}


def interrupted(goal: Goal) -> Observe.Result:
    """Return the result of a goal that was interrupted."""
    return goal.result(GoalStatus.STATUS_ABORTED, Result.INTERRUPTED)


def test_reset_of_tracks_interrupts_the_goal(
    camera: Camera, peer: Peer, observer: Observer
) -> None:
    """By a jump of time, by request, or by another rotation; the reason says which."""
    goal = running_goal(camera, observer)
    camera.result_of(image_message(HEAD), stamp=0.5)
    result = interrupted(goal)
    assert result.reason == 'time jumped back to 0.500 s, tracks were reset'
    assert [face.attributes[0].frame_count for face in result.faces] == [1]
    goal = running_goal(camera, observer)
    peer.call(Trigger, f'{NODE}/reset_tracks', Trigger.Request())
    assert interrupted(goal).reason == 'tracks were reset'
    goal = running_goal(camera, observer)
    assert peer.set_parameter('rotation', 180).successful
    assert interrupted(goal).reason == 'the rotation was changed'


def test_disabled_node_interrupts_the_goal(camera: Camera, peer: Peer, observer: Observer) -> None:
    """Later goals are rejected, until the node is enabled again."""
    goal = running_goal(camera, observer)
    peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=False))
    assert interrupted(goal).reason.startswith('the node is disabled')
    rejected(observer.send(frames=1), 'disabled')
    peer.call(SetBool, f'{NODE}/enable', SetBool.Request(data=True))
    camera.results.clear()
    camera.connect()
    goal = observer.send(frames=1)
    camera.result_of(image_message(HEAD))
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


def test_inactive_node_interrupts_the_goal(camera: Camera, peer: Peer, observer: Observer) -> None:
    """Later goals are rejected, until the node is active again."""
    goal = running_goal(camera, observer)
    assert peer.change_state(Transition.TRANSITION_DEACTIVATE)
    assert interrupted(goal).reason == 'the node is inactive'
    rejected(observer.send(frames=1), 'inactive')
    assert peer.change_state(Transition.TRANSITION_CLEANUP)
    rejected(observer.send(frames=1), 'unconfigured')
    assert peer.change_state(Transition.TRANSITION_CONFIGURE)
    assert peer.change_state(Transition.TRANSITION_ACTIVATE)
    camera.results.clear()
    camera.connect()
    goal = observer.send(frames=1)
    camera.result_of(image_message(HEAD))
    goal.result(GoalStatus.STATUS_SUCCEEDED, Result.COMPLETED)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_node_during_a_goal(
    start_node: StartNode, peer: Peer, how: signal.Signals
) -> None:
    """The exit code is 0 and there is no traceback, also while a client waits for faces."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    Observer(peer).send(frames=100)
    camera.result_of(image_message(HEAD))
    peer.start_call(GetFaces, f'{NODE}/get_faces', GetFaces.Request(timeout=60.0))
    camera.publish(image_message(HEAD))
    assert node.stop(how) == 0
    assert node.errors == []

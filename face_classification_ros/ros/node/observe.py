"""Serve the action that observes one person, or everybody, and returns mean estimates."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

from face_classification_ros.action import Observe
from face_classification_ros.ros.compat import create_future
from face_classification_ros.ros.conversions.messages import faces_message
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.state import NodeState, Reason
from face_classification_ros.ros.node.steady_clock import MAX_TIMEOUT, STEADY
from face_classification_ros.tracking.observation import Ending, Observation, Outcome

GRACE = 2.0
"""Seconds by which images may be late before a goal that has a duration ends without them."""

SILENCE = 10.0
"""Seconds without an image after which a goal that has no duration ends."""


@dataclass
class _Run:
    """An observation that is running.

    Attributes:
        goal: of the client.
        observation: the people seen so far.
        ending: future of the `Ending`.
        silence: timer that ends the goal if no images arrive.
        newest: result of the newest image.
    """

    goal: ServerGoalHandle
    observation: Observation
    ending: Future
    silence: Timer
    newest: FrameResult | None = None


class ObserveServer:
    """Serves the action `~/observe`, one goal at a time; a new goal preempts the present one.

    ROS has no field for the reason why a goal is rejected. So every goal is accepted, and one that
    cannot be executed is aborted immediately with the reason as its result.
    """

    def __init__(self, node: Node, state: NodeState) -> None:
        """Create the action server.

        Args:
            node: serves.
            state: of the node.
        """
        self._node = node
        self._state = state
        self._track_timeout = 0.0
        self._target_frame = ''
        self._current: _Run | None = None
        self._accepted: dict[bytes, _Run | Reason] = {}
        self._server = ActionServer(
            node,
            Observe,
            '~/observe',
            self._execute,
            handle_accepted_callback=self._accept,
            cancel_callback=self._cancel,
        )

    def update(self, track_timeout: float, target_frame: str) -> None:
        """Set what applies to later goals.

        Args:
            track_timeout: seconds after which a person who is not seen any more has left.
            target_frame: of the positions; "" is the frame of the image.
        """
        self._track_timeout, self._target_frame = track_timeout, target_frame

    def add(self, result: FrameResult) -> None:
        """Add the faces of the newest image."""
        run = self._current
        if run is None:
            return
        run.newest = result
        run.silence.reset()
        ending = run.observation.add(result.faces, result.stamp)
        observed = [
            face for face in result.message.faces if run.observation.is_observed(face.track_id)
        ]
        run.goal.publish_feedback(Observe.Feedback(frames=run.observation.frames, faces=observed))
        if ending is not None:
            self._end(ending)

    def interrupt(self, reason: str) -> None:
        """End the goal because images are not processed any more, or tracks were reset."""
        self._end(Ending(Outcome.INTERRUPTED, reason))

    def _accept(self, goal: ServerGoalHandle) -> None:
        self._accepted[bytes(goal.goal_id.uuid)] = self._begin(goal)
        goal.execute()

    def _begin(self, goal: ServerGoalHandle) -> _Run | Reason:
        """Start an observation instead of the present one, or return why it cannot start."""
        if reason := self._state.inactive_reason:
            return reason
        request = goal.request
        try:
            observation = Observation(
                request.track_id,
                frames=request.frames,
                duration=request.duration,
                track_timeout=self._track_timeout,
            )
        except ValueError as error:
            return Reason('invalid_request', str(error))
        self._end(Ending(Outcome.PREEMPTED, 'another goal was accepted'))
        timeout = min(request.duration + GRACE, MAX_TIMEOUT) if request.duration else SILENCE
        silence = self._node.create_timer(timeout, self._end_in_silence, clock=STEADY)
        self._current = _Run(goal, observation, create_future(self._node), silence)
        return self._current

    def _cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if self._current is not None and self._current.goal == goal:
            self._end(Ending(Outcome.CANCELED, 'canceled'))
        return CancelResponse.ACCEPT

    def _end_in_silence(self) -> None:
        assert self._current is not None
        if self._current.goal.request.duration:
            ending = self._current.observation.time_over()
            self._end(Ending(ending.outcome, f'{ending.reason}; images stopped'))
        else:
            self.interrupt(f'no image arrived for {SILENCE:g} s')

    def _end(self, ending: Ending) -> None:
        run, self._current = self._current, None
        if run is not None:
            self._node.destroy_timer(run.silence)
            run.ending.set_result(ending)

    async def _execute(self, goal: ServerGoalHandle) -> Observe.Result:
        run = self._accepted.pop(bytes(goal.goal_id.uuid))
        if isinstance(run, Reason):
            goal.abort()
            return Observe.Result(outcome=Observe.Result.REJECTED, code=run.code, reason=run.text)
        ending: Ending = await run.ending
        if ending.outcome in (Outcome.COMPLETED, Outcome.NO_FACE):
            goal.succeed()
        elif ending.outcome is Outcome.CANCELED:
            goal.canceled()
        else:
            goal.abort()
        result = Observe.Result(outcome=ending.outcome.value, reason=ending.reason)
        if run.newest is not None:
            image = run.newest.message
            result.faces = faces_message(
                run.observation.faces,
                image.header,
                image.image_width,
                image.image_height,
                target_frame=self._target_frame,
            ).faces
        return result

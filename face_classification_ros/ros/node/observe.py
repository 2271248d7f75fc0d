"""The action that watches one person, or all, for a while and tells the aggregate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

from face_classification_ros.action import Observe
from face_classification_ros.ros.conversions.messages import faces_message
from face_classification_ros.ros.node.parameters import NodeConfig
from face_classification_ros.ros.node.result_cache import FrameResult, LONGEST, STEADY
from face_classification_ros.tracking.observation import Ending, Observation, Outcome

GRACE = 2.0
"""Seconds that pictures may be late before a goal that has a duration ends without them."""

SILENCE = 10.0
"""Seconds without a picture after which a goal that has no duration ends."""


@dataclass
class _Run:
    """A goal on its way.

    Attributes:
        goal: of the client.
        observation: what was seen so far.
        ending: is given the `Ending`.
        silence: ends it when no picture comes.
        newest: the answer that was seen last.
    """

    goal: ServerGoalHandle
    observation: Observation
    ending: Future
    silence: Timer
    newest: FrameResult | None = None


class ObserveServer:
    """Offers the action `~/observe`, one goal at a time; a new one takes the place of the old."""

    def __init__(
        self,
        node: Node,
        *,
        inactive_reason: Callable[[], str],
        config: Callable[[], NodeConfig],
        thresholds: Callable[[], Mapping[str, float]],
    ) -> None:
        """Offer the action.

        Args:
            node: that offers it.
            inactive_reason: says why no picture is worked on, "" while they are.
            config: returns the settings of the node, which are kept for the whole goal.
            thresholds: returns those of all attributes.
        """
        self._node = node
        self._inactive_reason = inactive_reason
        self._config = config
        self._thresholds = thresholds
        self._current: _Run | None = None
        self._runs: dict[bytes, _Run] = {}
        self._server = ActionServer(
            node,
            Observe,
            '~/observe',
            self._execute,
            goal_callback=self._check,
            handle_accepted_callback=self._begin,
            cancel_callback=self._cancel,
        )

    def add(self, answer: FrameResult) -> None:
        """Take the faces of the newest picture."""
        run = self._current
        if run is None:
            return
        run.newest = answer
        run.silence.reset()
        ending = run.observation.add(answer.faces, answer.stamp)
        observed = [
            face for face in answer.message.faces if run.observation.is_observed(face.track_id)
        ]
        run.goal.publish_feedback(Observe.Feedback(frames=run.observation.frames, faces=observed))
        if ending is not None:
            self._end(ending)

    def stop(self, reason: str) -> None:
        """End the goal because nothing is looked at any more, or not as before."""
        self._end(Ending(Outcome.INTERRUPTED, reason))

    def _check(self, goal: Observe.Goal) -> GoalResponse:
        try:
            self._observation(goal)
        except ValueError as error:
            self._node.get_logger().error(f'a goal of observe was rejected: {error}')
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _observation(self, goal: Observe.Goal) -> Observation:
        return Observation(
            goal.track_id,
            frames=goal.frames,
            duration=goal.duration,
            track_timeout=self._config().track_timeout,
            thresholds=dict(self._thresholds()),
        )

    def _begin(self, goal: ServerGoalHandle) -> None:
        self._end(Ending(Outcome.PREEMPTED, 'another goal came'))
        duration = goal.request.duration
        server_timeout = min(duration + GRACE, LONGEST) if duration else SILENCE
        self._current = self._runs[bytes(goal.goal_id.uuid)] = _Run(
            goal,
            self._observation(goal.request),
            Future(),
            self._node.create_timer(server_timeout, self._end_in_silence, clock=STEADY),
        )
        # A goal cannot be rejected with a reason, so it is ended with one.
        if reason := self._inactive_reason():
            self.stop(reason)
        goal.execute()

    def _cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        if self._current is not None and self._current.goal == goal:
            self._end(Ending(Outcome.CANCELED, 'cancelled'))
        return CancelResponse.ACCEPT

    def _end_in_silence(self) -> None:
        assert self._current is not None
        if self._current.goal.request.duration:
            ending = self._current.observation.time_over()
            self._end(Ending(ending.outcome, f'{ending.reason}; the pictures stopped coming'))
        else:
            self.stop(f'no picture came for {SILENCE:g} s')

    def _end(self, ending: Ending) -> None:
        run, self._current = self._current, None
        if run is not None:
            self._node.destroy_timer(run.silence)
            run.ending.set_result(ending)

    async def _execute(self, goal: ServerGoalHandle) -> Observe.Result:
        run = self._runs.pop(bytes(goal.goal_id.uuid))
        ending: Ending = await run.ending
        if ending.outcome in (Outcome.COMPLETED, Outcome.NO_FACE):
            goal.succeed()
        elif ending.outcome is Outcome.CANCELED:
            goal.canceled()
        else:
            goal.abort()
        result = Observe.Result(outcome=ending.outcome.value, reason=ending.reason)
        if run.newest is not None:
            picture = run.newest.message
            result.faces = faces_message(
                run.observation.faces, picture.header, picture.image_width, picture.image_height, 0
            ).faces
        return result

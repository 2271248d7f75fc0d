"""What the node found in the newest picture, and who waits for the next."""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_msgs.msg import Header

from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.types import Face

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
"""For time-outs: ROS's clock stands still while a recording pauses."""

LONGEST = 1e9
"""Seconds that a timer can hold."""


@dataclass(frozen=True)
class FrameResult:
    """The faces of a picture; the picture itself is not kept.

    Attributes:
        faces: largest first.
        message: the same faces as they are published, with the picture's header.
        stamp: time of the picture in seconds, see `FrameClock`.
        capture_time: when, by the node's clock in seconds: the stamp of the picture, or its
            arrival where stamps are zero or stand still.
    """

    faces: list[Face]
    message: FaceAttributesArray
    stamp: float
    capture_time: float

    @property
    def header(self) -> Header:
        """The header of the picture."""
        return self.message.header


class ResultCache:
    """Keeps the newest answer, and hands the next one to those who wait for it."""

    def __init__(self, node: Node) -> None:
        """Have no answer yet."""
        self._node = node
        self._waiting: list[Future] = []
        self.newest: FrameResult | None = None

    def give(self, answer: FrameResult) -> None:
        """Take the answer to the newest picture."""
        self.newest = answer
        self._finish(answer)

    def refuse(self, reason: str) -> None:
        """Tell who waits why no answer will come, and forget the newest."""
        self.newest = None
        self._finish(reason)

    async def next(self, timeout: float) -> FrameResult | str:
        """Wait for the next answer, for `timeout` seconds of the steady clock at most.

        Returns:
            the answer, or the reason why none came.
        """
        future = Future()
        self._waiting.append(future)

        def give_up() -> None:
            if not future.done():
                self._waiting.remove(future)
                future.set_result(f'no picture came within {timeout:g} s')

        timer = self._node.create_timer(min(timeout, LONGEST), give_up, clock=STEADY)
        try:
            result: FrameResult | str = await future
        finally:
            self._node.destroy_timer(timer)
        return result

    def _finish(self, result: FrameResult | str) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(result)

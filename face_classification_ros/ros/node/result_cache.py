"""Keep the newest result for services, and pass the next one to those who wait for it."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.task import Future

from face_classification_ros.ros.compat import create_future
from face_classification_ros.ros.node.frame import FrameResult
from face_classification_ros.ros.node.state import Reason
from face_classification_ros.ros.node.steady_clock import MAX_TIMEOUT, STEADY


class ResultCache:
    """Keeps the result of the newest image.

    Attributes:
        newest: None before the first image, and while no images are processed.
    """

    def __init__(self, node: Node) -> None:
        """Start without a result."""
        self._node = node
        self._waiting: list[Future] = []
        self.newest: FrameResult | None = None

    def add(self, result: FrameResult) -> None:
        """Set the result of the newest image."""
        self.newest = result
        self._finish(result)

    def stop(self, reason: Reason) -> None:
        """Forget the newest result, and end all waiting with the reason."""
        self.newest = None
        self._finish(reason)

    async def next(self, timeout: float) -> FrameResult | Reason:
        """Wait for the next result, for at most `timeout` seconds of the steady clock.

        Returns:
            The result, or the reason why there is none.
        """
        future = create_future(self._node)
        self._waiting.append(future)

        def give_up() -> None:
            if not future.done():
                self._waiting.remove(future)
                text = f'no image arrived within {timeout:g} s'
                future.set_result(Reason('no_image_in_time', text))

        timer = self._node.create_timer(min(timeout, MAX_TIMEOUT), give_up, clock=STEADY)
        try:
            result: FrameResult | Reason = await future
        finally:
            self._node.destroy_timer(timer)
        return result

    def _finish(self, result: FrameResult | Reason) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set_result(result)

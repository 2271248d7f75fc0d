"""ROS started and stopped around a program's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rclpy


@contextmanager
def ros_running(args: list[str] | None = None) -> Iterator[None]:
    """Start ROS for a block of code, and stop it whatever ends the block.

    Args:
        args: the command line with its ROS arguments; None takes the process's own.

    Raises:
        RuntimeError: ROS cannot start with these arguments.
    """
    rclpy.init(args=args)
    try:
        yield
    finally:
        # rclpy's signal handler stops ROS, too, in a thread of its own: it may do so between
        # this call's look and its deed.
        with suppress(RuntimeError):
            rclpy.try_shutdown()

"""ROS started and stopped around a program's work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import time

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import uninstall_signal_handlers

SHUTDOWN_DELAY = 0.5
"""Seconds that the thread which ends ROS at a signal may need for it."""


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
        # At a signal a thread of rclpy's wakes executors and stops ROS, while Python's handler
        # interrupts this one: it has to end before executors do, or it reaches for what is gone.
        uninstall_signal_handlers()
        rclpy.try_shutdown()


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let a block of code end by KeyboardInterrupt alone where a signal ends ROS.

    What rclpy's calls raise then depends on the moment: in the midst of a message that is taken
    or of a start it is a RuntimeError, which says nothing of the signal, and where Python's own
    handler interrupts a call of rclpy's C++ part, a SystemError.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    try:
        yield
    except ExternalShutdownException as error:
        raise KeyboardInterrupt from error
    except (RuntimeError, SystemError) as error:
        end = time.monotonic() + SHUTDOWN_DELAY
        while rclpy.ok() and time.monotonic() < end:
            time.sleep(0.01)
        if rclpy.ok():
            raise
        raise KeyboardInterrupt from error

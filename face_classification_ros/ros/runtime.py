"""Start and stop ROS around a program, and return memory to the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import signal
import time
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.signals import (
    get_current_signal_handlers_options,
    SignalHandlerOptions,
    uninstall_signal_handlers,
)

SHUTDOWN_DELAY = 0.5
"""Seconds that the thread which ends ROS at a signal may need for it."""


@contextmanager
def ros_running(args: list[str] | None = None, *, ends_at_signal: bool = True) -> Iterator[None]:
    """Start ROS for a block of code, and stop it whatever ends the block.

    Args:
        args: the command line with its ROS arguments; None takes the process's own.
        ends_at_signal: whether ROS ends at SIGINT and SIGTERM, so that whatever is called of it
            next raises an error, see `signals_as_interrupt`, and nothing else is interrupted; or
            else they do what they do to any Python program.

    Raises:
        RuntimeError: ROS cannot start with these arguments.
    """
    handlers = SignalHandlerOptions.ALL if ends_at_signal else SignalHandlerOptions.NO
    before = signal.getsignal(signal.SIGINT)
    if ends_at_signal:
        # Python's own handler raises KeyboardInterrupt anywhere, also in the midst of what rclpy
        # makes, which then prints a traceback as it is deleted. rclpy calls on what it finds here.
        signal.signal(signal.SIGINT, _leave_to_ros)
    try:
        rclpy.init(args=args, signal_handler_options=handlers)
        yield
    finally:
        # At a signal a thread of rclpy's wakes executors and stops ROS: it has to end before
        # executors do, or it reaches for what is gone.
        uninstall_signal_handlers()
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, before)


def _leave_to_ros(number: int, frame: FrameType | None) -> None:
    """Do nothing at a signal where rclpy's own handler ends ROS: not before its start is over."""
    if get_current_signal_handlers_options() == SignalHandlerOptions.NO:
        raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Let a block of code end by KeyboardInterrupt alone where a signal ends ROS.

    What rclpy's calls raise then depends on the moment: in the midst of a message that is taken
    or of a start it is a RuntimeError, which says nothing of the signal.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    try:
        yield
    except ExternalShutdownException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:
        end = time.monotonic() + SHUTDOWN_DELAY
        while rclpy.ok() and time.monotonic() < end:
            time.sleep(0.01)
        if rclpy.ok():
            raise
        raise KeyboardInterrupt from error


def release_free_memory() -> None:
    """Return freed memory to the system; glibc keeps most of it in case it is needed again.

    With another C library nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(ctypes.c_size_t(0))

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
"""Seconds that the thread which ends ROS at a signal may need."""


@contextmanager
def ros_running(args: list[str] | None = None, *, ends_at_signal: bool = True) -> Iterator[None]:
    """Start ROS for a block of code, and stop it at the end of the block.

    Args:
        args: command line with ROS arguments; None is that of the process.
        ends_at_signal: whether SIGINT and SIGTERM end ROS without another effect, so that the next
            call of ROS raises an error, see `signals_as_interrupt`; otherwise they have the usual
            effect on a Python program.

    Raises:
        RuntimeError: ROS cannot start with these arguments.
    """
    handlers = SignalHandlerOptions.ALL if ends_at_signal else SignalHandlerOptions.NO
    before = signal.getsignal(signal.SIGINT)
    if ends_at_signal:
        # The handler of Python raises KeyboardInterrupt anywhere, also while rclpy creates an
        # object, which then prints a traceback when it is deleted. rclpy calls this handler.
        signal.signal(signal.SIGINT, _leave_to_ros)
    try:
        rclpy.init(args=args, signal_handler_options=handlers)
        yield
    finally:
        # At a signal a thread of rclpy wakes executors and stops ROS: it has to end before the
        # executors do, because it uses them.
        uninstall_signal_handlers()
        rclpy.try_shutdown()
        signal.signal(signal.SIGINT, before)


def _leave_to_ros(number: int, frame: FrameType | None) -> None:
    """Do nothing at a signal if the handler of rclpy ends ROS; it is not installed at first."""
    if get_current_signal_handlers_options() == SignalHandlerOptions.NO:
        raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for every error of rclpy in a block that a signal causes.

    The error depends on the moment: while a message is taken, or at the start, it is a
    RuntimeError that does not mention the signal.

    Raises:
        KeyboardInterrupt: a signal arrived.
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

"""Start and stop ROS around a program, and return memory to the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import signal
import time
from types import FrameType

import rclpy
from rclpy.exceptions import NotInitializedException
from rclpy.executors import ExternalShutdownException
from rclpy.signals import (
    get_current_signal_handlers_options,
    SignalHandlerOptions,
    uninstall_signal_handlers,
)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""End ROS; a terminal and `ros2 launch` both send the first, so that it arrives twice."""

SHUTDOWN_DELAY = 0.5
"""Seconds that the thread which ends ROS at a signal may need."""


class RosStartError(OSError):
    """ROS cannot start in this environment; the text says why in one line."""


@contextmanager
def start_errors() -> Iterator[None]:
    """Raise a RosStartError for an error of rclpy in a block that starts ROS.

    The causes are in the environment: ROS_DOMAIN_ID, folders for logs, arguments, DDS.

    Raises:
        RosStartError: rclpy raised an error.
    """
    try:
        yield
    except RuntimeError as error:
        raise RosStartError(f'ROS cannot start: {" ".join(str(error).split())}') from error


@contextmanager
def ros_running(args: list[str] | None = None, *, ends_at_signal: bool = True) -> Iterator[None]:
    """Start ROS for a block of code, and stop it at the end of the block.

    Args:
        args: command line with ROS arguments; None is that of the process.
        ends_at_signal: whether SIGINT and SIGTERM end ROS without another effect, so that the next
            call of ROS raises an error, see `signals_as_interrupt`; further signals are ignored
            until the process ends. Otherwise signals have the usual effect on a Python program.

    Raises:
        RosStartError: ROS cannot start with these arguments or in this environment.
    """
    if not ends_at_signal:
        try:
            with start_errors():
                rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            yield
        finally:
            rclpy.try_shutdown()
        return
    # Before rclpy.init, because the handler of rclpy calls this one, and leaves it when it is
    # uninstalled.
    handler = _SignalHandler()
    before = {each: signal.signal(each, handler) for each in SIGNALS}
    try:
        with start_errors():
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.ALL)
        yield
    finally:
        handler.is_ros_ending = True
        # At a signal a thread of rclpy wakes executors and stops ROS: it has to end before the
        # executors do, because it uses them.
        uninstall_signal_handlers()
        rclpy.try_shutdown()
        for each in SIGNALS:
            # Python restores the default action of its own handlers before the process ends,
            # and keeps an ignored signal.
            signal.signal(each, signal.SIG_IGN if handler.has_received else before[each])


class _SignalHandler:
    """Handles SIGINT and SIGTERM in Python, next to the handler of rclpy that ends ROS.

    The handler of Python raises KeyboardInterrupt anywhere, also while rclpy creates an object,
    which then prints a traceback when it is deleted.

    Attributes:
        has_received: whether a signal arrived.
        is_ros_ending: whether ROS is ending anyway.
    """

    def __init__(self) -> None:
        self.has_received = False
        self.is_ros_ending = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Record a signal; raise KeyboardInterrupt if rclpy has no handler yet."""
        is_first, self.has_received = not self.has_received, True
        is_ros_starting = get_current_signal_handlers_options() == SignalHandlerOptions.NO
        if is_first and is_ros_starting and not self.is_ros_ending:
            raise KeyboardInterrupt


@contextmanager
def signals_as_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt for every error of rclpy in a block that a signal causes.

    The error depends on the moment: while a message is taken, or while a node is created, it is
    one that does not mention the signal.

    Raises:
        KeyboardInterrupt: a signal arrived.
    """
    try:
        yield
    except ExternalShutdownException as error:
        raise KeyboardInterrupt from error
    except (NotInitializedException, RuntimeError) as error:
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

"""End the process of the node when it stops responding, so that it can be started again.

A thread that waits for a lock in shared memory, which a killed process has left behind, never
returns to Python: signals have no effect any more, and nothing can be logged. The timer of
`faulthandler` needs neither Python's global lock nor a thread that runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import faulthandler
import os
import signal
import threading

from rclpy.node import Node

from face_classification_ros.ros.node.steady_clock import STEADY

STALL_TIME = 20.0
"""Seconds without a call of the node's timer after which its process ends; far above the time of
any callback."""

END_TIME = 3.0
"""Seconds from a signal to the end of the node's loop after which the process ends."""

EXIT_TIME = 10.0
"""Seconds from the end of the loop to the end of the process after which it is ended: more, since
leaving ROS and Python takes a while on a busy machine."""

_PERIOD = 1.0


class Watchdog:
    """Prints the stacks of all threads and ends the process with exit code 1 if it is stuck."""

    def __init__(self) -> None:
        """Create a watchdog that does nothing yet."""
        self._lock = threading.Lock()
        self._is_watching = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the process from a block to its end; to be used in the main thread."""
        received, sender = os.pipe()
        # A full pipe cannot block a signal handler.
        os.set_blocking(sender, False)
        before = signal.set_wakeup_fd(sender, warn_on_full_buffer=False)
        thread = threading.Thread(target=self._wait_for_signal, args=(received,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._is_watching = False
                faulthandler.dump_traceback_later(EXIT_TIME, exit=True)
            signal.set_wakeup_fd(before)
            os.close(sender)
            thread.join()
            os.close(received)

    def watch(self, node: Node) -> None:
        """Watch the loop of a node, which starts now: its timer, and its end at a signal."""
        node.create_timer(_PERIOD, self._restart, clock=STEADY)
        with self._lock:
            self._is_watching = True
        self._restart()

    def _restart(self) -> None:
        with self._lock:
            if self._is_watching:
                faulthandler.dump_traceback_later(STALL_TIME, exit=True)

    def _wait_for_signal(self, received: int) -> None:
        # Empty after `running`.
        if not os.read(received, 1):
            return
        with self._lock:
            if self._is_watching:
                self._is_watching = False
                faulthandler.dump_traceback_later(END_TIME, exit=True)

"""Run the node on a source that repeats, and show it on a page in the browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
import math
import os
import signal
import subprocess
import time

from rclpy.node import Node

from face_classification_ros.ros.demo.demo import (
    DEMO_DOMAIN,
    DemoOptions,
    NAMESPACE,
    node_arguments,
    TOPIC,
)
from face_classification_ros.ros.demo.sample_camera import open_source
from face_classification_ros.ros.node.node import NODE_NAME
from face_classification_ros.ros.processes import check_exit_codes, ros_environment, start, stop
from face_classification_ros.ros.runtime import ros_running, SIGNALS
from face_classification_ros.ros.view.server import run_view, ViewOptions

DONE = 0


class Watch(Node):
    """Detects the end of the demo: that of its time, or of a process."""

    def __init__(self, processes: Mapping[str, subprocess.Popen[str]], seconds: float) -> None:
        """Watch the processes, for these seconds from when the node of the demo publishes."""
        super().__init__('demo', namespace=NAMESPACE)
        self._processes = processes
        self._seconds = seconds
        self._end = math.inf

    def close(self) -> None:
        """Destroy the node."""
        self.destroy_node()

    def is_over(self) -> bool:
        """Return whether the time is over or a process has ended."""
        if self._end == math.inf and self.count_publishers(f'{NODE_NAME}/faces'):
            self._end = time.monotonic() + self._seconds
        has_ended = any(each.poll() is not None for each in self._processes.values())
        return has_ended or time.monotonic() > self._end


def run_live_demo(options: DemoOptions, page: ViewOptions) -> int:
    """Run the node, a camera and the page until a signal, the time is over, or a process ends.

    Args:
        options: all count but the output; nothing is recorded.
        page: where it is served.

    Raises:
        UnreadableError: the video cannot be read.
        ImportError: the sample needs packages of the extra [demo].
        OSError: a process ended early, or the page cannot be served there.
    """
    if not options.is_live:
        # Before anything starts.
        with open_source(options.source):
            pass
    os.environ.update(ros_environment('' if options.topic else DEMO_DOMAIN))
    # Otherwise it would end this process before the page handles it, and leave the others.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes: dict[str, subprocess.Popen[str]] = {}
    with ros_running([], ends_at_signal=False):
        try:
            with _signals_deferred():
                processes['node'] = start('face_classification_node', *node_arguments(options))
                if not options.topic:
                    arguments = [options.source, '--repeat', '--ros-args', '-r', f'image:={TOPIC}']
                    processes['camera'] = start('face_classification_camera', *arguments)
            with contextlib.closing(Watch(processes, options.seconds)) as watch:
                was_interrupted = run_view(f'{NAMESPACE}/{NODE_NAME}', page, watch.is_over)
            if not was_interrupted:
                check_exit_codes(processes, were_stopped=False)
        finally:
            for each in SIGNALS:
                # A second one would keep the node from being stopped.
                signal.signal(each, signal.SIG_IGN)
            for name in ('camera', 'node'):
                stop(processes.get(name), name)
    check_exit_codes(processes, were_stopped=True)
    return DONE


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Handle signals after the block: a process that it starts would be lost and go on."""
    received: list[int] = []
    before = {
        each: signal.signal(each, lambda number, _: received.append(number)) for each in SIGNALS
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    for number in received:
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, None)

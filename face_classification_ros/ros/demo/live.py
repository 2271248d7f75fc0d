"""Run the node on a source that repeats, and show it on a page in the browser."""

from __future__ import annotations

import os
import subprocess
import time

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
from face_classification_ros.ros.runtime import ros_running
from face_classification_ros.ros.view.server import run_view, ViewOptions

DONE = 0


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
    processes: dict[str, subprocess.Popen[str]] = {}
    with ros_running([], ends_at_signal=False):
        try:
            processes['node'] = start('face_classification_node', *node_arguments(options))
            if not options.topic:
                arguments = [options.source, '--repeat', '--ros-args', '-r', f'image:={TOPIC}']
                processes['camera'] = start('face_classification_camera', *arguments)
            end = time.monotonic() + options.seconds
            run_view(
                f'{NAMESPACE}/{NODE_NAME}',
                page,
                is_over=lambda: (
                    time.monotonic() > end
                    or any(each.poll() is not None for each in processes.values())
                ),
            )
        finally:
            for name in ('camera', 'node'):
                stop(processes.get(name), name)
    check_exit_codes(processes)
    return DONE

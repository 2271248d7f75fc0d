"""Measure the page in real browsers: images per second, latency, processor time, bytes.

    python benchmarks/view.py                       # one and five browsers, 20 s each
    python benchmarks/view.py --lookers 1 --seconds 60 --json view.json

A camera publishes an image of 640 x 480 pixels with three faces 25 times a second to the node; the
page server and Chromium (of the distribution, headless) run on the same machine. Latency is from
the stamp of the image to the frame of the browser that shows it, by the clock of the machine.
Nothing else should run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, ExitStack
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import threading
import time
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.io.sample import crowd
from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.conversions.qos import RESULTS
from face_classification_ros.ros.processes import ros_environment, start, stop

WIDTH, HEIGHT, FACES = 640, 480, 3
WARM_UP = 5.0
"""Seconds before the measurement: processes and pages start."""

DOMAIN = '88'

TAKE = """() => { const { log } = window.faceView; return log.splice(0, log.length); }"""

LOADED = """() => ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))
  .reduce((sum, each) => sum + each.transferSize, 0)"""


class Camera(Node):
    """Publishes the same faces at a constant rate, from a thread of its own."""

    def __init__(self, rate: float) -> None:
        """Start to publish."""
        super().__init__('camera')
        self._publisher = self.create_publisher(ImageMessage, 'image', RESULTS)
        self._message = image_to_message(crowd(FACES, WIDTH, HEIGHT), Header(frame_id='camera'))
        self._period = 1 / rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        self._thread.join()
        self.destroy_node()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            self._message.header.stamp = self.get_clock().now().to_msg()
            self._publisher.publish(self._message)
            due += self._period


@contextmanager
def process(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run an executable of the package."""
    running = start(name, *arguments)
    try:
        yield running
    finally:
        stop(running, name)


def processor_time(pid: int) -> float:
    """Return the processor time in seconds that a process has used."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def open_page(browser: Browser, url: str) -> Page:
    """Open the page in a browser of its own, and wait until it shows all faces."""
    page = browser.new_page(viewport={'width': 1280, 'height': 800})
    page.goto(url)
    page.wait_for_function(f"() => document.querySelectorAll('#cards > li').length === {FACES}")
    return page


def measure(url: str, count: int, seconds: float, pids: dict[str, int]) -> dict[str, Any]:
    """Return the figures of some browsers at the same time.

    Args:
        url: of the page.
        count: number of browsers, each a process of its own.
        seconds: of the measurement.
        pids: name -> process whose processor time is measured.
    """
    program = shutil.which('chromium')
    with sync_playwright() as playwright, ExitStack() as stack:
        pages = []
        for _ in range(count):
            launched = playwright.chromium.launch(executable_path=program, chromium_sandbox=False)
            stack.callback(launched.close)
            pages.append(open_page(launched, url))
        pages[0].wait_for_timeout(1000 * WARM_UP)
        for page in pages:
            page.evaluate(TAKE)
        before = {name: processor_time(pid) for name, pid in pids.items()}
        begin = time.monotonic()
        pages[0].wait_for_timeout(1000 * seconds)
        logs = [page.evaluate(TAKE) for page in pages]
        elapsed = time.monotonic() - begin
        loaded = pages[0].evaluate(LOADED)
        used = {name: processor_time(pid) - before[name] for name, pid in pids.items()}
    latencies = 1000 * np.array([each['latency'] for log in logs for each in log])
    return {
        'lookers': count,
        'images_per_second': [round(len(log) / elapsed, 1) for log in logs],
        'latency_ms': {
            'median': round(float(np.median(latencies)), 1),
            'p95': round(float(np.percentile(latencies, 95)), 1),
        },
        'processor_percent': {name: round(100 * each / elapsed, 1) for name, each in used.items()},
        'bytes_loaded': loaded,
    }


def text_of(figures: dict[str, Any]) -> str:
    """Return the figures in one line."""
    rates = figures['images_per_second']
    shares = ', '.join(f'{name} {each} %' for name, each in figures['processor_percent'].items())
    return (
        f'{figures["lookers"]} browsers: {min(rates)} to {max(rates)} images/s, '
        f'latency {figures["latency_ms"]["median"]} ms (95 %: {figures["latency_ms"]["p95"]} ms), '
        f'processor {shares}, {figures["bytes_loaded"]} bytes loaded'
    )


def main(args: Sequence[str] | None = None) -> None:
    """Print the figures for each number of browsers, and the load of the machine."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--lookers', type=int, nargs='+', default=[1, 5], help='browsers')
    parser.add_argument('--rate', type=float, default=25.0, help='images per second')
    parser.add_argument('--seconds', type=float, default=20.0, help='of each measurement')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures here')
    arguments = parser.parse_args(args)
    os.environ.update(ros_environment(DOMAIN))
    rclpy.init()
    results = []
    try:
        with (
            process('face_classification_node') as node,
            process('face_classification', 'view', '--no-browser', '--port', '0') as server,
            closing(Camera(arguments.rate)),
        ):
            assert server.stdout is not None
            found = re.search(r'http://\S+', server.stdout.readline())
            assert found
            pids = {'node': node.pid, 'page server': server.pid}
            for count in progress(arguments.lookers, 'number of browsers'):
                results.append(measure(found[0], count, arguments.seconds, pids))
                print(text_of(results[-1]), flush=True)
    finally:
        rclpy.try_shutdown()
    load = os.getloadavg()[0]
    print(f'{os.cpu_count()} cores, load {load:.1f}')
    if arguments.json:
        arguments.json.write_text(json.dumps({'load': load, 'results': results}, indent=2))


if __name__ == '__main__':
    main()

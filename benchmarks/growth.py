"""Measure the cost of several cameras: one node each, in separate processes or in a single one.

Cameras, nodes and a subscriber to all faces communicate over real DDS on this machine, with the
Fast DDS profile of the package, best effort. Latency is the time from publishing an image to the
arrival of its faces. Needs an environment with the package and scikit-image; nothing else should
run at the same time.

    python benchmarks/growth.py --json growth.json --plot growth.png
    python benchmarks/growth.py --cameras 1 4 --rate 15 --faces 5
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack, suppress
import json
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from transport import (
    environment,
    memory_mb,
    node_command,
    percentile,
    process,
    processor_seconds,
    quality,
    TIMEOUT,
    wait_for,
)

from face_classification_ros.io.sample import crowd
from face_classification_ros.msg import FaceAttributesArray
from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.images import image_to_message
from face_classification_ros.ros.node.node import FaceClassificationNode, NODE_NAME

ARRANGEMENTS = ('processes', 'one process')
WIDTH, HEIGHT = 640, 480
PROFILE = 'large_images'
WARM_UP = 20
MEASURED = (
    *('latency_p50_ms', 'latency_p95_ms', 'processing_p50_ms'),
    *('processor_fraction', 'memory_mb'),
)


def namespace(number: int) -> str:
    """Return the namespace of a camera and its node."""
    return f'/camera{number}'


# The processes


def cameras(options: argparse.Namespace) -> None:
    """Publish images on all topics in turn, stamped with the time of publishing."""
    node = Node('cameras')
    publishers = [
        node.create_publisher(Image, f'{namespace(number)}/image', quality('best_effort', 5))
        for number in range(options.count)
    ]
    while not all(each.get_subscription_count() for each in publishers):
        time.sleep(0.05)
    message = image_to_message(crowd(options.faces, WIDTH, HEIGHT), Header())
    start = time.monotonic()
    for index in range((WARM_UP + options.images) * options.count):
        if index == WARM_UP * options.count:
            print(f'first {time.time_ns()}', flush=True)
        # Evenly in time, so that no two cameras send at the same time.
        time.sleep(max(0.0, start + index / options.rate / options.count - time.monotonic()))
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(time.time_ns(), 10**9)
        publishers[index % options.count].publish(message)
    print('done', flush=True)
    time.sleep(1.0)


def listener(options: argparse.Namespace) -> None:
    """Print stamp, latency and processing time of each result of each node."""
    node = Node('listener')

    def on_faces(message: FaceAttributesArray) -> None:
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        print(stamp, time.time_ns() - stamp, message.processing_time, flush=True)

    topics = [f'{namespace(number)}/{NODE_NAME}/faces' for number in range(options.count)]
    for topic in topics:
        node.create_subscription(FaceAttributesArray, topic, on_faces, quality('reliable', 100))
    while not all(node.count_publishers(topic) for topic in topics):
        time.sleep(0.05)
    print('ready', flush=True)
    rclpy.spin(node)


def nodes(options: argparse.Namespace) -> None:
    """Run one node per camera in this process, in one thread."""
    executor = SingleThreadedExecutor()
    for number in range(options.count):
        node = FaceClassificationNode(namespace(number))
        node.trigger_configure()
        node.trigger_activate()
        executor.add_node(node)
    executor.spin()


ROLES = {'cameras': cameras, 'listener': listener, 'nodes': nodes}

# The measurement


def measure(
    options: argparse.Namespace, count: int, arrangement: str, folder: Path
) -> dict[str, Any]:
    """Run cameras, nodes and listener once."""
    variables = environment(options, PROFILE)
    own = [sys.executable, __file__, *sys.argv[1:], '--count', str(count), '--role']
    commands = {'nodes': [*own, 'nodes']}
    if arrangement == 'processes':
        commands = {
            f'node{number}': [*node_command(), '--ros-args', '-r', f'__ns:={namespace(number)}']
            for number in range(count)
        }
    with ExitStack() as stack:

        def start(name: str, command: list[str]) -> Any:
            return stack.enter_context(process(command, variables, folder / f'{name}.log'))

        running = [start(name, command) for name, command in commands.items()]
        subscriber = start('listener', [*own, 'listener'])
        wait_for('ready', folder / 'listener.log', subscriber, TIMEOUT)
        publisher = start('cameras', [*own, 'cameras'])
        log = folder / 'cameras.log'
        first = int(wait_for('first', log, publisher, TIMEOUT).split()[1])
        used = -sum(processor_seconds(each.pid) for each in running)
        since = time.monotonic()
        wait_for('done', log, publisher, TIMEOUT + 2 * options.images / options.rate)
        used += sum(processor_seconds(each.pid) for each in running)
        fraction = used / (time.monotonic() - since)
        publisher.wait(TIMEOUT)
        memory = sum(memory_mb(each.pid)['VmRSS'] for each in running)
    results = [line.split() for line in (folder / 'listener.log').read_text().splitlines()[1:]]
    measured = [line for line in results if len(line) == 3 and int(line[0]) >= first]
    latencies = [int(line[1]) / 1e6 for line in measured]
    sent = options.images * count
    return {
        'cameras': count,
        'arrangement': arrangement,
        'rate': options.rate,
        'faces': options.faces,
        'sent': sent,
        'lost': sent - len(measured),
        'latency_p50_ms': percentile(latencies, 50),
        'latency_p95_ms': percentile(latencies, 95),
        'processing_p50_ms': percentile([float(line[2]) * 1e3 for line in measured], 50),
        'processor_fraction': round(fraction, 3),
        'memory_mb': round(memory, 1),
    }


def main() -> None:
    """Measure, or run one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--cameras', type=int, nargs='+', default=[1, 2, 4])
    parser.add_argument(
        '--rate', type=float, default=10.0, help='images per second of each camera (10)'
    )
    parser.add_argument(
        '--images', type=int, default=150, help='measured images of each camera (150)'
    )
    parser.add_argument('--faces', type=int, default=1, help='in each image (1)')
    parser.add_argument('--rounds', type=int, default=2, help='of which medians are reported (2)')
    parser.add_argument('--domain', type=int, default=78, help='ROS_DOMAIN_ID (78)')
    parser.add_argument('--json', type=Path, metavar='FILE')
    parser.add_argument('--plot', type=Path, metavar='FILE', help='needs matplotlib')
    parser.add_argument('--count', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--role', choices=ROLES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        rclpy.init()
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            ROLES[options.role](options)
        return
    cases = [(count, arrangement) for count in options.cameras for arrangement in ARRANGEMENTS]
    rounds: dict[tuple[int, str], list[dict[str, Any]]] = {case: [] for case in cases}
    for count, arrangement in progress(options.rounds * cases, 'measurement'):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(options, count, arrangement, Path(folder))
            rounds[count, arrangement].append(figures)
    records = [_combined(each) for each in rounds.values()]
    print(
        f'{"cameras":>7} {"arrangement":<12} {"lost":>6} {"p50 ms":>7} {"p95 ms":>7} '
        f'{"work ms":>8} {"cpu %":>6} {"MB":>6}'
    )
    for it in records:
        print(
            f'{it["cameras"]:>7} {it["arrangement"]:<12} {it["lost"]:>6} '
            f'{it["latency_p50_ms"]:>7.1f} {it["latency_p95_ms"]:>7.1f} '
            f'{it["processing_p50_ms"]:>8.1f} {100 * it["processor_fraction"]:>6.1f} '
            f'{it["memory_mb"]:>6.0f}'
        )
    if options.json:
        options.json.write_text(json.dumps(records, indent=1))
    if options.plot:
        plot(records, options.plot)


def plot(records: list[dict[str, Any]], path: Path) -> None:
    """Draw processor time, latency and memory over the number of cameras."""
    # Imported here, so that measuring does not need it.
    from matplotlib.figure import Figure

    quantities = {
        'latency_p50_ms': 'publish to faces, median, ms',
        'processor_fraction': 'fraction of one core',
        'memory_mb': 'memory, MB',
    }
    figure = Figure(figsize=(10, 3.5), dpi=150, layout='constrained')
    for axes, (name, label) in zip(figure.subplots(1, 3), quantities.items(), strict=True):
        for arrangement in ARRANGEMENTS:
            chosen = [each for each in records if each['arrangement'] == arrangement]
            cameras = [each['cameras'] for each in chosen]
            axes.plot(cameras, [each[name] for each in chosen], 'o-', label=arrangement)
        axes.set(xlabel='cameras', ylabel=label, xticks=cameras)
        axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path)


def _combined(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Combine the rounds of a case: sums of images, medians of all others."""
    combined = dict(rounds[0])
    for name in ('sent', 'lost'):
        combined[name] = sum(each[name] for each in rounds)
    for name in MEASURED:
        combined[name] = round(float(np.median([each[name] for each in rounds])), 3)
    return combined


if __name__ == '__main__':
    main()

"""Measure the positions of a face in `map` while the camera turns at 30 degrees per second.

    PYTHONPATH=test:$PYTHONPATH python benchmarks/positions_in_map.py [--seconds 20]

Requires tf2_ros. A rendered camera at 15 Hz, with the stamps of the clock, turns to and fro in
front of a head; transforms are published at the rate of each row, as late as from another
computer. Columns: images with a position, error of these in % of the distance, and seconds
from the stamp of an image to its faces. The first row has no target frame.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import tempfile
import threading
import time

from conftest import reserved_domain, running_nodes
from depth_camera import USE_DEPTH
import numpy as np
from ros_peers import image_message, Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage
from turning_camera import depth_at, DISTANCE, face_in_map, image_at, robot_at, TurningCamera

from face_classification_ros.progress import progress
from face_classification_ros.ros.conversions.messages import seconds, time_message

IMAGE_RATE = 15.0
TF_RATES = 0.0, 100.0, 50.0, 30.0, 10.0, 5.0
TF_DELAY = 0.01
"""Seconds from the stamp of a transform to its publication."""


class Publisher(threading.Thread):
    """Calls a function at a rate, with the time of the call in seconds of the clock."""

    def __init__(self, rate: float, publish: object) -> None:
        """Start."""
        super().__init__(daemon=True)
        self._period = 1 / rate
        self._publish = publish
        self.ended = threading.Event()
        self.start()

    def run(self) -> None:
        """Publish until `ended` is set."""
        start, count = time.time(), 0
        while not self.ended.wait(max(0.0, start + count * self._period - time.time())):
            self._publish(time.time())  # type: ignore[operator]
            count += 1


def measure(tf_rate: float, duration: float) -> str:
    """Return a row of the table."""
    target = ('-p', 'target_frame:=map') if tf_rate else ()
    latencies, errors, images = [], [], 0
    with (
        tempfile.TemporaryDirectory() as folder,
        reserved_domain() as domain,
        running_nodes(domain, Path(folder)) as start_node,
    ):
        start_node(*USE_DEPTH, *target, '-p', 'detection_interval:=1')
        peer = Peer(domain)
        camera = TurningCamera(peer)
        camera.connect()
        camera.calibrate_turning()
        if tf_rate:
            camera.connect_tf()

        create = peer.node.create_publisher
        cameras = [create(ImageMessage, name, RELIABLE) for name in ('/depth', '/image')]
        tf = create(TFMessage, '/tf', RELIABLE)

        def publish_image(now: float) -> None:
            header = Header(stamp=time_message(now), frame_id='head_camera')
            messages = depth_at(now), image_message(image_at(now), 'mono8')
            for publisher, message in zip(cameras, messages, strict=True):
                message.header = header
                publisher.publish(message)

        def publish_transform(now: float) -> None:
            time.sleep(TF_DELAY)
            tf.publish(robot_at(now))

        publishers = [Publisher(IMAGE_RATE, publish_image)]
        if tf_rate:
            publishers.append(Publisher(tf_rate, publish_transform))
        end = time.time() + duration
        while time.time() < end:
            peer.spin(0.005)
            results, camera.color.results[:] = list(camera.color.results), []
            for result in results:
                stamp = seconds(result.header.stamp)
                latencies.append(time.time() - stamp)
                for face in result.faces:
                    images += 1
                    position = face.position.x, face.position.y, face.position.z
                    if face.has_position and tf_rate:
                        errors.append(100 * np.linalg.norm(position - face_in_map(stamp)))
        for publisher in publishers:
            publisher.ended.set()
            publisher.join()
        peer.close()
    row = f'| {tf_rate or "none":>4} | {images:6} |'
    if tf_rate:
        percent = np.array(errors) / DISTANCE if errors else np.array([np.nan])
        row += f' {len(errors) / max(images, 1):6.1%} | {np.median(percent):5.2f} |'
        row += f' {np.max(percent):5.2f} |'
    else:
        row += '        |       |       |'
    return f'{row} {np.median(latencies):.3f} | {np.quantile(latencies, 0.95):.3f} |'


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=20.0, help='time of each row')
    arguments = parser.parse_args()
    print('| TF Hz | images | located | error | max | latency | p95 |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for rate in progress(TF_RATES, 'rate'):
        print(measure(rate, arguments.seconds), flush=True)


if __name__ == '__main__':
    main()

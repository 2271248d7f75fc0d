"""Run a camera or a subscriber as a process, so that a test can kill or stop it.

    python peer_process.py DOMAIN camera
    python peer_process.py DOMAIN reader TOPIC

The camera publishes a face ten times a second with stamps of the clock; the reader subscribes
reliably to faces or images. Each prints the time of the steady clock of its first message.
"""

import sys
import time

from ros_peers import HEAD, image_message, Peer, RELIABLE
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.msg import FaceAttributesArray


def show(peer: Peer) -> None:
    """Publish a face forever."""
    publisher = peer.node.create_publisher(ImageMessage, '/image', RELIABLE)
    message = image_message(HEAD)
    print(time.monotonic(), flush=True)
    while True:
        stamp = peer.node.get_clock().now().to_msg()
        message.header = Header(stamp=stamp, frame_id='head_camera')
        publisher.publish(message)
        peer.spin(0.1)


def listen(peer: Peer, topic: str) -> None:
    """Subscribe forever."""
    messages = peer.collect(
        FaceAttributesArray if topic.endswith('faces') else ImageMessage, topic
    )
    peer.wait_for(lambda: messages)
    print(time.monotonic(), flush=True)
    while True:
        peer.spin(1.0)


if __name__ == '__main__':
    domain, kind, *topics = sys.argv[1:]
    peer = Peer(int(domain), kind)
    if kind == 'camera':
        show(peer)
    else:
        listen(peer, *topics)

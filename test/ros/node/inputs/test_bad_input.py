"""The node survives a stream of broken messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import random

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from ros_peers import BLANK, Camera, compressed_message, HEAD, image_message, NodeProcess, Peer
from sensor_msgs.msg import CompressedImage
from sensor_msgs.msg import Image as ImageMessage
from std_msgs.msg import Header

from face_classification_ros.io.image_encodings import ENCODINGS

StartNode = Callable[..., NodeProcess]

MESSAGES = 300
GROWTH = 40.0
"""Megabytes by which the memory of the node may grow, as allocators keep freed memory."""

LIMITS = (0, 1, 2, 3, 7, 100_000, 2**31 - 1, 2**31, 2**32 - 1)


def broken_messages(chance: random.Random) -> Iterator[ImageMessage]:
    """Return images with an impossible encoding, size, step, byte order or data."""
    small = np.ascontiguousarray(HEAD[::4, ::4])
    while True:
        message = image_message(small)
        for _ in range(chance.randint(1, 3)):
            field = chance.choice(['encoding', 'height', 'width', 'step', 'endian', 'data'])
            if field == 'encoding':
                message.encoding = chance.choice([*ENCODINGS, '', '16UC1', 'x' * 5000, 'ÿ\n'])
            elif field == 'endian':
                message.is_bigendian = chance.randrange(256)
            elif field == 'data':
                message.data = bytes(message.data)[: chance.randrange(len(message.data) + 1)]
            else:
                setattr(message, field, chance.choice(LIMITS))
        yield message


def stamp_messages() -> Iterator[ImageMessage]:
    """Return images with extreme and invalid stamps."""
    for sec in (-(2**31), -1, 0, 2**31 - 1):
        for nanosec in (0, 999_999_999, 1_000_000_000, 2**32 - 1):
            message = image_message(HEAD)
            message.header = Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id='ÿ' * 100)
            yield message


def test_node_survives_broken_images(start_node: StartNode, peer: Peer) -> None:
    """After hundreds of them an image is processed, and the memory has not grown."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    camera.result_of(image_message(HEAD))
    before = node.resident_memory
    broken = broken_messages(random.Random(7))
    for _ in range(MESSAGES):
        camera.publish(next(broken))
        peer.spin(0.005)
    for message in stamp_messages():
        camera.send(message)
        peer.spin(0.02)
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert node.resident_memory < before + GROWTH
    assert 'ignored a malformed image' in node.log


def test_node_survives_broken_compressed_images(start_node: StartNode, peer: Peer) -> None:
    """With changed, removed and inserted bytes, and headers that declare gigabytes."""
    node = start_node('-p', 'image_transport:=compressed')
    camera = Camera(peer, '/image/compressed', kind=CompressedImage)
    camera.connect(compressed_message(BLANK, 'jpeg'))
    camera.result_of(compressed_message(HEAD, 'png'))
    before = node.resident_memory
    chance = random.Random(8)
    good = [compressed_message(HEAD, suffix) for suffix in ('jpeg', 'png')]
    for _ in range(MESSAGES):
        message = chance.choice(good)
        data = bytearray(message.data)
        for _ in range(chance.randint(1, 5)):
            # Mostly in the header.
            at = chance.randrange(chance.choice([30, 700, len(data)]))
            data[at : at + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
        broken = CompressedImage(format=message.format)
        broken.data.frombytes(bytes(data))
        camera.publish(broken)
        peer.spin(0.005)
    assert len(camera.result_of(compressed_message(HEAD, 'jpeg')).faces) == 1
    assert node.resident_memory < before + GROWTH


@pytest.mark.parametrize('seed', [1, 2])
def test_node_survives_bytes_that_are_no_message(
    start_node: StartNode, peer: Peer, seed: int
) -> None:
    """Not even the serialization is valid."""
    node = start_node()
    camera = Camera(peer)
    camera.connect()
    before = node.resident_memory
    chance = random.Random(seed)
    good = serialize_message(image_message(np.ascontiguousarray(HEAD[::8, ::8])))
    for _ in range(MESSAGES // 2):
        data = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(4, 60)
            data[at : at + 4] = chance.choice(
                [b'\xff' * 4, b'\xff\xff\xff\x7f', chance.randbytes(4)]
            )
        del data[chance.choice([8, 40, len(data), len(data)]) :]
        camera.send(bytes(data))
        peer.spin(0.005)
    assert len(camera.result_of(image_message(HEAD)).faces) == 1
    assert node.resident_memory < before + GROWTH

"""An image and its faces become one packet, in whatever order they arrive."""

from __future__ import annotations

import json
import struct
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point
import pytest
from sensor_msgs.msg import CompressedImage, RegionOfInterest
from std_msgs.msg import Header

from face_classification_ros.msg import AttributeEstimate, FaceAttributes, FaceAttributesArray
from face_classification_ros.ros.view.packets import faces_record, FrameJoiner, MAX_WAITING


def faces(second: int, *found: FaceAttributes) -> FaceAttributesArray:
    """Return the faces of an image with a stamp."""
    return FaceAttributesArray(
        header=Header(stamp=Time(sec=second)), image_width=640, image_height=480, faces=found
    )


def image(second: int) -> CompressedImage:
    """Return an image with a stamp, whose data are the stamp, too."""
    message = CompressedImage(header=Header(stamp=Time(sec=second)))
    message.data.frombytes(b'JPEG%d' % second)
    return message


def content(packet: bytes | None) -> tuple[float, bytes]:
    """Return the stamp of the faces and the image of a packet."""
    assert packet is not None
    (length,) = struct.unpack('<I', packet[:4])
    record: dict[str, Any] = json.loads(packet[4 : 4 + length])
    return record['stamp'], packet[4 + length :]


def test_image_and_faces_are_joined_by_the_stamp() -> None:
    """The first of the two waits for the other."""
    joiner = FrameJoiner()
    assert joiner.add_faces(faces(1)) is None
    assert content(joiner.add_image(image(1))) == (1, b'JPEG1')
    assert joiner.add_image(image(2)) is None
    assert content(joiner.add_faces(faces(2))) == (2, b'JPEG2')


def test_faces_that_come_earlier_wait_for_their_own_image() -> None:
    """Two topics have no common order."""
    joiner = FrameJoiner()
    assert joiner.add_faces(faces(1)) is None
    assert joiner.add_faces(faces(2)) is None
    assert content(joiner.add_image(image(1))) == (1, b'JPEG1')
    assert content(joiner.add_image(image(2))) == (2, b'JPEG2')


def test_faces_without_images_come_without_images() -> None:
    """As with publish_annotated off."""
    joiner = FrameJoiner()
    assert [joiner.add_faces(faces(number)) for number in range(MAX_WAITING)] == (
        [None] * MAX_WAITING
    )
    assert content(joiner.add_faces(faces(9))) == (0, b'')


def test_images_without_faces_are_not_kept() -> None:
    """Only a few of them wait."""
    joiner = FrameJoiner()
    for number in range(100):
        assert joiner.add_image(image(number)) is None
    assert joiner.add_faces(faces(10)) is None
    assert content(joiner.add_faces(faces(99))) == (99, b'JPEG99')


@pytest.mark.parametrize(
    ('has_position', 'frame', 'distance'),
    [(True, 'camera', 3.0), (False, 'camera', None), (True, 'map', None)],
)
def test_record_has_the_face(has_position: bool, frame: str, distance: float | None) -> None:
    """Box, distribution, and the distance if it is known; one from the map is not that."""
    estimate = AttributeEstimate(
        name='gender',
        label='unknown',
        confidence=0.6,
        labels=['woman', 'man'],
        probabilities=[0.6, 0.4],
        frame_count=7,
    )
    face = FaceAttributes(
        track_id='3',
        roi=RegionOfInterest(x_offset=1, y_offset=2, width=3, height=4),
        attributes=[estimate],
        has_position=has_position,
        position=Point(x=1.0, y=2.0, z=2.0),
        first_seen=Time(sec=5, nanosec=500_000_000),
    )
    message = faces(6, face)
    message.header.frame_id, message.position_frame_id = 'camera', frame
    (record,) = faces_record(message)['faces']
    assert record['track'] == '3'
    assert record['box'] == [1, 2, 3, 4]
    assert record['distance'] == distance
    assert record['first_seen'] == 5.5
    (attribute,) = record['attributes']
    assert attribute['label'] == 'unknown'
    assert attribute['probabilities'] == pytest.approx([0.6, 0.4])
    assert attribute['frames'] == 7

"""Faces become messages without loss: boxes are clipped, attributes that are off stay empty."""

from dataclasses import replace

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.messages import (
    detections_message,
    face_from_message,
    faces_message,
    label_info_message,
    seconds,
    time_message,
)
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id='head_camera')
WOMAN = AttributeEstimate(
    ('woman', 'man'),
    np.array([0.75, 0.25], np.float32),
    np.array([0.25, 0.75], np.float32),
    frame_count=3,
    threshold=0,
)
LANDMARKS = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.5, 10.5))


def face_at(box: BoundingBox, **attributes: AttributeEstimate) -> Face:
    """Make a face whose attributes are off where not given."""
    detection = Detection(box, 0.875, LANDMARKS)
    return Face(detection, '7', 12.5, attributes.get('gender'), attributes.get('emotion'))


@pytest.mark.parametrize('stamp', [Time(), Time(sec=5, nanosec=1), Time(sec=5, nanosec=999999999)])
def test_stamp_survives_the_way_through_seconds(stamp: Time) -> None:
    """No nanosecond is lost while seconds are few."""
    assert time_message(seconds(stamp)) == stamp


def test_stamp_of_today_is_kept_to_a_microsecond() -> None:
    """A stamp of seconds since 1970 keeps what a camera's clock can tell."""
    stamp = time_message(seconds(HEADER.stamp))
    assert stamp.sec == HEADER.stamp.sec
    assert abs(stamp.nanosec - HEADER.stamp.nanosec) < 1000


def test_seconds_that_round_up_carry_over() -> None:
    """A fraction that rounds to a whole second is no billion of nanoseconds."""
    assert time_message(1.9999999999) == Time(sec=2, nanosec=0)


def test_all_that_is_known_of_a_face_is_told() -> None:
    """Every field of a face has its place in the message."""
    message = faces_message(
        [face_at(BoundingBox(10, 20, 30, 40), gender=WOMAN)], HEADER, 640, 480, 0.5
    )
    assert message.header == HEADER
    assert (message.image_width, message.image_height) == (640, 480)
    assert message.processing_time == pytest.approx(0.5)
    (face,) = message.faces
    assert face.track_id == '7'
    assert face.detection_confidence == 0.875
    assert [(point.x, point.y, point.z) for point in face.landmarks] == [
        (x, y, 0) for x, y in LANDMARKS
    ]
    assert face.first_seen == Time(sec=12, nanosec=500_000_000)
    assert not face.has_position
    gender = face.gender
    assert (gender.label, gender.confidence, gender.frame_count) == ('woman', 0.75, 3)
    assert list(gender.labels) == ['woman', 'man']
    assert list(gender.probabilities) == [0.75, 0.25]
    assert list(gender.frame_probabilities) == [0.25, 0.75]


def test_position_is_told_and_read_again() -> None:
    """In the messages of faces and of detections, and back."""
    face = replace(face_at(BoundingBox(10, 20, 30, 40), gender=WOMAN), position=(-0.5, 0.25, 1.5))
    message = faces_message([face], HEADER, 640, 480, 0.5).faces[0]
    assert message.has_position
    point = message.position
    assert (point.x, point.y, point.z) == (-0.5, 0.25, 1.5)
    assert face_from_message(message).position == face.position
    (detection,) = detections_message([face], HEADER).detections
    for result in detection.results:
        assert result.pose.pose.position == point
    (unplaced,) = faces_message([replace(face, position=None)], HEADER, 640, 480, 0.5).faces
    assert face_from_message(unplaced).position is None


def test_attribute_that_is_off_is_empty() -> None:
    """Nothing is told of an attribute without a model."""
    (face,) = faces_message([face_at(BoundingBox(0, 0, 9, 9))], HEADER, 640, 480, 0).faces
    assert face.gender.label == face.emotion.label == ''
    assert list(face.gender.labels) == list(face.gender.probabilities) == []
    assert face.gender.frame_count == 0


@pytest.mark.parametrize(
    'box, expected',
    [
        (BoundingBox(10, 20, 30, 40), (10, 20, 30, 40)),
        (BoundingBox(-10.5, -20.5, 30.5, 40.5), (0, 0, 20, 20)),
        (BoundingBox(620.5, 470.5, 50, 50), (620, 470, 20, 10)),
        (BoundingBox(-5, -5, 700, 500), (0, 0, 640, 480)),
        (BoundingBox(700, 500, 10, 10), (640, 480, 0, 0)),
        (BoundingBox(-70, -50, 10, 10), (0, 0, 0, 0)),
        (BoundingBox(10.6, 10.6, 30, 30), (10, 10, 31, 31)),
    ],
)
def test_region_is_clipped_to_the_picture(
    box: BoundingBox, expected: tuple[int, int, int, int]
) -> None:
    """A box over the edge is cut, one outside is empty, and no side is negative."""
    roi = faces_message([face_at(box)], HEADER, 640, 480, 0).faces[0].roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == expected


def test_detection_has_one_hypothesis_per_class() -> None:
    """Tools that know vision_msgs alone get box, id and all probabilities."""
    message = detections_message([face_at(BoundingBox(10, 20, 30, 40), gender=WOMAN)], HEADER)
    assert message.header == HEADER
    (detection,) = message.detections
    assert (detection.header, detection.id) == (HEADER, '7')
    center = detection.bbox.center.position
    assert (center.x, center.y) == (25, 40)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (30, 40)
    scores = {each.hypothesis.class_id: each.hypothesis.score for each in detection.results}
    assert scores == {'face': 0.875, 'gender/woman': 0.75, 'gender/man': 0.25}


def test_classes_are_numbered_in_their_order() -> None:
    """The list of labels has each class of the detections."""
    message = label_info_message({'gender': ('woman', 'man'), 'emotion': ('sad',)}, HEADER, 0.5)
    assert message.header == HEADER
    assert message.threshold == 0.5
    assert [(each.class_id, each.class_name) for each in message.class_map] == [
        (0, 'face'),
        (1, 'gender/woman'),
        (2, 'gender/man'),
        (3, 'emotion/sad'),
    ]


def test_face_comes_back_from_its_message() -> None:
    """What one program tells, another has as it was."""
    face = face_at(BoundingBox(10, 20, 30, 40), gender=WOMAN)
    (message,) = faces_message([face], HEADER, 640, 480, 0.5).faces
    back = face_from_message(message)
    assert (back.detection, back.track_id, back.first_seen) == (face.detection, '7', 12.5)
    assert back.emotion is None and back.position is None
    assert back.gender is not None
    assert (back.gender.label, back.gender.labels) == ('woman', ('woman', 'man'))
    assert back.gender.probabilities.tolist() == [0.75, 0.25]
    assert back.gender.frame_probabilities.tolist() == [0.25, 0.75]
    assert back.gender.frame_count == 3


def test_unknown_and_a_position_come_back_from_a_message() -> None:
    """A label is told by who knows the threshold, and taken as it was told."""
    (message,) = faces_message(
        [face_at(BoundingBox(1, 2, 3, 4), gender=WOMAN)], HEADER, 64, 48, 0.5
    ).faces
    message.gender.label = 'unknown'
    message.has_position = True
    message.position.x, message.position.z = -0.5, 2.0
    back = face_from_message(message)
    assert back.gender is not None
    assert (back.gender.label, back.gender.confidence) == ('unknown', 0.75)
    assert back.position == (-0.5, 0.0, 2.0)

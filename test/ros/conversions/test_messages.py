"""Faces are converted to messages, and back."""

from dataclasses import replace

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion
import numpy as np
import pytest
from std_msgs.msg import Header

from face_classification_ros.ros.conversions.messages import (
    detections_message,
    face_from_message,
    faces_message,
    frame_from_message,
    label_info_message,
    seconds,
    time_message,
)
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face

HEADER = Header(stamp=Time(sec=1_700_000_000, nanosec=123_456_789), frame_id='head_camera')
HAT = AttributeEstimate(
    ('cap', 'none'),
    np.array([0.75, 0.25], np.float32),
    np.array([0.25, 0.75], np.float32),
    frame_count=3,
    threshold=0,
)
LANDMARKS = ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0, 8.0), (9.5, 10.5))


def face_at(box: BoundingBox, **attributes: AttributeEstimate) -> Face:
    """Return a face with some attributes."""
    return Face(Detection(box, 0.875, LANDMARKS), attributes, '7', 12.5)


@pytest.mark.parametrize('stamp', [Time(), Time(sec=5, nanosec=1), Time(sec=5, nanosec=999999999)])
def test_stamp_survives_the_way_through_seconds(stamp: Time) -> None:
    """Small stamps keep every nanosecond."""
    assert time_message(seconds(stamp)) == stamp


def test_stamp_of_today_is_kept_to_a_microsecond() -> None:
    """Seconds since 1970 as a float have that precision."""
    stamp = time_message(seconds(HEADER.stamp))
    assert stamp.sec == HEADER.stamp.sec
    assert abs(stamp.nanosec - HEADER.stamp.nanosec) < 1000


def test_seconds_are_rounded_up_to_a_whole_second() -> None:
    """The number of nanoseconds remains valid."""
    assert time_message(1.9999999999) == Time(sec=2, nanosec=0)


def test_message_has_everything_about_a_face() -> None:
    """Every field of a face is in the message."""
    message = faces_message([face_at(BoundingBox(10, 20, 30, 40), hat=HAT)], HEADER, 640, 480, 0.5)
    assert message.header == HEADER
    assert message.position_frame_id == 'head_camera'
    assert (message.image_width, message.image_height) == (640, 480)
    assert message.processing_time == pytest.approx(0.5)
    (face,) = message.faces
    assert face.track_id == '7'
    assert face.detection_confidence == 0.875
    assert [(point.x, point.y, point.z) for point in face.landmarks] == [
        (x, y, 0) for x, y in LANDMARKS
    ]
    assert face.first_seen == Time(sec=12, nanosec=500_000_000)
    assert not face.has_position and face.is_size_plausible
    assert not face.has_orientation and face.looking_at_camera == 0
    assert face.orientation == Quaternion(w=1.0)
    (hat,) = face.attributes
    assert (hat.name, hat.label, hat.confidence, hat.frame_count) == ('hat', 'cap', 0.75, 3)
    assert list(hat.labels) == ['cap', 'none']
    assert list(hat.probabilities) == [0.75, 0.25]
    assert list(hat.frame_probabilities) == [0.25, 0.75]


def test_attributes_keep_their_order() -> None:
    """A face without attributes has an empty list."""
    faces = [
        face_at(BoundingBox(0, 0, 9, 9), size=HAT, hat=HAT),
        face_at(BoundingBox(0, 0, 9, 9)),
    ]
    message = faces_message(faces, HEADER, 640, 480, 0)
    names = [[each.name for each in face.attributes] for face in message.faces]
    assert names == [['size', 'hat'], []]


def test_position_survives_the_way_through_a_message() -> None:
    """It is also the pose of every hypothesis of a detection."""
    face = replace(
        face_at(BoundingBox(10, 20, 30, 40), hat=HAT),
        position=(-0.5, 0.25, 1.5),
        is_size_plausible=False,
    )
    message = faces_message([face], HEADER, 640, 480, 0.5).faces[0]
    assert message.has_position and not message.is_size_plausible
    point = message.position
    assert (point.x, point.y, point.z) == (-0.5, 0.25, 1.5)
    back = face_from_message(message)
    assert (back.position, back.is_size_plausible) == (face.position, False)
    (detection,) = detections_message([face], HEADER).detections
    for result in detection.results:
        assert result.pose.pose.position == point
    (unlocated,) = faces_message([replace(face, position=None)], HEADER, 640, 480, 0.5).faces
    assert face_from_message(unlocated).position is None


def test_orientation_survives_the_way_through_a_message() -> None:
    """With the probability of looking at the camera."""
    face = replace(
        face_at(BoundingBox(10, 20, 30, 40)),
        orientation=(0.5, -0.5, 0.5, -0.5),
        looking_at_camera=0.75,
    )
    (message,) = faces_message([face], HEADER, 640, 480, 0.5).faces
    assert message.has_orientation
    assert message.orientation == Quaternion(x=0.5, y=-0.5, z=0.5, w=-0.5)
    back = face_from_message(message)
    assert (back.orientation, back.looking_at_camera) == (face.orientation, 0.75)
    assert back.is_looking
    (message,) = faces_message([face_at(BoundingBox(0, 0, 9, 9))], HEADER, 640, 480, 0).faces
    unknown = face_from_message(message)
    assert (unknown.orientation, unknown.is_looking) == (None, False)


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
def test_region_is_clipped_to_the_image(
    box: BoundingBox, expected: tuple[int, int, int, int]
) -> None:
    """A box outside the image is empty, and no size is negative."""
    roi = faces_message([face_at(box)], HEADER, 640, 480, 0).faces[0].roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == expected


def test_detection_has_one_hypothesis_per_class() -> None:
    """With box, id and all probabilities."""
    message = detections_message([face_at(BoundingBox(10, 20, 30, 40), hat=HAT)], HEADER)
    assert message.header == HEADER
    (detection,) = message.detections
    assert (detection.header, detection.id) == (HEADER, '7')
    center = detection.bbox.center.position
    assert (center.x, center.y) == (25, 40)
    assert (detection.bbox.size_x, detection.bbox.size_y) == (30, 40)
    scores = {each.hypothesis.class_id: each.hypothesis.score for each in detection.results}
    assert scores == {'face': 0.875, 'hat/cap': 0.75, 'hat/none': 0.25}


def test_classes_are_numbered_in_their_order() -> None:
    """The classes are those of the detections."""
    message = label_info_message({'hat': ('cap', 'none'), 'mood': ('sad',)}, HEADER, 0.5)
    assert message.header == HEADER
    assert message.threshold == 0.5
    assert [(each.class_id, each.class_name) for each in message.class_map] == [
        (0, 'face'),
        (1, 'hat/cap'),
        (2, 'hat/none'),
        (3, 'mood/sad'),
    ]


def test_face_survives_the_way_through_a_message() -> None:
    """Detection, track and estimates are equal."""
    face = face_at(BoundingBox(10, 20, 30, 40), hat=HAT)
    (message,) = faces_message([face], HEADER, 640, 480, 0.5).faces
    back = face_from_message(message)
    assert (back.detection, back.track_id, back.first_seen) == (face.detection, '7', 12.5)
    assert back.position is None
    hat = back.attributes['hat']
    assert (hat.label, hat.labels, hat.frame_count) == ('cap', ('cap', 'none'), 3)
    assert hat.probabilities.tolist() == [0.75, 0.25]
    assert hat.frame_probabilities.tolist() == [0.25, 0.75]


def test_unknown_label_survives_the_way_through_a_message() -> None:
    """The threshold is not published, so the published label counts."""
    (message,) = faces_message(
        [face_at(BoundingBox(1, 2, 3, 4), hat=HAT)], HEADER, 64, 48, 0.5
    ).faces
    message.attributes[0].label = 'unknown'
    hat = face_from_message(message).attributes['hat']
    assert (hat.label, hat.confidence) == ('unknown', 0.75)


def test_frame_survives_the_way_through_a_message() -> None:
    """With its size, stamp, faces and what the caller adds."""
    faces = [face_at(BoundingBox(10, 20, 30, 40), hat=HAT), face_at(BoundingBox(1, 2, 3, 4))]
    message = faces_message(faces, HEADER, 640, 480, 0.5)
    frame = frame_from_message(message, frame=3, file='a.mcap', latency=0.1)
    assert (frame.width, frame.height, frame.frame) == (640, 480, 3)
    assert (frame.file, frame.latency) == ('a.mcap', 0.1)
    assert frame.stamp == seconds(HEADER.stamp)
    assert [each.detection for each in frame.faces] == [each.detection for each in faces]

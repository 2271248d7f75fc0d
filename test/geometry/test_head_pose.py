"""Orientation of heads, on exact landmarks and on rendered heads with real detectors."""

from __future__ import annotations

from dataclasses import replace
import math

import cv2
from detection.detectors import create
import numpy as np
import pytest
from rendered_head import ASTRONAUT, CAMERA, landmarks, Points, render_head, rotation, Shape

from face_classification_ros.geometry.head_pose import (
    default_intrinsics,
    estimate_head_pose,
    forward,
    head_angles,
    looking_probability,
)
from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.types import Point2D, Quaternion

VGA = Intrinsics(640, 480, 525.0, 535.0, 325.0, 232.0)


MODEL = Shape(mouth_below=59.0, nose_below=33.0, nose_forward=26.0)
"""The proportions of `FACE_MODEL`."""


def tuples(points: Points) -> list[Point2D]:
    """Return points as the landmarks of a detection."""
    return [(float(x), float(y)) for x, y in points]


def orientation_of(points: Points, camera: Intrinsics = VGA) -> Quaternion:
    """Return the orientation of a head with these landmarks."""
    pose = estimate_head_pose(tuples(points), camera)
    assert pose is not None
    return pose.orientation


def between(orientation: Quaternion, turn: Points) -> float:
    """Return the degrees between an estimated and the true direction of a head."""
    return math.degrees(math.acos(min(float(forward(orientation) @ turn[:, 0]), 1.0)))


@pytest.mark.parametrize('place', [(0.0, 0.0, 0.6), (0.5, -0.2, 1.2), (-1.0, 0.5, 4.0)])
@pytest.mark.parametrize('yaw', [-60.0, -45.0, -10.0, 0.0, 25.0, 45.0])
@pytest.mark.parametrize('pitch', [-25.0, 0.0, 25.0])
@pytest.mark.parametrize('roll', [-170.0, -90.0, 0.0, 20.0, 90.0])
def test_exact_landmarks_give_the_pose(
    place: tuple[float, float, float], yaw: float, pitch: float, roll: float
) -> None:
    """Within a hundredth of a degree, anywhere in the image and with any roll."""
    turn = rotation(yaw, pitch, roll)
    pose = estimate_head_pose(tuples(landmarks(VGA, turn, place, MODEL)), VGA)
    assert pose is not None
    assert pose.position == pytest.approx(place, abs=1e-4)
    orientation = pose.orientation
    assert between(orientation, turn) < 0.01
    assert head_angles(orientation) == pytest.approx((roll, pitch, yaw), abs=0.01)
    assert math.hypot(*orientation) == pytest.approx(1)


def test_axes_are_those_of_rep_155() -> None:
    """A head that faces the camera: x to the camera, y right in the image, z up."""
    x, y, z, w = orientation_of(landmarks(VGA, rotation(0), (0, 0, 1), MODEL))
    axes = cv2.Rodrigues(2 * math.acos(w) / math.sqrt(1 - w * w) * np.array([x, y, z]))[0]
    assert np.allclose(axes.T, [[0, 0, -1], [1, 0, 0], [0, -1, 0]], atol=1e-6)


def test_noise_of_the_landmarks_does_not_flip_the_head() -> None:
    """With 3 % of the distance of the eyes the median error is small, and none is mirrored."""
    random = np.random.default_rng(1)
    errors = []
    for _ in range(300):
        turn = rotation(random.uniform(-45, 45), random.uniform(-25, 25), random.normal(0, 10))
        points = landmarks(VGA, turn, (0.1, -0.1, 1.0), MODEL)
        noisy = points + random.normal(0, 0.03 * 0.063 * VGA.fx, points.shape)
        errors.append(between(orientation_of(noisy), turn))
    assert np.median(errors) < 5
    assert max(errors) < 25


@pytest.mark.parametrize('focal', [0.8, 1.25])
def test_wrong_focal_length_matters_little(focal: float) -> None:
    """A quarter off, as a camera without calibration may be, costs at most 5 degrees."""
    camera = replace(VGA, fx=VGA.fx * focal, fy=VGA.fy * focal)
    for yaw, pitch in ((0, 0), (40, 0), (-20, 20), (30, -20)):
        turn = rotation(yaw, pitch)
        points = landmarks(VGA, turn, (0.1, -0.1, 0.8), MODEL)
        assert between(orientation_of(points, camera), turn) < 5


def test_camera_without_calibration_has_the_usual_field_of_view() -> None:
    """65 degrees along the longer side, in both orientations."""
    for width, height in ((640, 480), (480, 640)):
        camera = default_intrinsics(width, height)
        assert camera.fx == camera.fy
        assert 2 * math.degrees(math.atan(320 / camera.fx)) == pytest.approx(65)
        assert (camera.cx, camera.cy) == ((width - 1) / 2, (height - 1) / 2)


@pytest.mark.parametrize(
    'points',
    [
        [],
        [(10.0, 10.0)] * 5,
        [(10.0, 10.0), (10.0, 10.0), (10.0, 20.0), (10.0, 10.0), (10.0, 10.0)],
    ],
    ids=['none', 'one place', 'no height'],
)
def test_no_landmarks_have_no_orientation(points: list[Point2D]) -> None:
    """Neither have five landmarks in one place."""
    assert estimate_head_pose(points, VGA) is None


def test_landmarks_on_a_line_are_no_error() -> None:
    """A bad detector may find them there; if there is an orientation, it is a rotation."""
    for points in ([(float(n), 1.0) for n in range(5)], [(1.0, float(n)) for n in range(5)]):
        pose = estimate_head_pose(points, VGA)
        assert pose is None or math.hypot(*pose.orientation) == pytest.approx(1)


def test_landmarks_in_one_place_but_for_rounding_are_no_error() -> None:
    """The height of the face is then 0, or even negative."""
    random = np.random.default_rng(1)
    for _ in range(4000):
        points = random.uniform(0, 640, 2) + random.normal(0, 1e-13, (5, 2))
        pose = estimate_head_pose([(float(x), float(y)) for x, y in points], VGA)
        assert pose is None or math.hypot(*pose.orientation) == pytest.approx(1)


def test_probability_of_looking_falls_with_the_angle_to_the_camera() -> None:
    """It is a half at 15 degrees or so, and counts from the place of the head."""

    def looking(yaw: float, place: tuple[float, float, float] = (0, 0, 1)) -> float:
        points = landmarks(VGA, rotation(yaw), place, MODEL)
        return looking_probability(orientation_of(points), tuples(points), VGA)

    values = [looking(yaw) for yaw in (0, 10, 20, 30, 45, 60)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.8 and values[1] > 0.5 > values[3] and values[5] < 0.05
    assert looking(30) == pytest.approx(looking(-30))
    # Seen 30 degrees to the right of the image, it must turn 30 degrees back to the camera.
    aside = (math.tan(math.radians(30)), 0.0, 1.0)
    assert looking(-30, aside) == pytest.approx(values[0], abs=0.02)
    assert looking(0, aside) == pytest.approx(values[3], abs=0.02)


@pytest.mark.parametrize('name, limit', [('libfacedetection', 10), ('own', 12)])
def test_detectors_lead_to_the_pose_of_rendered_heads(name: str, limit: float) -> None:
    """The median error of yaw is small, and yaw has the right sign."""
    detector = create(name)
    errors = []
    for yaw in (-40, -25, 0, 25, 40):
        for pitch in (-10, 0, 10):
            image = render_head(CAMERA, rotation(yaw, pitch), (0.02, -0.02, 0.45))
            (face,) = detector.detect(image)
            pose = estimate_head_pose(face.landmarks, CAMERA)
            assert pose is not None
            estimated = head_angles(pose.orientation)[2]
            errors.append(abs(estimated - yaw))
            assert yaw == 0 or estimated * yaw > 0
    assert np.median(errors) <= limit


@pytest.mark.parametrize('name', ['libfacedetection', 'own'])
def test_mirrored_face_turns_to_the_other_side(name: str) -> None:
    """Yaw and roll change their signs, pitch does not."""
    image = ASTRONAUT.image[:300, 80:380]
    camera = default_intrinsics(300, 300)
    detector = create(name)

    def angles(shown: Points) -> tuple[float, float, float]:
        (face,) = detector.detect(np.ascontiguousarray(shown))
        pose = estimate_head_pose(face.landmarks, camera)
        assert pose is not None
        return head_angles(pose.orientation)

    roll, pitch, yaw = angles(image)
    assert angles(image[:, ::-1]) == pytest.approx((-roll, pitch, -yaw), abs=5)

"""The orientation of a head is averaged over its track."""

import math

import pytest

from face_classification_ros.tracking.orientation_filter import OrientationFilter
from face_classification_ros.types import Quaternion


def around_z(degrees: float) -> Quaternion:
    """Return a rotation about the z axis."""
    half = math.radians(degrees) / 2
    return 0.0, 0.0, math.sin(half), math.cos(half)


def angle(orientation: Quaternion) -> float:
    """Return the degrees of a rotation about the z axis."""
    assert math.hypot(*orientation) == pytest.approx(1)
    return math.degrees(2 * math.atan2(orientation[2], orientation[3]))


def test_first_orientation_is_returned() -> None:
    """Also if it is not certain whose it is."""
    assert angle(OrientationFilter().add(around_z(20), 5.0, 0.3, 0.0)) == pytest.approx(20)


def test_turn_is_followed_within_the_smoothing_time() -> None:
    """After one time constant about two thirds of a turn are done, after five all of it."""
    filter_ = OrientationFilter()
    for number in range(50):
        filter_.add(around_z(0), number / 30, 0.3)
    angles = [angle(filter_.add(around_z(40), (50 + n) / 30, 0.3)) for n in range(45)]
    assert angles == sorted(angles)
    assert 20 < angles[9] < 33
    assert angles[-1] == pytest.approx(40, abs=1)


def test_sign_of_the_quaternion_does_not_matter() -> None:
    """Both signs are the same rotation; their mean is not 0."""
    filter_ = OrientationFilter()
    filter_.add(around_z(20), 0.0, 1.0)
    x, y, z, w = around_z(24)
    assert angle(filter_.add((-x, -y, -z, -w), 0.001, 1.0)) == pytest.approx(22, abs=0.1)


def test_repeated_and_ambiguous_images_change_nothing() -> None:
    """An image of the same time, and one with weight 0."""
    filter_ = OrientationFilter()
    filter_.add(around_z(10), 1.0, 0.3)
    assert angle(filter_.add(around_z(90), 1.0, 0.3)) == pytest.approx(10)
    assert angle(filter_.add(around_z(90), 2.0, 0.3, 0.0)) == pytest.approx(10)


def test_filter_that_is_off_returns_the_newest() -> None:
    """A smoothing time of 0."""
    filter_ = OrientationFilter()
    filter_.add(around_z(10), 1.0, 0.0)
    assert angle(filter_.add(around_z(90), 1.1, 0.0)) == pytest.approx(90)

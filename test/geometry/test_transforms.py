"""Transforms agree with rotation matrices."""

from __future__ import annotations

import cv2
from hypothesis import given, strategies
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.geometry.transforms import IDENTITY, Quaternion, Transform

numbers = strategies.floats(-10, 10)
vectors = strategies.tuples(numbers, numbers, numbers)
angles = strategies.floats(-np.pi, np.pi)
rotations = strategies.tuples(angles, angles, angles)


def quaternion(rotation: tuple[float, float, float]) -> Quaternion:
    """Return the quaternion of an axis times an angle."""
    angle = np.linalg.norm(rotation)
    axis = np.array(rotation) / angle if angle else np.zeros(3)
    x, y, z = np.sin(angle / 2) * axis
    return float(x), float(y), float(z), float(np.cos(angle / 2))


def matrix(rotation: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the matrix of an axis times an angle."""
    return np.asarray(cv2.Rodrigues(np.array(rotation))[0])


@given(vectors, rotations, vectors)
def test_position_is_rotated_and_translated(
    translation: tuple[float, float, float],
    rotation: tuple[float, float, float],
    point: tuple[float, float, float],
) -> None:
    """As the matrix does it; a direction is only rotated."""
    transform = Transform(translation, quaternion(rotation))
    expected = matrix(rotation) @ point
    assert transform.vector(point) == pytest.approx(expected, abs=1e-6)
    assert transform.position(point) == pytest.approx(expected + translation, abs=1e-6)


@given(rotations, rotations, vectors)
def test_orientation_is_rotated(
    rotation: tuple[float, float, float],
    orientation: tuple[float, float, float],
    point: tuple[float, float, float],
) -> None:
    """A direction of the rotated object is the rotated direction of the object."""
    turned = Transform(rotation=quaternion(rotation)).orientation(quaternion(orientation))
    expected = matrix(rotation) @ matrix(orientation) @ point
    assert Transform(rotation=turned).vector(point) == pytest.approx(expected, abs=1e-6)


def test_identity_changes_nothing() -> None:
    """From a frame to itself."""
    assert IDENTITY.position((1.0, -2.0, 3.0)) == (1.0, -2.0, 3.0)
    assert IDENTITY.orientation((0.5, 0.5, -0.5, 0.5)) == (0.5, 0.5, -0.5, 0.5)

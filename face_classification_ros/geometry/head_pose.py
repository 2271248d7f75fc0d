"""Estimate the orientation of heads from the five landmarks of their faces.

The axes of a head are those of REP-155: x forward, out of the face, y to the person's left, z up
to the scalp. Its origin is the middle between the eyes. The orientation is that of the head in the
optical frame of the camera (REP-103: x right, y down, z forward).

It describes the head, not the eyes, and yaw alone with some accuracy: the landmarks of the
detectors hardly follow a pitch or a roll. docs/explanation/head_pose.md has the errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.types import Point2D, Position, Quaternion

FACE_MODEL = np.array(
    [
        [0.0, -0.0315, 0.0],
        [0.0, 0.0315, 0.0],
        [0.026, 0.0, -0.033],
        [0.0, -0.0265, -0.059],
        [0.0, 0.0265, -0.059],
    ]
)
"""Right eye, left eye, nose, right and left corner of the mouth in meters, in axes of the head.

The distance of the eyes is the mean of adults (Dodgson, "Variation and extrema of human
interpupillary distance", SPIE 5291, 2004). Heights and the width of the mouth are those of the
landmarks that the detectors find in portraits (mean of 1500 images of SCUT-FBP5500). The nose of
people is about 30 mm in front of eyes and mouth; here it is flatter, since the landmarks of small
detectors follow a turn only partly, so that the yaw of rendered heads has the right size
(benchmarks/head_pose.py).
"""

MOUTH_HEIGHT = float(FACE_MODEL[3, 2])
"""Height of the mouth above the eyes in `FACE_MODEL`, in meters."""

DEFAULT_FIELD_OF_VIEW = 65.0
"""Angle in degrees that the longer side of an image has if the camera is not calibrated.

Color cameras of robots and webcams have 60 (Astra, Kinect) to 70 (RealSense D435, Logitech C920).
"""

LOOKING_MEDIAN, LOOKING_SCALE = 12.6, 7.4
"""Logistic function of the angle in degrees between an estimated direction and that to the camera.

It is the probability that the true angle is at most 15 degrees, with the largest likelihood for
all detectors on rendered heads, with a yaw of up to 50 degrees and a standard deviation of the
pitch of 10 degrees (benchmarks/head_pose.py).
"""

Vector = NDArray[np.float64]


def default_intrinsics(width: int, height: int) -> Intrinsics:
    """Return a camera with `DEFAULT_FIELD_OF_VIEW` for images of a size in pixels."""
    focal = max(width, height) / 2 / math.tan(math.radians(DEFAULT_FIELD_OF_VIEW / 2))
    return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Where a head is, and where it points, in the optical frame of the camera.

    Attributes:
        orientation: x, y, z and w.
        position: of the middle between the eyes in meters. The distance is that of a head of
            the size of `FACE_MODEL`: the eyes of adults differ by 6 % in their distance (standard
            deviation), and a child seems farther away than it is.
    """

    orientation: Quaternion
    position: Position


def estimate_head_pose(landmarks: Sequence[Point2D], camera: Intrinsics) -> HeadPose | None:
    """Return the pose of a head in the optical frame of the camera.

    The pose that projects `FACE_MODEL` to the landmarks with the smallest squared error, by
    Levenberg-Marquardt. It starts with a head that faces a camera which looks at it with the same
    roll, so it converges wherever the head is. The nose is far enough in front of the other points
    that the mirror image of a head is no local minimum.

    Args:
        landmarks: five points as in `Detection`, in pixels of the image.
        camera: for the size of this image.

    Returns:
        The pose; None if there are no landmarks, or if no head looks like that.
    """
    if not landmarks:
        return None
    rays = np.array([_ray(point, camera) for point in landmarks])
    axes = _axes_below(rays[:2].sum(axis=0).tolist(), rays[3:].sum(axis=0).tolist())
    if axes is None:
        return None
    seen = rays @ axes.T
    seen = seen[:, :2] / seen[:, 2:]
    # 0 or even negative if all points are the same but for their rounding.
    height = float(seen[3, 1] + seen[4, 1]) / 2
    if not height > 0:
        return None
    distance = -MOUTH_HEIGHT / height
    found, rotation, place = cv2.solvePnP(
        FACE_MODEL,
        seen,
        _IDENTITY,
        None,
        _FACING_VECTOR.copy(),
        np.array([[0.0], [0.0], [distance]]),
        useExtrinsicGuess=True,
        flags=cv2.SOLVEPNP_ITERATIVE,
    )
    if not found or not np.isfinite(rotation).all() or place[2, 0] <= 0:
        return None
    rotation = cv2.Rodrigues(axes.T @ cv2.Rodrigues(rotation)[0])[0]
    angle = float(np.linalg.norm(rotation))
    axis = rotation[:, 0] * (math.sin(angle / 2) / angle if angle else 0.5)
    position = axes.T @ place[:, 0]
    return HeadPose((*axis.tolist(), math.cos(angle / 2)), tuple(position.tolist()))


def looking_probability(
    orientation: Quaternion, landmarks: Sequence[Point2D], camera: Intrinsics
) -> float:
    """Return the probability that a head points to the camera within 15 degrees.

    Args:
        orientation: of the head in the optical frame of the camera.
        landmarks: of the face in pixels of the image, which give the direction to the head.
        camera: for the size of this image.
    """
    x, y = (sum(each) / len(landmarks) for each in zip(*landmarks, strict=True))
    cosine = -float(forward(orientation) @ _normalized(*_ray((x, y), camera)))
    angle = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
    return 1 / (1 + math.exp((angle - LOOKING_MEDIAN) / LOOKING_SCALE))


def forward(orientation: Quaternion) -> Vector:
    """Return the direction out of the face as a unit vector in the optical frame of the camera."""
    x, y, z, w = orientation
    return np.array([1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)])


def head_angles(orientation: Quaternion) -> tuple[float, float, float]:
    """Return roll, pitch and yaw in degrees relative to a head that faces along the optical axis.

    Rotations about the axes of the head, in the order yaw, pitch, roll (REP-103): a positive roll
    inclines the head to its right shoulder, a positive pitch lowers it, and a positive yaw turns
    it to its left, which is the right in the image.
    """
    x, y, z, w = orientation
    ahead = forward(orientation) @ _FACING
    yaw = math.atan2(ahead[1], ahead[0])
    pitch = -math.asin(min(max(ahead[2], -1.0), 1.0))
    # How far the axes to the left and up point up, which is against y.
    roll = math.atan2(2 * (x * x + z * z) - 1, 2 * (x * w - y * z))
    return math.degrees(roll), math.degrees(pitch), math.degrees(yaw)


def _axes_below(eyes: Sequence[float], mouth: Sequence[float]) -> Vector | None:
    """Return the axes of a camera that looks at the eyes, with the mouth below them.

    Args:
        eyes: direction of the eyes in the optical frame.
        mouth: direction of the mouth in the optical frame.

    Returns:
        3 x 3, the axes to the right, down and forward; None if the directions are the same.
    """
    # Without numpy, whose overhead for three numbers is larger than the time to solve the pose.
    forward_x, forward_y, forward_z = _normalized(*eyes)
    x, y, z = (a / mouth[2] - b / eyes[2] for a, b in zip(mouth, eyes, strict=True))
    if x == y == 0:
        return None
    right_x, right_y, right_z = _normalized(
        y * forward_z - z * forward_y, z * forward_x - x * forward_z, x * forward_y - y * forward_x
    )
    down = (
        forward_y * right_z - forward_z * right_y,
        forward_z * right_x - forward_x * right_z,
        forward_x * right_y - forward_y * right_x,
    )
    return np.array([(right_x, right_y, right_z), down, (forward_x, forward_y, forward_z)])


def _normalized(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


def _ray(point: Point2D, camera: Intrinsics) -> tuple[float, float, float]:
    """Return the direction in which the camera sees a pixel, at a distance of 1."""
    x, y = point
    return (x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1.0


_FACING = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
"""Rotation of a head that faces along the optical axis, from its axes to those of the camera."""

_IDENTITY = np.eye(3)

_FACING_VECTOR = cv2.Rodrigues(_FACING)[0]
"""The same rotation as a vector."""

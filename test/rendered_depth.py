"""Render depth images of heads with known positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.types import BoundingBox

HEAD_AXES = (0.075, 0.11, 0.09)
"""Half the width, height and depth of a head in meters, modeled as an ellipsoid."""

Point = tuple[float, float, float]


def camera(width: int, height: int) -> Intrinsics:
    """Return a camera of 60 degrees, with its principal point off the center."""
    focal = width / 2 / np.tan(np.radians(30))
    return Intrinsics(width, height, focal, focal * 1.01, width / 2 + 3.0, height / 2 - 5.0)


def head_in_view(intrinsics: Intrinsics, center: Point) -> tuple[BoundingBox, Point]:
    """Return the box around a head, and the point of its surface in the center of the box.

    Args:
        intrinsics: of the camera.
        center: of the head, in meters in the camera's optical frame.
    """
    rows, columns = np.nonzero(np.isfinite(_distances(intrinsics, center)))
    left, top = float(columns.min()), float(rows.min())
    box = BoundingBox(left, top, columns.max() + 1 - left, rows.max() + 1 - top)
    return box, surface_point(intrinsics, center, box)


def surface_point(intrinsics: Intrinsics, center: Point, box: BoundingBox) -> Point:
    """Return the point of the surface of a head in the center of a box."""
    u, v = (each - 0.5 for each in box.center)
    distance = float(_distances(intrinsics, center)[round(v), round(u)])
    x, y = (u - intrinsics.cx) / intrinsics.fx, (v - intrinsics.cy) / intrinsics.fy
    return x * distance, y * distance, distance


def render(
    intrinsics: Intrinsics,
    heads: list[Point],
    *,
    wall: float = 6.0,
    holes: float = 0.0,
    noise: float = 0.0,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Return distances along the optical axis in meters, 0 where unknown.

    Args:
        intrinsics: of the camera.
        heads: centers in meters in the camera's optical frame.
        wall: meters to the plane behind them.
        holes: fraction of pixels without a depth.
        noise: standard deviation in meters at one meter; it grows with the square of the distance,
            as with stereo and structured light.
        seed: of holes and noise.
    """
    random = np.random.default_rng(seed)
    shape = (int(intrinsics.height), int(intrinsics.width))
    depth = np.full(shape, wall)
    for head in heads:
        depth = np.minimum(depth, np.nan_to_num(_distances(intrinsics, head), nan=np.inf))
    depth += random.normal(0, 1, shape) * noise * depth**2
    depth[random.random(shape) < holes] = 0
    return depth.astype(np.float32)


def _distances(intrinsics: Intrinsics, center: Point) -> NDArray[np.float64]:
    """Return the distance of the near side of an ellipsoid for each pixel, NaN outside."""
    rows, columns = np.mgrid[0 : int(intrinsics.height), 0 : int(intrinsics.width)]
    rays = np.stack(
        [
            (columns - intrinsics.cx) / intrinsics.fx,
            (rows - intrinsics.cy) / intrinsics.fy,
            np.ones(columns.shape),
        ],
        axis=-1,
    )
    # |(ray * t - center) / axes| = 1, a quadratic equation in t, the distance along the axis.
    ray, middle = rays / HEAD_AXES, np.asarray(center) / HEAD_AXES
    a, b, c = (ray**2).sum(-1), (ray * middle).sum(-1), (middle**2).sum() - 1
    discriminant = b**2 - a * c
    with np.errstate(invalid='ignore'):
        distances: NDArray[np.float64] = (b - np.sqrt(discriminant)) / a
    return distances

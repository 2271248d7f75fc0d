"""Render heads with known poses: a photograph on a surface with the features of a face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
import skimage.data

from face_classification_ros.geometry.positions import Intrinsics
from face_classification_ros.types import Image

Points = NDArray[np.float64]

FACING: Points = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]], float)
"""Rotation of a head that faces the camera: from its axes (forward, left, up) to optical ones."""

CAMERA = Intrinsics(320, 240, 280.0, 280.0, 159.5, 119.5)
"""A small camera of 60 degrees."""

WIDTH, HEIGHT, DEPTH, CENTER_BEHIND, CENTER_BELOW = 75.0, 118.0, 92.0, 88.0, 18.0
"""Half axes of the skull in millimeters, and its center behind and below the eyes."""

SUPERSAMPLING = 2
"""Samples per pixel in each direction, so that edges are smooth."""


@dataclass(frozen=True)
class Shape:
    """Where the features of a face are, in millimeters; by default those of an average adult.

    Attributes:
        eye_distance: from pupil to pupil.
        mouth_below: height of the eyes above the corners of the mouth.
        mouth_width: from corner to corner.
        nose_below: height of the eyes above the tip of the nose.
        nose_forward: distance of the tip of the nose from the plane of eyes and mouth.
    """

    eye_distance: float = 63.0
    mouth_below: float = 61.0
    mouth_width: float = 53.0
    nose_below: float = 35.0
    nose_forward: float = 30.0

    @property
    def features(self) -> Points:
        """The five landmarks, 5 x 2: to the left and up from the middle of the eyes."""
        eye, mouth = self.eye_distance / 2, self.mouth_width / 2
        return np.array(
            [
                [-eye, 0],
                [eye, 0],
                [0, -self.nose_below],
                [-mouth, -self.mouth_below],
                [mouth, -self.mouth_below],
            ]
        )


@dataclass(frozen=True, eq=False)
class Portrait:
    """A photograph of a face that looks into the camera.

    Attributes:
        image: uint8 H x W x 3 in BGR.
        landmarks: right eye, left eye, nose tip, right and left corner of the mouth in pixels.
        hair: color of the back of the head, BGR.
    """

    image: Image
    landmarks: tuple[tuple[float, float], ...]
    hair: tuple[int, int, int] = (40, 60, 90)


ASTRONAUT = Portrait(
    np.ascontiguousarray(skimage.data.astronaut()[..., ::-1]),
    ((200, 102), (247, 103), (220, 124), (199, 143), (240, 144)),
)
"""Eileen Collins; landmarks marked by hand."""


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Points:
    """Return the rotation of a head from its axes to those of the camera, 3 x 3.

    Args:
        yaw: degrees to the person's left, from a head that faces the camera.
        pitch: degrees down.
        roll: degrees by which the head is inclined to its right shoulder.
    """
    yaw, pitch, roll = np.radians([yaw, pitch, roll])
    around_up = [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    around_left = [
        [math.cos(pitch), 0, math.sin(pitch)],
        [0, 1, 0],
        [-math.sin(pitch), 0, math.cos(pitch)],
    ]
    around_forward = [
        [1, 0, 0],
        [0, math.cos(roll), -math.sin(roll)],
        [0, math.sin(roll), math.cos(roll)],
    ]
    turned: Points = np.array(around_up) @ np.array(around_left) @ np.array(around_forward)
    return FACING @ turned


def landmarks(
    camera: Intrinsics, turn: Points, place: tuple[float, float, float], shape: Shape
) -> Points:
    """Return where the camera sees the five landmarks, 5 x 2 in pixels; see `render_head`."""
    forward = np.array([0, 0, shape.nose_forward, 0, 0])
    points = np.column_stack([forward, shape.features]) / 1000 @ turn.T + place
    return _project(camera, points)


def render_head(
    camera: Intrinsics,
    turn: Points,
    place: tuple[float, float, float] = (0.0, 0.0, 0.8),
    *,
    shape: Shape | None = None,
    portrait: Portrait = ASTRONAUT,
    background: Image | None = None,
) -> Image:
    """Return an image of a head.

    Args:
        camera: its size is that of the image.
        turn: rotation of the head, see `rotation`.
        place: the middle of the eyes, in meters in the camera's optical frame.
        shape: of the face; the average if it is None.
        portrait: is projected on the head from the front.
        background: of the size of the image; gray if it is None.
    """
    points, colors = _surface(shape or Shape(), portrait)
    height, width = int(camera.height), int(camera.width)
    in_camera = points @ turn.T + np.asarray(place)
    columns, rows = ((_project(camera, in_camera) + 0.5) * SUPERSAMPLING).astype(int).T
    size = width * SUPERSAMPLING, height * SUPERSAMPLING
    visible = (columns >= 0) & (columns < size[0]) & (rows >= 0) & (rows < size[1])
    # Of several points in one pixel the nearest is drawn last.
    order = np.flatnonzero(visible)[np.argsort(-in_camera[visible, 2])]
    head = np.zeros((*size[::-1], 4), np.uint8)
    head[rows[order], columns[order]] = colors[order]
    # Fills the gaps between the points of a head that is near.
    head = cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    head = cv2.resize(head, (width, height), interpolation=cv2.INTER_AREA)
    if background is None:
        background = np.full((height, width, 3), 128, np.uint8)
    opacity = head[..., 3:] / 255
    return (head[..., :3] + background * (1 - opacity)).astype(np.uint8)


def _project(camera: Intrinsics, points: Points) -> Points:
    return np.column_stack(
        [
            camera.cx + camera.fx * points[:, 0] / points[:, 2],
            camera.cy + camera.fy * points[:, 1] / points[:, 2],
        ]
    )


@lru_cache(maxsize=4)
def _surface(shape: Shape, portrait: Portrait) -> tuple[Points, Image]:
    """Return the points of a head in meters in its axes, N x 3, and their colors, BGRA."""
    across = np.sin(np.radians(np.arange(-90, 90.01, 0.4))) * WIDTH
    grid = np.meshgrid(across, np.arange(-HEIGHT - CENTER_BELOW, HEIGHT - CENTER_BELOW, 0.55))
    warp = RBFInterpolator(shape.features, portrait.landmarks, kernel='thin_plate_spline')
    pixels = warp(np.stack(grid, -1).reshape(-1, 2)).reshape(*grid[0].shape, 2)
    colors = cv2.remap(
        portrait.image,
        pixels.astype(np.float32),
        None,
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    is_head = _skull(*grid) > 0
    left, up, colors = grid[0][is_head], grid[1][is_head], colors[is_head]
    back = -2 * CENTER_BEHIND - _front(shape, left, up, nose=False)
    front = np.column_stack([_front(shape, left, up), left, up])
    points = np.concatenate([front, np.column_stack([back, left, up])])
    # Beyond the face the photograph shows something else.
    is_face = (left / (0.92 * WIDTH)) ** 2 + ((up + CENTER_BELOW) / HEIGHT) ** 2 < 1
    colors[~is_face] = portrait.hair
    colors = np.concatenate(
        [colors, np.broadcast_to(np.array(portrait.hair, np.uint8), colors.shape)]
    )
    return points / 1000, np.column_stack([colors, np.full(len(colors), 255, np.uint8)])


def _front(shape: Shape, left: Points, up: Points, *, nose: bool = True) -> Points:
    """Return how far the skin is in front of the plane of eyes and mouth in millimeters."""
    eye, mouth = _skin(
        shape,
        *np.array([[shape.eye_distance / 2, shape.mouth_width / 2], [0, -shape.mouth_below]]),
    )
    slope = (mouth - eye) / shape.mouth_below
    front: Points = _skin(shape, left, up) - eye + slope * up
    if not nose:
        return front
    (base,) = _front(shape, np.zeros(1), np.array([-shape.nose_below]), nose=False)
    profile = np.interp(up, [-shape.nose_below - 12, -shape.nose_below, 6], [0, 1, 0])
    ridge = np.exp(-0.5 * (left / (6 + 6 * profile)) ** 2)
    return front + (shape.nose_forward - base) * profile * ridge


def _skin(shape: Shape, left: Points, up: Points) -> Points:
    """Return how far the skin without the nose is in front of the center of the skull."""

    def bump(y: float, z: float, width: float, height: float) -> Points:
        bumps: Points = np.exp(-0.5 * (((left - y) / width) ** 2 + ((up - z) / height) ** 2))
        return bumps

    eye = shape.eye_distance / 2
    skull: Points = DEPTH * np.sqrt(np.maximum(_skull(left, up), 0))
    skull -= 6 * (bump(-eye, 0, 12, 9) + bump(eye, 0, 12, 9))
    skull += 5 * (bump(-25, 18, 18, 7) + bump(25, 18, 18, 7))
    skull += 9 * bump(0, 3 - shape.mouth_below, 26, 17)
    skull += 12 * bump(0, -100, 20, 13)
    return skull


def _skull(left: Points, up: Points) -> Points:
    """Return 1 in the middle of the skull, 0 at its outline as seen from the front."""
    return 1 - (left / WIDTH) ** 2 - ((up + CENTER_BELOW) / HEIGHT) ** 2

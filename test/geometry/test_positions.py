"""Positions from boxes and depth images, on rendered heads at known places."""

from __future__ import annotations

import numpy as np
import pytest
from rendered_depth import camera, head_in_view, Point, render, surface_point

from face_classification_ros.geometry.positions import DepthImage, DepthView, Intrinsics, locate
from face_classification_ros.types import BoundingBox, Detection, Face

VGA = camera(640, 480)


def face_at(box: BoundingBox) -> Face:
    """Return a face with nothing but a box."""
    return Face(Detection(box, 0.8))


def position_of(box: BoundingBox, depth: DepthImage, intrinsics: Intrinsics = VGA) -> Point | None:
    """Return the position of a face in the VGA image."""
    (face,) = locate([face_at(box)], DepthView(depth, intrinsics), 640, 480)
    return face.position


def error(position: Point | None, y_true: Point) -> float:
    """Return the distance of two points relative to the distance from the camera."""
    assert position is not None
    return float(np.linalg.norm(np.subtract(position, y_true)) / np.linalg.norm(y_true))


@pytest.mark.parametrize('distance', [0.5, 0.8, 1.2, 2.0, 3.0, 4.0])
@pytest.mark.parametrize('place', ['middle', 'aside'])
def test_error_is_below_two_percent(distance: float, place: str) -> None:
    """Up to four meters, with a wall behind, holes, noise, and boxes that are a tenth off."""
    x = {'middle': 0.0, 'aside': 0.35 * distance}[place]
    head = (x, -0.1 * distance, distance + 0.09)
    box, _ = head_in_view(VGA, head)
    depth = DepthImage(render(VGA, [head], holes=0.3, noise=0.005), 1)
    for x_shift, y_shift in ((0.0, 0.0), (0.1, 0.0), (-0.1, 0.1)):
        shifted = box.translated(x_shift * box.width, y_shift * box.height)
        y_true = surface_point(VGA, head, shifted)
        assert error(position_of(shifted, depth), y_true) <= 0.02


def test_hand_in_front_of_the_mouth_and_wall_behind_do_not_matter() -> None:
    """Less than half of the middle of the box is covered, so the median is the face's."""
    head = (0.2, 0.0, 1.5)
    box, y_true = head_in_view(VGA, head)
    values = render(VGA, [head], wall=1.7)
    below = round(box.y + box.height * 0.6)
    values[below:] = 1.0
    assert error(position_of(box, DepthImage(values, 1)), y_true) <= 0.02


def test_two_heads_have_their_own_distances() -> None:
    """The order of the faces is kept."""
    heads = [(-0.3, 0.0, 1.0), (0.6, 0.1, 3.0)]
    depth = DepthImage(render(VGA, heads), 1)
    boxes, truths = zip(*(head_in_view(VGA, head) for head in heads), strict=True)
    faces = locate([face_at(box) for box in boxes], DepthView(depth, VGA), 640, 480)
    for face, y_true in zip(faces, truths, strict=True):
        assert error(face.position, y_true) <= 0.02


@pytest.mark.parametrize('order', ['<', '>'], ids=['little_endian', 'big_endian'])
@pytest.mark.parametrize('kind', ['u2', 'f4'])
def test_units_and_byte_orders_do_not_matter(kind: str, order: str) -> None:
    """Millimeters as integers and meters as floats differ only by rounding."""
    head = (0.1, 0.1, 1.6)
    box, y_true = head_in_view(VGA, head)
    meter = 1000 if kind == 'u2' else 1
    values = (render(VGA, [head]) * meter).astype(order + kind)
    assert error(position_of(box, DepthImage(values, meter)), y_true) <= 0.01


@pytest.mark.parametrize('invalid', [0.0, np.nan, np.inf, -np.inf, -1.0])
def test_invalid_depths_are_ignored(invalid: float) -> None:
    """Half of the pixels are invalid, the others count."""
    head = (0.1, 0.1, 1.6)
    box, y_true = head_in_view(VGA, head)
    values = render(VGA, [head])
    values[:, ::2] = invalid
    assert error(position_of(box, DepthImage(values, 1)), y_true) <= 0.01
    values[...] = invalid
    assert position_of(box, DepthImage(values, 1)) is None


def test_face_with_too_few_depths_has_no_position() -> None:
    """A few pixels may be anything; the face is returned as it was."""
    head = (0.0, 0.0, 1.5)
    box, _ = head_in_view(VGA, head)
    face = face_at(box)
    depth = DepthImage(render(VGA, [head], holes=0.95), 1)
    assert locate([face], DepthView(depth, VGA), 640, 480) == [face]


@pytest.mark.parametrize('box', [BoundingBox(-300, 50, 100, 100), BoundingBox(700, 50, 90, 90)])
def test_box_outside_the_image_has_no_position(box: BoundingBox) -> None:
    """The camera does not see it."""
    assert position_of(box, DepthImage(np.full((480, 640), 2.0, np.float32), 1)) is None


def test_box_beyond_the_edge_has_the_depth_of_its_visible_part() -> None:
    """The box is not clipped: its middle is that of the face, not of the part in view."""
    values = np.full((480, 640), 2.0, np.float32)
    position = position_of(BoundingBox(-40, 100, 100, 120), DepthImage(values, 1))
    assert position is not None
    assert position[2] == 2.0
    assert position[0] == pytest.approx((10 - 0.5 - VGA.cx) / VGA.fx * 2)


@pytest.mark.parametrize('width, height', [(320, 240), (1280, 960), (160, 120)])
def test_depth_image_may_have_another_size(width: int, height: int) -> None:
    """It shows the same view, coarser or finer."""
    head = (0.2, -0.1, 1.4)
    box, y_true = head_in_view(VGA, head)
    values = render(VGA.scaled(width, height), [head])
    assert error(position_of(box, DepthImage(values, 1)), y_true) <= 0.02


def test_calibration_may_be_for_another_size() -> None:
    """The image was resized by a driver that kept the calibration."""
    head = (0.2, -0.1, 1.4)
    box, y_true = head_in_view(VGA, head)
    depth = DepthImage(render(VGA, [head]), 1)
    assert error(position_of(box, depth, VGA.scaled(1280, 960)), y_true) <= 0.02


def test_another_view_is_refused() -> None:
    """A wide calibration or depth image does not fit a 4:3 image."""
    depth = DepthImage(np.ones((480, 640), np.float32), 1)
    wide = DepthImage(np.ones((360, 640), np.float32), 1)
    with pytest.raises(ValueError, match='1280 x 720'):
        locate([], DepthView(depth, camera(1280, 720)), 640, 480)
    with pytest.raises(ValueError, match='640 x 360'):
        locate([], DepthView(wide, VGA), 640, 480)


@pytest.mark.parametrize(
    'meters, is_plausible',
    [
        (0.05, False),
        (0.09, False),
        (0.11, True),
        (0.2, True),
        (0.34, True),
        (0.4, False),
        (2.0, False),
    ],
)
def test_implausible_sizes_are_marked(meters: float, is_plausible: bool) -> None:
    """A face on a poster has its position and its confidence; only its size is implausible."""
    distance = 3.0
    size = meters / distance * VGA.fx
    box = BoundingBox(320 - size / 2, 240 - size / 2, size, size)
    depth = DepthImage(np.full((480, 640), distance, np.float32), 1)
    (face,) = locate([face_at(box)], DepthView(depth, VGA), 640, 480)
    assert face.is_size_plausible == is_plausible
    assert face.detection == face_at(box).detection
    assert face.position is not None
    assert face.position[2] == distance


@pytest.mark.parametrize('rotation, is_plausible', [(0, False), (90, True), (180, False)])
def test_width_is_that_of_the_upright_face(rotation: int, is_plausible: bool) -> None:
    """0.4 m wide and 0.3 m high: a plausible face only if the camera is mounted on its side."""
    distance = 3.0
    width, height = (meters / distance * focal for meters, focal in ((0.4, VGA.fx), (0.3, VGA.fy)))
    box = BoundingBox(320 - width / 2, 240 - height / 2, width, height)
    depth = DepthImage(np.full((480, 640), distance, np.float32), 1)
    for degrees in (rotation, (rotation + 180) % 360):
        (face,) = locate([face_at(box)], DepthView(depth, VGA), 640, 480, degrees)
        assert face.is_size_plausible == is_plausible

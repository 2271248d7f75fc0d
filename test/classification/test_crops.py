"""Crops have the place, size and colors that a network was trained on, undistorted."""

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

from face_classification_ros.classification.crops import crop_faces, InputSpec
from face_classification_ros.types import BoundingBox, Image

BGR_48 = InputSpec(48, 0.0, 'bgr')
GRAY_48 = InputSpec(48, 0.0, 'gray')

# Every pixel encodes its position: blue is the row, green the column.
POSITIONS: Image = np.zeros((200, 240, 3), np.uint8)
POSITIONS[..., 0] = np.arange(200)[:, None]
POSITIONS[..., 1] = np.arange(240)[None, :]


def crop(image: Image, box: BoundingBox, input_spec: InputSpec) -> NDArray[np.uint8]:
    """Return the crop of one face."""
    (result,) = crop_faces(image, [box], input_spec)
    return result


@pytest.mark.parametrize('input_spec', [BGR_48, GRAY_48, InputSpec(64, 0.3, 'bgr')])
def test_crops_have_the_shape_of_the_input_spec(input_spec: InputSpec) -> None:
    """All faces of an image are in one array, regardless of their size."""
    boxes = [
        BoundingBox(10, 10, 20, 30),
        BoundingBox(50, 60, 100, 80),
        BoundingBox(-20, 150, 90, 90),
    ]
    crops = crop_faces(POSITIONS, boxes, input_spec)
    assert crops.shape == (3, input_spec.size, input_spec.size, input_spec.channels)
    assert crops.dtype == np.uint8


def test_no_faces_give_no_crops() -> None:
    """The empty array has the shape of a crop."""
    assert crop_faces(POSITIONS, [], GRAY_48).shape == (0, 48, 48, 1)


def test_crop_of_the_same_size_equals_the_image() -> None:
    """Nothing is shifted or resampled if the box is as large as the crop."""
    assert np.array_equal(
        crop(POSITIONS, BoundingBox(20, 30, 48, 48), BGR_48), POSITIONS[30:78, 20:68]
    )


def test_longer_side_of_the_box_is_the_side_of_the_square() -> None:
    """A tall box is extended at its sides and keeps its height."""
    result = crop(POSITIONS, BoundingBox(60, 50, 24, 48), BGR_48)
    assert np.array_equal(result, POSITIONS[50:98, 48:96])


def test_margin_extends_the_box() -> None:
    """The margin is a fraction of the longer side; a negative one shrinks the box."""
    assert np.array_equal(
        crop(POSITIONS, BoundingBox(62, 62, 24, 24), InputSpec(48, 0.5, 'bgr')),
        POSITIONS[50:98, 50:98],
    )
    assert np.array_equal(
        crop(POSITIONS, BoundingBox(38, 38, 80, 80), InputSpec(48, -0.2, 'bgr')),
        POSITIONS[54:102, 54:102],
    )


@pytest.mark.parametrize('radius', [10, 24, 45])
def test_circle_stays_a_circle(radius: int) -> None:
    """Neither a tall nor a wide box distorts the image."""
    image = np.zeros((200, 240, 3), np.uint8)
    cv2.circle(image, (120, 100), radius, (255, 255, 255), -1)
    for width, height in ((60, 100), (100, 60), (100, 100)):
        result = crop(
            image, BoundingBox(120 - width / 2, 100 - height / 2, width, height), GRAY_48
        )
        rows, columns, _ = np.nonzero(result > 127)
        assert abs(np.ptp(rows) - np.ptp(columns)) <= 1
        assert np.ptp(rows) + 1 == pytest.approx(2 * radius * 48 / 100, abs=2)


@pytest.mark.parametrize(
    'box, rows, columns',
    [
        (BoundingBox(-10, 50, 48, 48), (50, 98), (-10, 38)),
        (BoundingBox(50, -10, 48, 48), (-10, 38), (50, 98)),
        (BoundingBox(210, 50, 48, 48), (50, 98), (210, 258)),
        (BoundingBox(50, 170, 48, 48), (170, 218), (50, 98)),
        (BoundingBox(-20, -30, 48, 48), (-30, 18), (-20, 28)),
        (BoundingBox(220, 180, 48, 48), (180, 228), (220, 268)),
    ],
    ids=['left', 'top', 'right', 'bottom', 'top_left', 'bottom_right'],
)
def test_face_at_the_edge_is_neither_shifted_nor_shrunk(
    box: BoundingBox, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    """Beyond the edge the nearest pixels are repeated."""
    result = crop(POSITIONS, box, BGR_48)
    assert np.array_equal(result[:, 0, 0], np.clip(np.arange(*rows), 0, 199))
    assert np.array_equal(result[0, :, 1], np.clip(np.arange(*columns), 0, 239))


@pytest.mark.parametrize(
    'box',
    [
        BoundingBox(-100, 50, 110, 110),
        BoundingBox(230, 50, 100, 100),
        BoundingBox(50, 190, 120, 120),
        BoundingBox(-500, -500, 1500, 1500),
    ],
)
@pytest.mark.parametrize('margin', [-0.4, 0.0, 1.0])
def test_box_mostly_outside_the_image_is_cropped(box: BoundingBox, margin: float) -> None:
    """Even if a negative margin leaves no pixel of the image in the square."""
    assert crop(POSITIONS, box, InputSpec(48, margin, 'bgr')).shape == (48, 48, 3)


@pytest.mark.parametrize('shape', [(1, 1), (1, 50), (50, 1), (3, 3)])
def test_tiny_image_is_cropped(shape: tuple[int, int]) -> None:
    """An image smaller than any face is not an error."""
    image = np.full((*shape, 3), 77, np.uint8)
    assert (crop(image, BoundingBox(0, 0, shape[1], shape[0]), BGR_48) == 77).all()


def test_gray_has_the_weights_of_human_vision() -> None:
    """The image is BGR: red is brighter than blue, and green brighter than both."""
    colors = {'blue': (255, 0, 0), 'green': (0, 255, 0), 'red': (0, 0, 255)}
    gray = {
        name: crop(np.full((50, 50, 3), color, np.uint8), BoundingBox(0, 0, 50, 50), GRAY_48)
        for name, color in colors.items()
    }
    assert {name: int(result[20, 20, 0]) for name, result in gray.items()} == {
        'blue': 29,
        'green': 150,
        'red': 76,
    }


def test_colors_keep_their_order() -> None:
    """A network with BGR input gets BGR crops."""
    image = np.full((50, 50, 3), (10, 20, 30), np.uint8)
    assert crop(image, BoundingBox(0, 0, 50, 50), BGR_48)[5, 5].tolist() == [10, 20, 30]


def test_large_face_is_averaged_when_shrunk() -> None:
    """A fine pattern becomes gray rather than noise, as in training."""
    image = np.zeros((192, 192, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = 255
    result = crop(image, BoundingBox(0, 0, 192, 192), GRAY_48)
    assert np.abs(result.astype(int) - 128).max() <= 1


def test_image_is_not_changed() -> None:
    """The pixels of a message belong to the message."""
    image = POSITIONS.copy()
    image.flags.writeable = False
    crop_faces(
        image, [BoundingBox(5, 5, 50, 50), BoundingBox(-5, -5, 50, 50)], InputSpec(32, 0.1, 'gray')
    )
    assert np.array_equal(image, POSITIONS)


def test_non_contiguous_rows_are_read_correctly() -> None:
    """A window of a larger image, as one with padded rows, gives the same crops."""
    larger = np.zeros((300, 400, 3), np.uint8)
    larger[10:210, 20:260] = POSITIONS
    window = larger[10:210, 20:260]
    for box in (BoundingBox(50, 50, 80, 80), BoundingBox(-20, 150, 80, 80)):
        assert np.array_equal(crop(window, box, BGR_48), crop(POSITIONS, box, BGR_48))

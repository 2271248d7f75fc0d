"""Create sample images and a sample video from the images that scikit-image ships."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path

import cv2
import numpy as np

from face_classification_ros.io.images import read_image
from face_classification_ros.requirements import needs_modules
from face_classification_ros.types import Image

SIZE = (640, 480)
FPS = 15

# Face and shoulders, and the head alone, in scikit-image's `astronaut`, 512 x 512: x, y, width and
# height in pixels.
PORTRAIT = (120, 0, 220, 260)
HEAD = (160, 30, 130, 170)

MAX_CROWD = 100
"""Maximum number of faces in a crowd."""

LARGEST_HEAD = 1 / 3
"""Height of the largest head relative to the image, as of a person at about one meter."""


def sample_frames() -> Iterator[Image]:
    """Yield the frames of a video of 20 seconds at 15 Hz, uint8 480 x 640 x 3 in BGR.

    One face that moves and comes closer; three faces at different distances and in different
    light; some seconds without a face; one that leaves the image and comes back.

    Raises:
        ImportError: scikit-image is not installed.
    """
    portrait = _read_image('astronaut')
    yield from _camera_motion(portrait, 6 * FPS)
    yield from _three_people(portrait, _read_image('coffee'), 6 * FPS)
    yield from _camera_motion(_read_image('rocket'), 3 * FPS)
    yield from _walk_out_and_back(portrait, _read_image('coffee'), 5 * FPS)


def crowd(faces: int, width: int, height: int) -> Image:
    """Return an image with copies of one face in a grid on a blurred background.

    The faces are as large as the grid allows, up to a third of the height of the image, so that
    none is smaller than necessary for its detector.

    Args:
        faces: number of copies, 0 to `MAX_CROWD`.
        width: width of the image, 64 to 8192 pixels.
        height: height of the image, 64 to 8192 pixels.

    Returns:
        uint8, `height` x `width` x 3, in BGR.

    Raises:
        ImportError: scikit-image is not installed.
        ValueError: an argument is out of range.
    """
    if not 0 <= faces <= MAX_CROWD:
        raise ValueError(f'crowd of {faces} faces: expected 0 to {MAX_CROWD}')
    if not (64 <= width <= 8192 and 64 <= height <= 8192):
        raise ValueError(f'image of {width} x {height}: expected 64 to 8192 pixels each')
    frame = _blurred(_read_image('coffee'), (width, height))
    if not faces:
        return frame
    left, top, head_width, head_height = HEAD

    def scale(columns: int) -> float:
        rows = math.ceil(faces / columns)
        grid = min(width / columns / head_width, height / rows / head_height)
        return min(grid, LARGEST_HEAD * height / head_height)

    columns = max(range(1, faces + 1), key=scale)
    rows = math.ceil(faces / columns)
    size = int(head_width * scale(columns)), int(head_height * scale(columns))
    head = _read_image('astronaut')[top : top + head_height, left : left + head_width]
    interpolation = cv2.INTER_AREA if scale(columns) < 1 else cv2.INTER_LINEAR
    head = np.asarray(cv2.resize(head, size, interpolation=interpolation), np.uint8)
    for number in range(faces):
        row, column = divmod(number, columns)
        x = int((column + 0.5) * width / columns - size[0] / 2)
        y = int((row + 0.5) * height / rows - size[1] / 2)
        frame[y : y + size[1], x : x + size[0]] = head
    return frame


def _read_image(name: str) -> Image:
    with needs_modules(['skimage'], 'the sample'):
        import skimage
    # Read by path, since skimage.data would download a newer copy.
    folder = Path(skimage.__file__).parent / 'data'
    path = next(folder.glob(f'{name}.*'))
    return read_image(path)


def _camera_motion(image: Image, frames: int) -> Iterator[Image]:
    """Pan and zoom over an image."""
    height, width = image.shape[:2]
    for number in range(frames):
        phase = number / frames
        zoom = SIZE[1] / height * (1.1 + 0.5 * math.sin(math.pi * phase))
        center = (
            width * (0.47 + 0.05 * math.sin(2 * math.pi * phase)),
            height * (0.36 + 0.06 * math.cos(2 * math.pi * phase)),
        )
        matrix = np.array(
            [[zoom, 0, SIZE[0] / 2 - zoom * center[0]], [0, zoom, SIZE[1] / 2 - zoom * center[1]]]
        )
        yield _warp(image, matrix)


def _three_people(portrait: Image, room: Image, frames: int) -> Iterator[Image]:
    """Move three copies of a face: one close, one mirrored, one far away in little light."""
    x, y, width, height = PORTRAIT
    near = portrait[y : y + height, x : x + width]
    mirrored = cv2.resize(cv2.flip(near, 1), None, fx=0.85, fy=0.85)
    dark = cv2.convertScaleAbs(cv2.resize(near, None, fx=0.65, fy=0.65), alpha=0.55)
    background = _blurred(room)
    for number in range(frames):
        phase = 2 * math.pi * number / frames
        frame = background.copy()
        _paste(frame, dark, 460 + 20 * math.sin(phase), 40)
        _paste(frame, mirrored, 230 + 25 * math.sin(phase + 2), 120 + 10 * math.cos(phase))
        _paste(frame, near, 10 + 15 * math.cos(phase), 170 + 15 * math.sin(2 * phase))
        yield frame


def _walk_out_and_back(portrait: Image, room: Image, frames: int) -> Iterator[Image]:
    """Move a face out of the image at the right and back."""
    x, y, width, height = PORTRAIT
    person = cv2.resize(portrait[y : y + height, x : x + width], None, fx=1.3, fy=1.3)
    background = _blurred(room)
    for number in range(frames):
        away = math.sin(math.pi * number / frames)
        frame = background.copy()
        _paste(frame, person, 200 + 480 * away, 120)
        yield frame


def _blurred(room: Image, size: tuple[int, int] = SIZE) -> Image:
    return np.asarray(cv2.GaussianBlur(cv2.resize(room, size), (0, 0), 6), np.uint8)


def _paste(frame: Image, person: Image, x: float, y: float) -> None:
    """Copy an image into a frame at a subpixel position, clipped at the edge."""
    mask = np.full(person.shape[:2], 255, np.uint8)
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    layer = cv2.warpAffine(person, matrix, SIZE)
    is_person = cv2.warpAffine(mask, matrix, SIZE) == 255
    frame[is_person] = layer[is_person]


def _warp(image: Image, matrix: np.ndarray) -> Image:
    return np.asarray(
        cv2.warpAffine(image, matrix, SIZE, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )

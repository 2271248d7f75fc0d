"""Create sample images and a sample video from photographs that other packages ship."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
import math

import cv2
import numpy as np

from face_classification_ros.io.images import read_image
from face_classification_ros.io.portraits import data_folder, figure, HEIGHT, PORTRAITS, turned
from face_classification_ros.types import Image

SIZE = (640, 480)
FPS = 15
DURATION = 20
"""Seconds of the video."""

# The head in scikit-image's `astronaut`, 512 x 512: x, y, width and height in pixels.
HEAD = (160, 30, 130, 170)

MAX_CROWD = 100
"""Maximum number of faces in a crowd."""

LARGEST_HEAD = 1 / 3
"""Height of the largest head relative to the image, as of a person at about one meter."""


@dataclass(frozen=True)
class Role:
    """What a person does in the sample.

    Attributes:
        portrait: key of `PORTRAITS`.
        light: by which the colors are multiplied.
        moments: rows of time in seconds, middle of the person in pixels from the left, height of
            the person in pixels, and rotation of the head in degrees to the right; linear in
            between, and absent before the first and after the last.
    """

    portrait: str
    light: float
    moments: tuple[tuple[float, float, float, float], ...]

    def at(self, seconds: float) -> tuple[float, float, float] | None:
        """Return middle, height and rotation at a time, or None while the person is absent."""
        times, *values = np.transpose(self.moments)
        if not times[0] <= seconds <= times[-1]:
            return None
        middle, height, degrees = (float(np.interp(seconds, times, each)) for each in values)
        return middle + 3 * math.sin(1.7 * seconds + times[0]), height, degrees


ROLES = (
    # In the background and in little light; goes away, and comes back.
    Role(
        'author',
        0.65,
        (
            *((6.5, 800, 230, 0), (8.5, 470, 230, 0), (11.0, 480, 240, 0), (12.5, 800, 230, 0)),
            *((17.0, 800, 250, 0), (18.2, 520, 260, 0), (20.0, 520, 260, 0)),
        ),
    ),
    Role('astronaut', 1.0, ((15.8, -170, 400, 0), (17.3, 320, 400, 0), (20.0, 310, 410, 0))),
    Role('admiral', 1.0, ((9.5, -170, 300, 0), (11.0, 110, 300, 0), (20.0, 110, 340, 0))),
    Role('engineer', 1.0, ((3.0, 840, 340, 0), (4.8, 480, 340, 0), (7.0, 840, 340, 0))),
    # Is the first, turns to somebody else and back, and leaves.
    Role(
        'director',
        1.0,
        (
            *((0.8, -200, 330, 0), (2.3, 210, 350, 0), (5.0, 200, 420, 0), (8.0, 250, 330, 0)),
            *((11.0, 320, 330, 0), (12.2, 320, 330, 85), (13.2, 320, 330, 85)),
            *((14.2, 320, 330, 0), (14.8, 330, 340, 0), (16.2, 840, 330, 0)),
        ),
    ),
)
"""The people of the sample, the nearest last."""


def sample_frames() -> Iterator[Image]:
    """Yield the frames of a video of 20 seconds at 15 Hz, uint8 480 x 640 x 3 in BGR.

    Five people of different age and sex come into an empty room and stand at different distances
    and in different light; one turns the head away and back, one leaves and comes back.

    Raises:
        ImportError: a package of the extra [demo] is not installed.
        UnreadableError: a package of the extra has other photographs.
    """
    room = _blurred(_read_image('brick'))
    for number in range(DURATION * FPS):
        frame = room.copy()
        for role in ROLES:
            state = role.at(number / FPS)
            if state is not None:
                _draw(frame, role, *state)
        yield frame


def sample_credits() -> list[str]:
    """Return the name, the author and the license of each photograph in the sample."""
    return [PORTRAITS[role.portrait].credit for role in ROLES]


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
    # Read by path, since skimage.data would download a newer copy.
    return read_image(next((data_folder('skimage') / 'data').glob(f'{name}.*')))


def _blurred(room: Image, size: tuple[int, int] = SIZE) -> Image:
    return np.asarray(cv2.GaussianBlur(cv2.resize(room, size), (0, 0), 6), np.uint8)


def _draw(frame: Image, role: Role, middle: float, height: float, degrees: float) -> None:
    """Draw a person who stands at the lower edge of a frame, at a subpixel position."""
    person = figure(role.portrait)
    if degrees:
        person = turned(person, degrees)
    scale = height / HEIGHT
    left = middle - scale * person.image.shape[1] / 2
    first = max(0, math.floor(left))
    last = min(SIZE[0], math.ceil(left + scale * person.image.shape[1]))
    if first >= last:
        return
    area = frame[SIZE[1] - round(height) :, first:last]
    matrix = np.array([[scale, 0, left - first], [0, scale, 0]])
    image, opacity = (
        cv2.warpAffine(each, matrix, area.shape[1::-1]) for each in (person.image, person.opacity)
    )
    area[:] = area + (np.float32(role.light) * image - area) * opacity[..., np.newaxis]

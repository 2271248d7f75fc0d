"""Cut people out of the photographs that other packages ship, and turn their heads."""

from __future__ import annotations

from dataclasses import dataclass
import functools
import importlib
from pathlib import Path

import cv2
import numpy as np

from face_classification_ros.io.images import read_image
from face_classification_ros.requirements import needs_modules
from face_classification_ros.types import Image

HEIGHT = 420
"""Height of a figure in pixels."""

MASK_SCALE = 0.5
"""Size of the image in which a figure is separated from its background, which takes long."""

SEPARATION_STEPS = 4

LAST_ANGLE, BLEND_ANGLE = 75.0, 20.0
"""Degrees around a head that a photograph of its front shows, and in which hair begins."""


@dataclass(frozen=True)
class Portrait:
    """A photograph of a person that a package ships under a free license.

    Attributes:
        package: that has the photograph.
        file: relative to its `data_folder`.
        area: of head and shoulders in it: x, y, width and height in pixels.
        head: center and half axes of an ellipse around the head, as a fraction of the area.
        credit: person, author and license.
    """

    package: str
    file: str
    area: tuple[int, int, int, int]
    head: tuple[float, float, float, float]
    credit: str


PORTRAITS = {
    'astronaut': Portrait(
        'skimage',
        'data/astronaut.png',
        (90, 10, 270, 390),
        (0.50, 0.21, 0.24, 0.22),
        'Eileen Collins, NASA, public domain',
    ),
    'admiral': Portrait(
        'matplotlib',
        'sample_data/grace_hopper.jpg',
        (60, 0, 420, 500),
        (0.50, 0.37, 0.23, 0.29),
        'Grace Hopper, James S. Davis / United States Navy, public domain',
    ),
    'director': Portrait(
        'thumbor',
        'fixtures/filters/800px-Katherine_Maher.jpg',
        (150, 30, 510, 503),
        (0.46, 0.40, 0.25, 0.33),
        'Katherine Maher, Victor Grigas, CC BY-SA 3.0',
    ),
    'engineer': Portrait(
        'thumbor',
        'fixtures/filters/Giunchedi%2C_Filippo_January_2015_01.jpg',
        (170, 20, 460, 513),
        (0.50, 0.34, 0.20, 0.27),
        'Filippo Giunchedi, Myleen Hollero / Wikimedia Foundation, CC BY-SA 3.0',
    ),
    'author': Portrait(
        'thumbor',
        'fixtures/filters/800px-Guido-portrait-2014.jpg',
        (100, 5, 560, 528),
        (0.48, 0.45, 0.23, 0.38),
        'Guido van Rossum, Daniel Stroud, CC BY-SA 4.0',
    ),
}
"""The people of the sample; the photographs stay in their packages."""


@dataclass(frozen=True, eq=False)
class Figure:
    """A person without background.

    Attributes:
        image: uint8 H x W x 3 in BGR.
        opacity: float32 H x W, 0 to 1.
        head: center and half axes of an ellipse around the head in pixels.
    """

    image: Image
    opacity: np.ndarray
    head: tuple[float, float, float, float]


@functools.cache
def figure(name: str) -> Figure:
    """Return the person of a portrait, `HEIGHT` pixels high.

    Args:
        name: key of `PORTRAITS`.

    Raises:
        ImportError: the package with the photograph is not installed.
        UnreadableError: the package does not have the photograph.
    """
    portrait = PORTRAITS[name]
    photograph = read_image(data_folder(portrait.package) / portrait.file)
    x, y, width, height = portrait.area
    size = round(width * HEIGHT / height), HEIGHT
    area = photograph[y : y + height, x : x + width]
    image = np.asarray(cv2.resize(area, size, interpolation=cv2.INTER_AREA), np.uint8)
    center_x, center_y, half_width, half_height = portrait.head
    head = (
        center_x * size[0],
        center_y * size[1],
        half_width * size[0],
        half_height * size[1],
    )
    return Figure(image, _opacity(image, head), head)


def data_folder(package: str) -> Path:
    """Return the folder with the data of an installed package.

    Raises:
        ImportError: it is not installed; the message has the command that installs it.
    """
    with needs_modules([package], 'the sample'):
        module = importlib.import_module(package)
    if package == 'matplotlib':
        # Debian has it in a folder of its own.
        return Path(module.get_data_path())
    return Path(str(module.__file__)).parent


def turned(person: Figure, degrees: float) -> Figure:
    """Return a person who turns the head around the vertical axis.

    The photograph is moved around a head that is round in each row; beyond the ears there is hair.

    Args:
        person: who looks into the camera.
        degrees: to the right in the image, -90 to 90.
    """
    center_x, center_y, half_width, half_height = person.head
    top, left = max(0, int(center_y - half_height)), max(0, int(center_x - half_width))
    head = np.s_[top : int(center_y + half_height) + 2, left : int(center_x + half_width) + 2]
    image, opacity = person.image[head], person.opacity[head]
    rows, columns = np.indices(opacity.shape, np.float32)
    inside = 1 - ((rows + top - center_y) / half_height) ** 2
    radius = half_width * np.sqrt(np.maximum(inside, 0))
    offset = columns + left - center_x
    is_head = np.abs(offset) < radius
    across = np.where(is_head, offset / np.maximum(radius, 1), 0)
    angle = np.arcsin(across) - np.radians(degrees)
    source = (center_x - left + radius * np.sin(angle)).astype(np.float32)
    moved, moved_opacity = (
        cv2.remap(each, source, rows, cv2.INTER_LINEAR) for each in (image, opacity)
    )
    shown = np.clip((LAST_ANGLE - np.degrees(np.abs(angle))) / BLEND_ANGLE, 0, 1) * moved_opacity
    is_hair = is_head & (np.abs(across) > 0.8) & (rows + top < center_y) & (opacity == 1)
    hair = image[is_hair].mean(0) * np.sqrt(1 - 0.8 * across**2)[..., np.newaxis]
    blended = hair + (moved - hair) * shown[..., np.newaxis]
    result = person.image.copy()
    result[head] = np.where(is_head[..., np.newaxis], blended, image)
    return Figure(result, person.opacity, person.head)


def _opacity(image: Image, head: tuple[float, float, float, float]) -> np.ndarray:
    """Separate a person from the background, starting with an ellipse in the head."""
    small = cv2.resize(image, None, fx=MASK_SCALE, fy=MASK_SCALE, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    x, y, half_width, half_height = (MASK_SCALE * each for each in head)
    mask = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
    shoulders = (round(0.48 * width), round(0.3 * height))
    cv2.ellipse(mask, (round(x), height), shoulders, 0, 0, 360, cv2.GC_PR_FGD, -1)
    inner = (round(0.85 * half_width), round(0.85 * half_height))
    cv2.ellipse(mask, (round(x), round(y)), inner, 0, 0, 360, cv2.GC_FGD, -1)
    neck = round(0.4 * half_width)
    mask[round(y) :, round(x) - neck : round(x) + neck] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, mask, None, *models, SEPARATION_STEPS, cv2.GC_INIT_WITH_MASK)
    is_person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    thin = np.ones((5, 5), np.uint8)
    is_person = cv2.morphologyEx(is_person, cv2.MORPH_OPEN, thin)
    # The largest part without its holes, which are clothes of the color of the background.
    contours, _ = cv2.findContours(is_person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(contours, key=cv2.contourArea)
    filled = cv2.drawContours(np.zeros((height, width), np.float32), [outline], -1, 1.0, -1)
    smooth = cv2.GaussianBlur(cv2.resize(filled, image.shape[1::-1]), (0, 0), 2)
    # The edge is inside, so that no background is left around the person.
    return np.asarray(np.clip(2 * smooth - 1, 0, 1), np.float32)

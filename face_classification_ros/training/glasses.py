"""Draw glasses on faces, which must not change what is predicted for them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Points = tuple[tuple[float, float], tuple[float, float]]
"""The person's right and left eye, x and y in pixels."""

OVERSAMPLING = 4
"""Scale at which glasses are drawn: rims are thinner than a pixel of a small face."""


@dataclass(frozen=True, slots=True)
class Glasses:
    """Shape and shade of glasses; lengths are fractions of the distance between the eyes.

    Attributes:
        width: half the width of a lens.
        height: half the height of a lens.
        corners: exponent of the superellipse: 2 for an ellipse, higher for sharper corners.
        rim: thickness of the frame.
        shade: gray level of the frame, 0 (black) to 255.
        tint: fraction of the light that the lenses absorb, 0 (clear) to 1.
    """

    width: float = 0.42
    height: float = 0.32
    corners: float = 3.0
    rim: float = 0.07
    shade: int = 25
    tint: float = 0.0


READING_GLASSES = Glasses()
SUNGLASSES = Glasses(width=0.45, height=0.36, tint=0.9)


def random_glasses(random: np.random.Generator) -> Glasses:
    """Return glasses of random shape and shade; a quarter of them are sunglasses."""
    return Glasses(
        width=random.uniform(0.34, 0.48),
        height=random.uniform(0.2, 0.42),
        corners=random.uniform(2, 6),
        rim=random.uniform(0.03, 0.12),
        shade=int(random.integers(0, 120)),
        tint=random.uniform(0.5, 0.95) if random.random() < 0.25 else random.uniform(0, 0.15),
    )


def draw_glasses(image: NDArray[np.uint8], eyes: Points, glasses: Glasses) -> NDArray[np.uint8]:
    """Return a copy of an image with glasses drawn on a face.

    Args:
        image: uint8 H x W x C.
        eyes: of the face, in pixels.
        glasses: shape and shade.
    """
    height, width = image.shape[:2]
    right, left = np.array(eyes)
    distance = float(np.hypot(*(left - right)))
    along = (left - right) / distance
    axes = np.stack([along, (-along[1], along[0])])

    def points(center: NDArray[np.float64], shape: NDArray[np.float64]) -> NDArray[np.int32]:
        # The center of the first pixel is (0, 0), its corner (-0.5, -0.5).
        positions = center + distance * shape @ axes + 0.5
        return np.rint(OVERSAMPLING * positions).astype(np.int32)

    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    curve = np.stack([np.cos(angle), np.sin(angle)], 1)
    curve = np.sign(curve) * np.abs(curve) ** (2 / glasses.corners)
    lens = curve * (glasses.width, glasses.height)
    lenses = [points(right, lens), points(left, lens)]
    # Bridge and temples are slightly above the pupils.
    level = -glasses.height / 3
    lines = [
        points(right, np.array([[glasses.width, level], [1 - glasses.width, level]])),
        points(right, np.array([[-glasses.width, level], [-glasses.width - 0.4, level]])),
        points(left, np.array([[glasses.width, level], [glasses.width + 0.4, level]])),
    ]
    size = (OVERSAMPLING * height, OVERSAMPLING * width)
    tinted, frame = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    cv2.fillPoly(tinted, lenses, 255)
    thickness = max(1, round(OVERSAMPLING * distance * glasses.rim))
    cv2.polylines(frame, lenses, True, 255, thickness)
    cv2.polylines(frame, lines, False, 255, thickness)

    result = image.astype(np.float32)
    for mask, opacity, shade in ((tinted, glasses.tint, 20), (frame, 1.0, glasses.shade)):
        coverage = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        alpha = opacity * coverage.astype(np.float32)[:, :, np.newaxis] / 255
        result += alpha * (shade - result)
    return np.rint(result).astype(np.uint8)

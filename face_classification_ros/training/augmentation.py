"""Random changes of training faces that leave their labels as they are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from face_classification_ros.training.glasses import draw_glasses, Points, random_glasses
from face_classification_ros.training.light import LightChanges
from face_classification_ros.types import BoundingBox

LARGEST_BLUR = 0.04
"""Standard deviation of the strongest blur, as a fraction of a face's size."""


class Augmentation(LightChanges):
    """Ranges of the random changes of a face; the defaults change nothing."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    rotation: float = Field(
        default=0.0, ge=0, le=180, description='largest rotation in degrees, in either direction'
    )
    shift: float = Field(
        default=0.0, ge=0, le=0.5, description='largest shift, as a fraction of the size'
    )
    scale: float = Field(default=0.0, ge=0, le=0.5, description='largest relative change of size')
    mirror: bool = Field(default=False, description='mirror every second face')
    glasses: float = Field(
        default=0.0, ge=0, le=1, description='fraction of the faces with drawn glasses'
    )
    downscale: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='fraction of the faces that lose resolution, by a factor of up to 3',
    )
    occlusion: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='fraction of the faces of which up to half is occluded',
    )
    blur: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='fraction of the faces that are blurred, by up to 4 % of their size; '
        'function-matching teachers get them sharp',
    )

    def apply(
        self,
        image: NDArray[np.uint8],
        square: BoundingBox,
        size: int,
        random: np.random.Generator,
        eyes: Points | None = None,
    ) -> NDArray[np.uint8]:
        """Return a randomly changed crop of a face, uint8 `size` x `size` x C.

        Args:
            image: uint8 H x W x C.
            square: region of the unchanged crop in pixels of the image; beyond the edge, the
                nearest pixels are repeated.
            size: height and width of the result in pixels.
            random: source of all randomness, for reproducible runs.
            eyes: in pixels of the image; None where they are unknown, which draws no glasses.
        """
        if eyes is not None and random.random() < self.glasses:
            image = draw_glasses(image, eyes, random_glasses(random))
        face = self._warp(image, square, size, random)
        if random.random() < self.downscale:
            smaller = round(size / random.uniform(1, 3))
            face = cv2.resize(face, (smaller, smaller), interpolation=cv2.INTER_AREA)
            face = cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR)
        face = face.reshape(size, size, image.shape[2])
        if random.random() < self.occlusion:
            _occlude(face, random)
        return self.random_levels(random)[face]

    def blur_some(self, faces: NDArray[np.uint8], random: np.random.Generator) -> None:
        """Blur the fraction `blur` of faces, N x size x size x C, in place.

        Separate from `apply`, so that a teacher can be applied to the sharp faces in between:
        blur misleads teachers, too, and they would teach their mistakes.
        """
        for face in faces:
            if random.random() < self.blur:
                deviation = LARGEST_BLUR * len(face) * random.uniform(0.25, 1)
                blurred = cv2.GaussianBlur(
                    face, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE
                )
                face[:] = blurred.reshape(face.shape)

    def _warp(
        self,
        image: NDArray[np.uint8],
        square: BoundingBox,
        size: int,
        random: np.random.Generator,
    ) -> NDArray[np.uint8]:
        """Cut out a square, rotated, scaled, shifted and mirrored at random."""
        zoom = size / square.width
        if zoom < 0.6:
            # Bilinear interpolation would skip pixels at such a reduction.
            image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            square, zoom = square.scaled(zoom), 1.0
        zoom *= 1 + random.uniform(-self.scale, self.scale)
        angle = random.uniform(-self.rotation, self.rotation)
        center = (square.x + (square.width - 1) / 2, square.y + (square.height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(center, angle, zoom)
        matrix[:, 2] += (size - 1) / 2 - np.array(center)
        matrix[:, 2] += size * random.uniform(-self.shift, self.shift, size=2)
        if self.mirror and random.random() < 0.5:
            matrix[0] *= -1
            matrix[0, 2] += size - 1
        return cv2.warpAffine(image, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)


def _occlude(face: NDArray[np.uint8], random: np.random.Generator) -> None:
    """Fill up to half of a face, from one of its four edges, with one gray level."""
    width = round(len(face) * random.uniform(0.1, 0.5))
    # Views of the face.
    strips = (face[:width], face[-width:], face[:, :width], face[:, -width:])
    strips[random.integers(4)][:] = random.integers(256)

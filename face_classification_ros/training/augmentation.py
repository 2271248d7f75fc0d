"""Random changes of training faces that leave the answer as it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from face_classification_ros.training.glasses import draw_glasses, Points, random_glasses
from face_classification_ros.types import BoundingBox

LARGEST_BLUR = 0.04
"""Standard deviation of the strongest blur, as a share of the side."""


class Augmentation(BaseModel):
    """How far a face may be changed; all zero leaves it alone."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    rotation: float = Field(
        default=0.0, ge=0, le=180, description='largest turn in degrees, either way'
    )
    shift: float = Field(default=0.0, ge=0, le=0.5, description='largest shift, share of the side')
    scale: float = Field(default=0.0, ge=0, le=0.5, description='largest relative change of size')
    contrast: float = Field(
        default=0.0, ge=0, le=1, description='largest relative change of contrast'
    )
    brightness: float = Field(
        default=0.0, ge=0, le=1, description='largest change, share of the range'
    )
    gamma: float = Field(
        default=0.0,
        ge=0,
        le=3,
        description='largest change of the gray curve as a power of 2: 1 for 1/2 to 2',
    )
    exposure: float = Field(
        default=0.0, ge=0, le=6, description='how many times, at most, the light is halved'
    )
    mirror: bool = Field(default=False, description='whether every second face is mirrored')
    glasses: float = Field(
        default=0.0, ge=0, le=1, description='share of the faces that get drawn glasses'
    )
    small: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='share of the faces that are shown as if they were up to 3 times as small',
    )
    cover: float = Field(
        default=0.0, ge=0, le=1, description='share of the faces of which up to half is covered'
    )
    blur: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='share of the faces that are blurred by up to 4 % of their side; a consistent '
        'teacher sees them sharp',
    )

    def apply(
        self,
        image: NDArray[np.uint8],
        square: BoundingBox,
        side: int,
        random: np.random.Generator,
        eyes: Points | None = None,
    ) -> NDArray[np.uint8]:
        """Give a changed crop of a face, `side` x `side` x C.

        Args:
            image: uint8 H x W x C.
            square: what the crop would show without any change, in pixels of the picture; what
                lies beyond the edge repeats the nearest pixels.
            side: height and width of the result in pixels.
            random: source of all chance, for repeatable runs.
            eyes: in pixels of the picture; None where they are not known, for no glasses.
        """
        channels = image.shape[2]
        if eyes is not None and random.random() < self.glasses:
            image = draw_glasses(image, eyes, random_glasses(random))
        zoom = side / square.width
        if zoom < 0.6:
            # Interpolation between four neighbors skips pixels when it shrinks this much.
            image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            square, zoom = square.scaled(zoom), 1.0
        zoom *= 1 + random.uniform(-self.scale, self.scale)
        angle = random.uniform(-self.rotation, self.rotation)
        center = (square.x + (square.width - 1) / 2, square.y + (square.height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(center, angle, zoom)
        matrix[:, 2] += (side - 1) / 2 - np.array(center)
        matrix[:, 2] += side * random.uniform(-self.shift, self.shift, size=2)
        if self.mirror and random.random() < 0.5:
            matrix[0] *= -1
            matrix[0, 2] += side - 1
        face = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        if random.random() < self.small:
            fewer = round(side / random.uniform(1, 3))
            face = cv2.resize(face, (fewer, fewer), interpolation=cv2.INTER_AREA)
            face = cv2.resize(face, (side, side), interpolation=cv2.INTER_LINEAR)
        face = face.reshape(side, side, channels)
        if random.random() < self.cover:
            _cover(face, random)
        levels = (np.arange(256) / 255) ** 2 ** random.uniform(-self.gamma, self.gamma)
        levels = 0.5 + (levels - 0.5) * (1 + random.uniform(-self.contrast, self.contrast))
        levels += random.uniform(-self.brightness, self.brightness)
        levels *= 2 ** -random.uniform(0, self.exposure)
        return np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)[face]

    def blur_some(self, faces: NDArray[np.uint8], random: np.random.Generator) -> None:
        """Blur the share `blur` of faces, N x side x side x C, in place.

        Apart from `apply`, so that a teacher can be asked about the sharp face in between: one
        that is misled by blur would teach just that.
        """
        for face in faces:
            if random.random() < self.blur:
                deviation = LARGEST_BLUR * len(face) * random.uniform(0.25, 1)
                blurred = cv2.GaussianBlur(
                    face, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE
                )
                face[:] = blurred.reshape(face.shape)


def _cover(face: NDArray[np.uint8], random: np.random.Generator) -> None:
    """Lay one gray over up to half of a face, from one of its four sides."""
    width = round(len(face) * random.uniform(0.1, 0.5))
    # Views of the face.
    sides = (face[:width], face[-width:], face[:, :width], face[:, -width:])
    sides[random.integers(4)][:] = random.integers(256)

"""Random changes of training faces that leave the answer as it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from face_classification_ros.face import Box


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
    mirror: bool = Field(default=False, description='whether every second face is mirrored')

    def apply(
        self, image: NDArray[np.uint8], square: Box, side: int, random: np.random.Generator
    ) -> NDArray[np.uint8]:
        """Give a changed crop of a face, `side` x `side` x C.

        Args:
            image: uint8 H x W x C.
            square: what the crop would show without any change, in pixels of the picture; what
                lies beyond the edge repeats the nearest pixels.
            side: height and width of the result in pixels.
            random: source of all chance, for repeatable runs.
        """
        channels = image.shape[2]
        zoom = side / square.width
        if zoom < 0.6:
            # Interpolation between four neighbours skips pixels when it shrinks this much.
            image = cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            square, zoom = square.scaled(zoom), 1.0
        zoom *= 1 + random.uniform(-self.scale, self.scale)
        angle = random.uniform(-self.rotation, self.rotation)
        centre = (square.x + (square.width - 1) / 2, square.y + (square.height - 1) / 2)
        matrix = cv2.getRotationMatrix2D(centre, angle, zoom)
        matrix[:, 2] += (side - 1) / 2 - np.array(centre)
        matrix[:, 2] += side * random.uniform(-self.shift, self.shift, size=2)
        if self.mirror and random.random() < 0.5:
            matrix[0] *= -1
            matrix[0, 2] += side - 1
        face = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
        gain = 1 + random.uniform(-self.contrast, self.contrast)
        offset = 255 * random.uniform(-self.brightness, self.brightness)
        face = (face.astype(np.float32) - 127.5) * gain + 127.5 + offset
        return np.clip(np.rint(face), 0, 255).astype(np.uint8).reshape(side, side, channels)

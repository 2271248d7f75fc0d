"""Random changes of light, for the augmentation of faces and of whole scenes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field


class LightChanges(BaseModel):
    """Ranges of random changes of light; the defaults change nothing."""

    contrast: float = Field(
        default=0.0, ge=0, le=1, description='largest relative change of contrast'
    )
    brightness: float = Field(
        default=0.0, ge=0, le=1, description='largest change, as a fraction of the value range'
    )
    gamma: float = Field(
        default=0.0,
        ge=0,
        le=3,
        description='largest exponent of the gamma: gamma is between 2^-x and 2^x',
    )
    exposure: float = Field(
        default=0.0, ge=0, le=6, description='largest reduction of the exposure in stops'
    )

    def random_levels(self, random: np.random.Generator) -> NDArray[np.uint8]:
        """Return a table of 256 levels with random gamma, contrast, brightness and exposure."""
        levels = (np.arange(256) / 255) ** 2 ** random.uniform(-self.gamma, self.gamma)
        levels = 0.5 + (levels - 0.5) * (1 + random.uniform(-self.contrast, self.contrast))
        levels += random.uniform(-self.brightness, self.brightness)
        levels *= 2 ** -random.uniform(0, self.exposure)
        return np.rint(255 * np.clip(levels, 0, 1)).astype(np.uint8)

"""Read and write image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from face_classification_ros import MAX_PIXELS
from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.types import Image


def read_image(path: Path) -> Image:
    """Read an image file.

    Returns:
        uint8 H x W x 3 in BGR.

    Raises:
        UnreadableError: the file is not an image, or has more than `MAX_PIXELS` pixels; OpenCV
            reads its size from the header before it allocates memory.
    """
    problem = f'is not a readable image of at most {MAX_PIXELS // 1_000_000} megapixels'
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableError(path, problem) from error
    if image is None:
        raise UnreadableError(path, problem)
    return image.astype(np.uint8, copy=False)


def write_image(path: Path, image: Image) -> None:
    """Write an image file in the format of its suffix, and create its folder.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written')

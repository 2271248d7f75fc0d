"""Read and write image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from face_classification_ros import MAX_PIXELS
from face_classification_ros.io.errors import naming_file, reading_file, UnreadableError
from face_classification_ros.memory import is_out_of_memory
from face_classification_ros.types import Image

MAX_BYTES = 8 * MAX_PIXELS
"""Largest image file that is read: uncompressed, with four channels of 16 bits."""


def read_image(path: Path) -> Image:
    """Read an image file.

    Returns:
        uint8 H x W x 3 in BGR.

    Raises:
        UnreadableError: the file cannot be opened, is not an image, is truncated, or has more
            than `MAX_PIXELS` pixels; OpenCV reads its size from the header before it allocates
            memory.
    """
    with reading_file(path):
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableError(path, f'has more than {MAX_BYTES} bytes', 'too_large')
        content = path.read_bytes()
    problem = f'is not a whole image of at most {MAX_PIXELS // 1_000_000} megapixels'
    if not content:
        raise UnreadableError(path, problem)
    # From memory: OpenCV crashes at names that are not UTF-8, and it fills the missing part of
    # truncated JPEG files with gray.
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        raise UnreadableError(path, problem) from error
    if image is None:
        raise UnreadableError(path, problem)
    return image.astype(np.uint8, copy=False)


def write_image(path: Path, image: Image) -> None:
    """Write an image file in the format of its suffix, and create its folder.

    Raises:
        OSError: the file cannot be written, or OpenCV has no format of this suffix.
    """
    try:
        is_encoded, content = cv2.imencode(path.suffix, image)
    except cv2.error as error:
        raise OSError(f'{path} has no suffix of an image format that can be written') from error
    if not is_encoded:
        raise OSError(f'{path} cannot be written')
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming_file(path):
        path.write_bytes(content.tobytes())

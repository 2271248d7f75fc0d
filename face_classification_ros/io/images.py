"""Read and write image files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from face_classification_ros import MAX_PIXELS
from face_classification_ros.io.errors import naming_file, reading_file, UnreadableError
from face_classification_ros.io.file_names import portable_name
from face_classification_ros.memory import is_out_of_memory
from face_classification_ros.types import Image

MAX_BYTES = 8 * MAX_PIXELS
"""Largest image file that is read: uncompressed, with four channels of 16 bits."""

_HEIF = 'HEIF'

_OTHER_FORMATS = {
    b'ftyphei': _HEIF,
    b'ftyphev': _HEIF,
    b'ftypavi': 'AVIF',
    b'GIF8': 'GIF',
    b'jP  ': 'JPEG 2000',
}
"""Start of a file, or what follows its first four bytes -> format that not every OpenCV reads."""


def read_image(path: Path) -> Image:
    """Read an image file.

    Returns:
        uint8 H x W x 3 in BGR.

    Raises:
        UnreadableError: the file cannot be opened, is empty, not an image, truncated or in a
            format that OpenCV cannot read, or has more than `MAX_PIXELS` pixels; OpenCV reads its
            size from the header before it allocates memory.
    """
    with reading_file(path):
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableError(path, f'has more than {MAX_BYTES} bytes', 'too_large')
        content = path.read_bytes()
    if not content:
        raise UnreadableError(path, 'is empty', 'empty')
    # From memory: OpenCV crashes at names that are not UTF-8, and it fills the missing part of
    # truncated JPEG files with gray.
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        if 'CV_IO_MAX_IMAGE' in str(error):
            problem = f'has more than {MAX_PIXELS // 1_000_000} megapixels'
            raise UnreadableError(path, problem, 'too_large') from error
        raise _undecodable(path, content) from error
    if image is None:
        raise _undecodable(path, content)
    return image.astype(np.uint8, copy=False)


def _undecodable(path: Path, content: bytes) -> UnreadableError:
    """Return why a file that is not empty cannot be decoded."""
    with portable_name(path) as name:
        has_reader = cv2.haveImageReader(name)
    image_format = next(
        (
            each
            for signature, each in _OTHER_FORMATS.items()
            if content.startswith((signature, content[:4] + signature))
        ),
        None,
    )
    # The reader of AVIF claims HEIF, too, which it cannot decode.
    if image_format == _HEIF or (image_format and not has_reader):
        problem = f'is in the format {image_format}, which the installed OpenCV cannot read'
        return UnreadableError(path, problem, 'unsupported')
    if has_reader:
        return UnreadableError(path, 'is truncated or damaged', 'truncated')
    return UnreadableError(path, 'is not an image')


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

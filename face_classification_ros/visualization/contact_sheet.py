"""Arrange images on a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from face_classification_ros.types import Image

_SHEET_COLOR = 32


def contact_sheet(images: Sequence[Image], columns: int, width: int) -> Image:
    """Arrange images in rows on one sheet, resized to fit.

    Args:
        images: at least one; uint8, H x W x 3, in BGR. The first one determines the proportions
            of all fields, the others are fitted into theirs.
        columns: images per row, at least 1.
        width: width of the sheet in pixels.

    Returns:
        uint8, H x `width` x 3, in BGR.

    Raises:
        ValueError: there is no image, or no room for one.
    """
    gap = max(2, width // 200)
    field_width = (width - gap) // max(columns, 1) - gap
    if not images or columns < 1 or field_width < 1:
        raise ValueError(
            f'contact sheet of {len(images)} images in {columns} columns of '
            f'{width} pixels, expected at least one image, column and pixel each'
        )
    field_height = max(1, round(field_width * images[0].shape[0] / images[0].shape[1]))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (field_height + gap) + gap, width, 3), _SHEET_COLOR, np.uint8)
    for index, image in enumerate(images):
        scale = min(field_width / image.shape[1], field_height / image.shape[0])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(
            image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        )
        row, column = divmod(index, columns)
        x = gap + column * (field_width + gap) + (field_width - size[0]) // 2
        y = gap + row * (field_height + gap) + (field_height - size[1]) // 2
        sheet[y : y + size[1], x : x + size[0]] = small
    return sheet

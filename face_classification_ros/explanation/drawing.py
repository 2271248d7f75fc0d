"""Draw explanations: what was looked at, beside the face and the answer."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.types import Image
from face_classification_ros.visualization.annotation import (
    EMOTION_COLOURS,
    GENDER_COLOURS,
    NEUTRAL_COLOUR,
)

PANEL_SIDE = 240
"""Height of a panel in pixels, and width of each of its first two parts."""

BARS_WIDTH = 320

COLOURS = GENDER_COLOURS | EMOTION_COLOURS

_BACKGROUND = 32
_TEXT = (225, 225, 225)
_FONT = cv2.FONT_HERSHEY_DUPLEX
_CONTRAST = 45.0
"""Grey levels for one standard deviation of a gradient."""


def draw_crop(crop: NDArray[np.uint8], side: int) -> Image:
    """Draw a face as the network sees it: uint8 H x W x C -> `side` x `side` x 3."""
    if crop.shape[2] == 1:
        crop = np.repeat(crop, 3, axis=2)
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def draw_gradient(gradient: NDArray[np.float32], side: int) -> Image:
    """Draw a gradient by a face as the paper does: grey is nothing, bright more, dark less.

    Args:
        gradient: float32 H x W x C, as `Explainer` gives it.
        side: height and width of the picture in pixels.

    Returns:
        uint8 `side` x `side` x 3; grey for one channel.
    """
    deviation = float(gradient.std())
    levels = 127.5 + _CONTRAST / (deviation or 1.0) * gradient
    picture = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return draw_crop(picture, side)


def draw_heat(cam: NDArray[np.float32], crop: NDArray[np.uint8], side: int) -> Image:
    """Lay a map of Grad-CAM over a face: the redder, the more it speaks for the label.

    Args:
        cam: float32 H x W x 1, 0 and above.
        crop: the face, uint8 H x W x C.
        side: height and width of the picture in pixels.

    Returns:
        uint8 `side` x `side` x 3 in BGR.
    """
    peak = float(cam.max())
    levels = np.rint(255 / (peak or 1.0) * cam[..., 0]).astype(np.uint8)
    smooth = cv2.resize(levels, (side, side), interpolation=cv2.INTER_CUBIC)
    heat = cv2.applyColorMap(smooth, cv2.COLORMAP_JET)
    blended: Image = cv2.addWeighted(draw_crop(crop, side), 0.55, heat, 0.45, 0).astype(np.uint8)
    return blended


def draw_relevance(
    method: str, relevance: NDArray[np.float32], crop: NDArray[np.uint8], side: int
) -> Image:
    """Draw what a method of `Explainer` gives for a face, uint8 `side` x `side` x 3."""
    if method == 'grad_cam':
        return draw_heat(relevance, crop, side)
    return draw_gradient(relevance, side)


def draw_bars(labels: Sequence[str], probabilities: NDArray[np.float32]) -> Image:
    """Draw a distribution as bars, uint8 240 x 320 x 3."""
    canvas = np.full((PANEL_SIDE, BARS_WIDTH, 3), _BACKGROUND, np.uint8)
    left, right = 100, BARS_WIDTH - 62
    row = PANEL_SIDE / (len(labels) + 1)
    for number, (label, probability) in enumerate(zip(labels, probabilities, strict=True)):
        middle = round(row * (number + 1))
        half = round(min(row * 0.3, 14))
        end = left + round((right - left) * float(probability))
        colour = COLOURS.get(label, NEUTRAL_COLOUR)
        _write(canvas, label, (10, middle + 5))
        cv2.rectangle(
            canvas, (left, middle - half), (max(end, left + 1), middle + half), colour, -1
        )
        _write(canvas, f'{100 * probability:.0f} %', (right + 10, middle + 5))
    return canvas


def draw_panel(
    crop: NDArray[np.uint8],
    relevance: Image,
    labels: Sequence[str],
    probabilities: NDArray[np.float32],
) -> Image:
    """Lay a face, its explanation and the answer side by side.

    Args:
        crop: the face as the network saw it, uint8 H x W x C.
        relevance: its explanation, uint8 240 x 240 x 3, see `draw_relevance`.
        labels: of the attribute.
        probabilities: one for each.

    Returns:
        uint8 240 x 800 x 3 in BGR.
    """
    return np.hstack([draw_crop(crop, PANEL_SIDE), relevance, draw_bars(labels, probabilities)])


def draw_figure(rows: Sequence[tuple[str, Sequence[Sequence[Image]]]], caption: str) -> Image:
    """Lay out groups of pictures as the paper's figure 8: a row for each label.

    Args:
        rows: name, and groups of equally many pictures of one size, one group for each face.
        caption: what the pictures of a group are.

    Returns:
        uint8 H x W x 3 in BGR.

    Raises:
        ValueError: there is no row.
    """
    if not rows:
        raise ValueError('there is no face to draw')
    side = rows[0][1][0][0].shape[0]
    gap, left, top = side // 6, 110, 34
    widest = max(len(groups) for _, groups in rows)
    group = len(rows[0][1][0]) * side + gap
    canvas = np.full(
        (top + len(rows) * (side + gap), left + widest * group, 3), _BACKGROUND, np.uint8
    )
    _write(canvas, caption, (10, top - 12))
    for row, (name, groups) in enumerate(rows):
        y = top + row * (side + gap)
        _write(canvas, name, (10, y + side // 2 + 5))
        for number, pictures in enumerate(groups):
            for index, picture in enumerate(pictures):
                x = left + number * group + index * side
                canvas[y : y + side, x : x + side] = picture
    return canvas


def _write(canvas: Image, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, _FONT, 0.5, _TEXT, 1, cv2.LINE_AA)

"""Draw annotated images: boxes, labels and distributions of faces, and blurred faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from face_classification_ros.types import (
    AttributeEstimate,
    BoundingBox,
    Face,
    Image,
    largest_first,
    UNKNOWN,
)
from face_classification_ros.visualization.colors import Color, color_of, NEUTRAL_COLOR

MIN_BAR_LABELS = 3
"""Number of labels from which a distribution is drawn as a bar; of two the text says it all."""

_FONT = cv2.FONT_HERSHEY_DUPLEX
_FONT_CAPITAL = 21  # pixels at scale 1
_BLUR_CELLS = 6
_BLUR_MARGIN = 0.2
_PLATE_DARKENING = 5


@dataclass(frozen=True, slots=True)
class _Label:
    """The text next to a face, all sizes in pixels.

    Attributes:
        lines: one per attribute.
        bars: distributions, each with the color and the probability of every label.
        capital: height of a capital letter, which determines the other sizes.
        width: width of the dark background.
    """

    lines: tuple[str, ...]
    bars: tuple[tuple[tuple[Color, float], ...], ...]
    capital: float
    width: int

    @property
    def height(self) -> int:
        """Height of the background."""
        return round(self.capital * (0.7 + 1.5 * len(self.lines) + 0.5 * len(self.bars)))

    @property
    def margin(self) -> int:
        """Distance between the edge of the background and the text."""
        return round(self.capital * 0.5)


def draw_faces(image: Image, faces: Sequence[Face], *, blur: bool = False) -> Image:
    """Draw a box and a label for each face on a copy of the image.

    Box and text have the color of the label of the first attribute. Below the text, bars show the
    distributions of the attributes with three labels or more.

    Args:
        image: uint8, H x W x 3, in BGR; not changed.
        faces: with boxes in pixels of the image, which may extend beyond its edge.
        blur: make faces unrecognizable, below box and text.

    Returns:
        uint8, H x W x 3, in BGR.
    """
    canvas: Image = image.copy()
    height, width = canvas.shape[:2]
    visible = [
        (face, box)
        for face in largest_first(faces)
        if (box := face.detection.box.clipped(width, height)).area > 0
    ]
    if blur:
        for face, _ in visible:
            _blur(canvas, face.detection.box)
    for face, box in visible:
        _draw_box(canvas, box, face_color(face))
    # Labels last, so that no box crosses a text.
    boxes = [box for _, box in visible]
    plates: list[BoundingBox] = []
    for face, box in visible:
        label = _label(face, box, len(visible), width, height)
        plates.append(_place(label, box, boxes, plates, width, height))
        _draw_label(canvas, label, plates[-1], face_color(face))
    return canvas


def face_color(face: Face) -> Color:
    """Return the color of the box and text of a face: that of its first attribute."""
    return next((color_of(each.label) for each in face.attributes.values()), NEUTRAL_COLOR)


def _blur(canvas: Image, box: BoundingBox) -> None:
    """Reduce a face and its surroundings to a few patches of color.

    At most six cells along a side, since a network that knows the candidates can still identify
    8 x 8 (McPherson et al., "Defeating image obfuscation with deep learning", 2016).
    """
    margin_x, margin_y = box.width * _BLUR_MARGIN, box.height * _BLUR_MARGIN
    grown = BoundingBox(
        box.x - margin_x, box.y - margin_y, box.width + 2 * margin_x, box.height + 2 * margin_y
    )
    part = grown.clipped(canvas.shape[1], canvas.shape[0])
    left, top = int(part.x), int(part.y)
    right, bottom = int(np.ceil(part.x + part.width)), int(np.ceil(part.y + part.height))
    region = canvas[top:bottom, left:right]
    height, width = region.shape[:2]
    cells = [min(_BLUR_CELLS, max(1, side // 8)) for side in (width, height)]
    coarse = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
    region[:] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _box_stroke(width: int, height: int) -> int:
    """Return the thickness of the line of a box in an image of this size."""
    return max(1, round(min(width, height) / 240))


def _draw_box(canvas: Image, box: BoundingBox, color: Color) -> None:
    """Draw a rectangle with a dark outline, so that it is visible on any background."""
    height, width = canvas.shape[:2]
    stroke = _box_stroke(width, height)
    corner = int(box.x), int(box.y)
    opposite = (
        min(max(int(box.x + box.width) - 1, corner[0]), width - 1),
        min(max(int(box.y + box.height) - 1, corner[1]), height - 1),
    )
    cv2.rectangle(canvas, corner, opposite, (0, 0, 0), 2 * stroke + 1)
    cv2.rectangle(canvas, corner, opposite, color, stroke)


def _label(face: Face, box: BoundingBox, crowd: int, width: int, height: int) -> _Label:
    """Choose text and size of the label of a face at `box`, one of `crowd` in the image."""
    lines = [estimate_text(attribute, estimate) for attribute, estimate in face.attributes.items()]
    if not lines:
        lines = [f'face {_percent(face.detection.confidence)}']
    bars = tuple(
        tuple(
            (color_of(label), float(probability))
            for label, probability in zip(each.labels, each.probabilities, strict=True)
        )
        for each in face.attributes.values()
        if len(each.labels) >= MIN_BAR_LABELS
    )
    # Legible if the image fills a screen. A large face gets large text, a crowd smaller text, so
    # that labels find room. The size depends on the number of faces, since one that depends on the
    # remaining room would change from image to image.
    side = min(width, height)
    capital = min(max(box.width * 0.13, side / (34 + crowd), 9), side / 20)
    capitals_wide = (
        1 + max(cv2.getTextSize(line, _FONT, 1, 1)[0][0] for line in lines) / _FONT_CAPITAL
    )
    capital = min(capital, width / capitals_wide)
    return _Label(tuple(lines), bars, capital, int(capital * capitals_wide))


def estimate_text(attribute: str, estimate: AttributeEstimate) -> str:
    """Return label and probability, or a question mark if the label is unknown."""
    if estimate.label == UNKNOWN:
        return f'{attribute} ?'
    return f'{estimate.label} {_percent(estimate.confidence)}'


def _percent(probability: float) -> str:
    return f'{100 * probability:.0f} %'


def _place(
    label: _Label,
    box: BoundingBox,
    boxes: Sequence[BoundingBox],
    plates: Sequence[BoundingBox],
    width: int,
    height: int,
) -> BoundingBox:
    """Return the place around a box where its label hides least of other labels and faces.

    Above the box wherever that is free, so that labels do not jump from image to image.
    """
    gap = _box_stroke(width, height)
    left, right = box.x - gap, box.x + box.width + gap
    above, below = box.y - label.height - gap, box.y + box.height + gap
    middle = box.x + box.width / 2 - label.width / 2
    corners = np.array(
        [
            (left, above),
            (left, below),
            (middle, above),
            (middle, below),
            (right - label.width, above),
            (right - label.width, below),
            (right, box.y),
            (left - label.width, box.y),
            (left, below - label.height),
        ]
    )
    room = max(width - label.width, 0), max(height - label.height, 0)
    corners = np.clip(np.round(corners), 0, room)
    others = np.array([(o.x, o.y, o.x + o.width, o.y + o.height) for o in (*plates, *boxes)])
    weights = np.array([4.0] * len(plates) + [1.0] * len(boxes))
    ends = corners + np.array([label.width, label.height])
    shared = (
        (np.minimum(ends[:, None], others[:, 2:]) - np.maximum(corners[:, None], others[:, :2]))
        .clip(0)
        .prod(2)
    )
    x, y = corners[(shared * weights).sum(1).argmin()]
    return BoundingBox(x, y, label.width, label.height)


def _draw_label(canvas: Image, label: _Label, plate: BoundingBox, color: Color) -> None:
    """Darken the background and write the label on it."""
    left, top = int(plate.x), int(plate.y)
    ground = canvas[top : top + label.height, left : left + label.width]
    ground //= _PLATE_DARKENING
    scale = label.capital / _FONT_CAPITAL
    stroke = max(1, round(scale * 1.8))
    for index, line in enumerate(label.lines):
        base = top + round(label.capital * 1.5 * (index + 1))
        cv2.putText(
            canvas, line, (left + label.margin, base), _FONT, scale, color, stroke, cv2.LINE_AA
        )
    y = top + label.height - round(0.5 * label.capital * len(label.bars))
    for bar in label.bars:
        start = float(left + label.margin)
        for segment_color, probability in bar:
            end = start + probability * (label.width - 2 * label.margin)
            canvas[y : y + max(2, label.margin // 2), round(start) : round(end)] = segment_color
            start = end
        y += round(0.5 * label.capital)

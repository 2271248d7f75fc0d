"""Annotated pictures: boxes and labels of faces, faces made unrecognizable, contact sheets."""

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

Color = tuple[int, int, int]
"""Blue, green, red, each 0 to 255."""

NEUTRAL_COLOR: Color = (225, 225, 225)
"""Of faces whose class is unknown, or not asked for."""

GENDER_COLORS: dict[str, Color] = {
    'woman': (255, 150, 40),
    'man': (80, 80, 255),
}
"""As in the paper's demo: blue for women, red for men, both light enough for a dark plate."""

EMOTION_COLORS: dict[str, Color] = {
    'angry': (60, 60, 235),
    'disgust': (70, 170, 90),
    'fear': (220, 90, 170),
    'happy': (40, 210, 250),
    'sad': (235, 140, 60),
    'surprise': (50, 140, 255),
    'neutral': (190, 190, 190),
}
"""Of the bar that shows the distribution, and of the box where gender is switched off."""

_FONT = cv2.FONT_HERSHEY_DUPLEX
_FONT_CAPITAL = 21  # pixels at scale 1
_BLUR_CELLS = 6
_BLUR_MARGIN = 0.2
_PLATE_DARKENING = 5
_SHEET_COLOR = 32


@dataclass(frozen=True, slots=True)
class _Label:
    """The text beside a face, all sizes in pixels.

    Attributes:
        lines: one per attribute.
        segments: the emotion distribution, color and share of each label; may be empty.
        capital: height of a capital letter, which the other sizes follow.
        width: of the plate behind the text.
    """

    lines: tuple[str, ...]
    segments: tuple[tuple[Color, float], ...]
    capital: float
    width: int

    @property
    def height(self) -> int:
        """Of the plate."""
        return round(self.capital * (0.7 + 1.5 * len(self.lines) + 0.5 * bool(self.segments)))

    @property
    def margin(self) -> int:
        """Between the edge of the plate and the text."""
        return round(self.capital * 0.5)


def draw_faces(image: Image, faces: Sequence[Face], *, blur: bool = False) -> Image:
    """Draw a box and a label for each face on a copy of the picture.

    Box and text have one color per gender; where gender is switched off, per emotion. The bar
    below the text shows how the probability is spread over the emotions.

    Args:
        image: uint8, H x W x 3, in BGR; not changed.
        faces: with boxes in pixels of the picture, which may reach over its edge.
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
        _draw_box(canvas, box, color_of(face))
    # Labels last, so that no box crosses a text.
    boxes = [box for _, box in visible]
    plates: list[BoundingBox] = []
    for face, box in visible:
        label = _label(face, box, len(visible), width, height)
        plates.append(_place(label, box, boxes, plates, width, height))
        _draw_label(canvas, label, plates[-1], color_of(face))
    return canvas


def contact_sheet(images: Sequence[Image], columns: int, width: int) -> Image:
    """Lay out pictures in rows on one sheet, shrunk or grown to fit.

    Args:
        images: at least one; uint8, H x W x 3, in BGR. The first one gives the proportions of
            all fields, others are fitted into theirs.
        columns: pictures in a row, at least 1.
        width: of the sheet in pixels.

    Returns:
        uint8, H x `width` x 3, in BGR.

    Raises:
        ValueError: there is no picture, or no room for one.
    """
    gap = max(2, width // 200)
    field_width = (width - gap) // max(columns, 1) - gap
    if not images or columns < 1 or field_width < 1:
        raise ValueError(
            f'contact sheet of {len(images)} pictures in {columns} columns of '
            f'{width} pixels, expected at least one picture, column and pixel each'
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


def color_of(face: Face) -> Color:
    """Give the color of a face's box and text."""
    if face.gender is not None:
        return GENDER_COLORS.get(face.gender.label, NEUTRAL_COLOR)
    if face.emotion is not None:
        return EMOTION_COLORS.get(face.emotion.label, NEUTRAL_COLOR)
    return NEUTRAL_COLOR


def _blur(canvas: Image, box: BoundingBox) -> None:
    """Leave of a face and its surroundings no more than a few patches of color.

    At most six cells along a side, where 8 x 8 can still be told apart by a network that knows
    the candidates (McPherson et al., "Defeating image obfuscation with deep learning", 2016).
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
    """Give the thickness of a box's line in a picture of this size."""
    return max(1, round(min(width, height) / 240))


def _draw_box(canvas: Image, box: BoundingBox, color: Color) -> None:
    """Draw a rectangle with a dark rim, which keeps it visible on any background."""
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
    """Choose text and size of the label of a face at `box`, one of `crowd` in the picture."""
    lines = [
        _text(attribute, estimate)
        for attribute, estimate in (('gender', face.gender), ('emotion', face.emotion))
        if estimate is not None
    ]
    if not lines:
        lines = [f'face {_percent(face.detection.confidence)}']
    segments = (
        []
        if face.emotion is None
        else [
            (EMOTION_COLORS.get(label, NEUTRAL_COLOR), float(probability))
            for label, probability in zip(
                face.emotion.labels, face.emotion.probabilities, strict=True
            )
        ]
    )
    # Legible where the picture fills a screen. A large face gets large text, a crowd smaller one,
    # so that labels find room; by their number, since a size by the room that is left would
    # change from picture to picture.
    side = min(width, height)
    capital = min(max(box.width * 0.13, side / (34 + crowd), 9), side / 20)
    capitals_wide = (
        1 + max(cv2.getTextSize(line, _FONT, 1, 1)[0][0] for line in lines) / _FONT_CAPITAL
    )
    capital = min(capital, width / capitals_wide)
    return _Label(tuple(lines), tuple(segments), capital, int(capital * capitals_wide))


def _text(attribute: str, estimate: AttributeEstimate) -> str:
    """Give label and probability; where no label is sure enough there is none to tell."""
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
    """Find the place around a box where its label hides least of other labels and faces.

    Above the box wherever that is free, so that labels do not jump from picture to picture.
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
    """Darken the plate and write on it."""
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
    start = float(left + label.margin)
    y = top + label.height - label.margin
    for segment_color, share in label.segments:
        end = start + share * (label.width - 2 * label.margin)
        canvas[y : y + max(2, label.margin // 2), round(start) : round(end)] = segment_color
        start = end

"""Assign colors to labels."""

from __future__ import annotations

import colorsys
import zlib

from face_classification_ros.types import UNKNOWN

Color = tuple[int, int, int]
"""Blue, green, red, each 0 to 255."""

NEUTRAL_COLOR: Color = (225, 225, 225)
"""Color of "unknown" and of faces without attributes."""

LABEL_COLORS: dict[str, Color] = {
    # Women blue and men red as in the paper's demo, light enough for a dark background.
    'woman': (255, 150, 40),
    'man': (80, 80, 255),
    'angry': (60, 60, 235),
    'disgust': (70, 170, 90),
    'fear': (220, 90, 170),
    'happy': (40, 210, 250),
    'sad': (235, 140, 60),
    'surprise': (50, 140, 255),
    'neutral': (190, 190, 190),
    # Ages in the order of the hues, so that neighbors look alike and others do not.
    '0-2': (110, 230, 255),
    '3-9': (90, 255, 220),
    '10-19': (90, 255, 130),
    '20-29': (170, 255, 90),
    '30-39': (250, 240, 90),
    '40-49': (255, 190, 90),
    '50-59': (255, 130, 110),
    '60-69': (255, 100, 190),
    '70+': (230, 100, 255),
}
"""Colors of known labels; all others get one from their name."""


def color_of(label: str) -> Color:
    """Return the color of a label, always the same for the same label."""
    if label in ('', UNKNOWN):
        return NEUTRAL_COLOR
    if label in LABEL_COLORS:
        return LABEL_COLORS[label]
    # A CRC spreads similar names over the hues, and unlike hash() it is the same in every process.
    hue = zlib.crc32(label.encode()) % 360 / 360
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.7, 1.0)
    return round(255 * blue), round(255 * green), round(255 * red)

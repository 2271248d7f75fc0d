"""The manual agrees with the code."""

from pathlib import Path
import re

from face_classification_ros.io.image_encodings import ENCODINGS

MANUAL = Path(__file__).resolve().parents[1] / 'docs' / 'reference' / 'node.md'


def test_every_encoding_is_listed() -> None:
    """In the row of the topic of images."""
    (row,) = re.findall(r'\| `image` \|.*', MANUAL.read_text())
    listed = row.replace('bayer_*8', 'bayer_rggb8, bayer_bggr8, bayer_gbrg8, bayer_grbg8')
    assert [encoding for encoding in ENCODINGS if encoding not in listed] == []

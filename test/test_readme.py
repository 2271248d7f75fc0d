"""The manual lists what the code has."""

from pathlib import Path
import re

import pytest

from face_classification_ros.commands.registry import COMMANDS
from face_classification_ros.config import DETECTORS
from face_classification_ros.io.image_encodings import ENCODINGS

REFERENCE = Path(__file__).resolve().parents[1] / 'docs' / 'reference'


def test_every_encoding_is_listed() -> None:
    """The reference of the node lists all encodings that it accepts."""
    (row,) = re.findall(r'\| `image` \|.*', (REFERENCE / 'node.md').read_text())
    listed = row.replace('bayer_*8', 'bayer_rggb8, bayer_bggr8, bayer_gbrg8, bayer_grbg8')
    assert [encoding for encoding in ENCODINGS if encoding not in listed] == []


@pytest.mark.parametrize('name', [*COMMANDS, *DETECTORS])
def test_every_command_and_detector_is_listed(name: str) -> None:
    """The reference of the command has a row for each."""
    assert re.search(rf'^\| `{name}[ `]', (REFERENCE / 'command.md').read_text(), re.MULTILINE)

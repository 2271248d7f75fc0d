"""The manual says what the code does."""

from dataclasses import fields
from pathlib import Path
import re

import pytest

from face_classification_ros.io.image_encodings import ENCODINGS
from face_classification_ros.ros.node.parameters import Parameters

README = (Path(__file__).resolve().parents[1] / 'README.md').read_text()


@pytest.mark.parametrize('parameter', fields(Parameters), ids=lambda each: each.name)
def test_every_parameter_is_listed_with_its_default(parameter: object) -> None:
    """The table of parameters has a row for each, with the default that the node uses."""
    name, default = parameter.name, parameter.default  # type: ignore[attr-defined]
    text = str(default).lower() if isinstance(default, bool) else str(default) or '""'
    assert f'| `{name}` | `{text}` |' in README


def test_every_encoding_is_listed() -> None:
    """Whoever wires a camera sees whether its encoding is known."""
    (row,) = re.findall(r'\| `image` \|.*', README)
    listed = row.replace('bayer_*8', 'bayer_rggb8, bayer_bggr8, bayer_gbrg8, bayer_grbg8')
    assert [encoding for encoding in ENCODINGS if encoding not in listed] == []

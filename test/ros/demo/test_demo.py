"""The demo prints the faces of any attributes, and its camera reports what it cannot open."""

import numpy as np
import pytest

from face_classification_ros.ros.demo.demo import faces_text
from face_classification_ros.ros.demo.sample_camera import main, open_source, SourceError
from face_classification_ros.types import AttributeEstimate, BoundingBox, Detection, Face


def face(track_id: str, **labels: str) -> Face:
    """Return a face with a probability of 80 % for each label."""
    probabilities = np.array([0.8, 0.2], np.float32)
    attributes = {
        name: AttributeEstimate((label, 'other'), probabilities, probabilities, 1, 0.5)
        for name, label in labels.items()
    }
    return Face(Detection(BoundingBox(0, 0, 10, 10), 0.9), attributes, track_id)


def test_faces_are_printed_in_one_line() -> None:
    """With track id and the labels of all attributes, whichever they are."""
    text = faces_text([face('3', hat='cap', mood='calm'), face('4', hat='none')])
    assert text == '[3] cap 80%, calm 80%   [4] none 80%'


def test_face_without_attributes_is_printed() -> None:
    """By its track id alone."""
    assert faces_text([face('1')]) == '[1]'
    assert faces_text([]) == 'no face'


@pytest.mark.parametrize('source', ['/missing.mp4', '99'])
def test_source_that_cannot_be_opened_is_an_error(source: str) -> None:
    """A video or a camera."""
    with pytest.raises(SourceError) as caught:
        open_source(source)
    assert caught.value.source == source


def test_camera_ends_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """And one line that names the source."""
    assert main(['camera', '/missing.mp4']) == 2
    (line,) = [each for each in capsys.readouterr().err.splitlines() if each.startswith('camera:')]
    assert '/missing.mp4' in line

"""Behavior specific to `haar`: the setting of the paper, and missing cascades."""

from pathlib import Path

import cv2
from detection.detectors import create
import numpy as np
import pytest
import skimage.data

from face_classification_ros.detection import haar
from face_classification_ros.types import Image

ASTRONAUT = np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])

needs_cascades = pytest.mark.skipif(
    not hasattr(cv2, 'CascadeClassifier'), reason='OpenCV 5 has no cascades any more'
)


def boxes_of_the_paper(image: Image, neighbors: int = 5) -> list[tuple[float, ...]]:
    """Return the boxes as the demo of the paper finds them."""
    cascade = cv2.CascadeClassifier(str(haar._default_cascade()))
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return [tuple(map(float, box)) for box in cascade.detectMultiScale(gray, 1.3, neighbors)]


def found_boxes(threshold: float, image: Image) -> list[tuple[float, ...]]:
    """Return the boxes that the detector finds."""
    faces = create('haar', detection_size=640, detection_threshold=threshold).detect(image)
    return [(face.box.x, face.box.y, face.box.width, face.box.height) for face in faces]


@needs_cascades
def test_default_threshold_is_the_papers_setting() -> None:
    """A confidence of 0.6 gives the same boxes as minNeighbors 5."""
    boxes = boxes_of_the_paper(ASTRONAUT)
    assert len(boxes) == 1
    assert found_boxes(0.6, ASTRONAUT) == boxes


@needs_cascades
@pytest.mark.parametrize('threshold, neighbors', [(0.0, 1), (0.33, 1), (0.42, 2), (0.7, 9)])
def test_threshold_corresponds_to_a_number_of_neighbors(threshold: float, neighbors: int) -> None:
    """A lower threshold gives the boxes of a lower minNeighbors, including false ones."""
    boxes = found_boxes(threshold, ASTRONAUT)
    assert sorted(boxes) == sorted(boxes_of_the_paper(ASTRONAUT, neighbors))


@needs_cascades
def test_cascade_by_path_is_used() -> None:
    """A cascade other than the default one can be selected."""
    path = Path(haar._default_cascade()).with_name('haarcascade_frontalface_alt2.xml')
    (face,) = create('haar', detector_model=str(path)).detect(ASTRONAUT)
    assert face.landmarks == ()


@needs_cascades
def test_missing_cascade_is_reported(tmp_path: Path) -> None:
    """The error has the path."""
    with pytest.raises(FileNotFoundError, match=r'faces.xml: no such file'):
        create('haar', detector_model=str(tmp_path / 'faces.xml'))


@needs_cascades
@pytest.mark.parametrize('content', ['', 'no XML', '<opencv_storage></opencv_storage>'])
def test_file_that_is_not_a_cascade_is_rejected(tmp_path: Path, content: str) -> None:
    """The error has the path and the expected kind of file."""
    path = tmp_path / 'faces.xml'
    path.write_text(content)
    with pytest.raises(ValueError, match=r'faces.xml: expected an OpenCV cascade'):
        create('haar', detector_model=str(path))


def test_opencv_without_cascades_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """With OpenCV 5, which has no cascade classifier, the error says what to install."""
    monkeypatch.delattr(cv2, 'CascadeClassifier', raising=False)
    with pytest.raises(ImportError, match=r'OpenCV below 5'):
        create('haar')


@needs_cascades
def test_opencv_without_its_data_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no cascade is installed, the error names the package that contains it."""
    monkeypatch.delattr(cv2, 'data', raising=False)
    monkeypatch.setattr(haar, '_SYSTEM_FOLDERS', ())
    with pytest.raises(FileNotFoundError, match=r'apt install opencv-data'):
        create('haar')

"""What only `haar` does: the paper's setting, and cascades that are missing."""

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


def papers_boxes(image: Image, neighbors: int = 5) -> list[tuple[float, ...]]:
    """Give the boxes as the paper's demo finds them."""
    cascade = cv2.CascadeClassifier(str(haar._default_cascade()))
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return [tuple(map(float, box)) for box in cascade.detectMultiScale(gray, 1.3, neighbors)]


def found_boxes(threshold: float, image: Image) -> list[tuple[float, ...]]:
    """Give the boxes as the detector finds them."""
    faces = create('haar', detection_size=640, detection_threshold=threshold).detect(image)
    return [(face.box.x, face.box.y, face.box.width, face.box.height) for face in faces]


@needs_cascades
def test_default_threshold_is_the_papers_setting() -> None:
    """A confidence of 0.6 gives the same boxes as minNeighbors 5."""
    boxes = papers_boxes(ASTRONAUT)
    assert len(boxes) == 1
    assert found_boxes(0.6, ASTRONAUT) == boxes


@needs_cascades
@pytest.mark.parametrize('threshold, neighbors', [(0.0, 1), (0.33, 1), (0.42, 2), (0.7, 9)])
def test_threshold_stands_for_a_number_of_neighbors(threshold: float, neighbors: int) -> None:
    """A lower threshold gives the boxes of a lower minNeighbors, false ones too."""
    boxes = found_boxes(threshold, ASTRONAUT)
    assert sorted(boxes) == sorted(papers_boxes(ASTRONAUT, neighbors))


@needs_cascades
def test_cascade_by_path_is_used() -> None:
    """Another cascade than the default one can be named."""
    path = Path(haar._default_cascade()).with_name('haarcascade_frontalface_alt2.xml')
    (face,) = create('haar', detector_model=str(path)).detect(ASTRONAUT)
    assert face.landmarks == ()


@needs_cascades
def test_missing_cascade_is_told(tmp_path: Path) -> None:
    """A path without a file is named."""
    with pytest.raises(FileNotFoundError, match=r'faces.xml: no such file'):
        create('haar', detector_model=str(tmp_path / 'faces.xml'))


@needs_cascades
@pytest.mark.parametrize('content', ['', 'no XML', '<opencv_storage></opencv_storage>'])
def test_file_that_is_no_cascade_is_told(tmp_path: Path, content: str) -> None:
    """A file of another kind is named, with what was expected."""
    path = tmp_path / 'faces.xml'
    path.write_text(content)
    with pytest.raises(ValueError, match=r'faces.xml: expected an OpenCV cascade'):
        create('haar', detector_model=str(path))


def test_opencv_without_cascades_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In OpenCV 5 there is no cascade classifier: the error says what to install."""
    monkeypatch.delattr(cv2, 'CascadeClassifier', raising=False)
    with pytest.raises(ImportError, match=r'OpenCV below 5'):
        create('haar')


@needs_cascades
def test_opencv_without_its_data_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no cascade is installed, the error says which package brings it."""
    monkeypatch.delattr(cv2, 'data', raising=False)
    monkeypatch.setattr(haar, '_SYSTEM_FOLDERS', ())
    with pytest.raises(FileNotFoundError, match=r'apt install opencv-data'):
        create('haar')

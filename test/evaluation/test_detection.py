"""Evaluation of a detector on synthetic boxes."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from face_classification_ros.evaluation.detection import evaluate_detector, Label, match
from face_classification_ros.types import BoundingBox, Detection, Image


class Fake:
    """A detector with the same result for every image."""

    def __init__(self, *detections: Detection) -> None:
        """Set the result."""
        self.detections = list(detections)

    @property
    def full_frame(self) -> 'Fake':
        """Itself."""
        return self

    def detect(self, image: Image) -> list[Detection]:
        """Return the result."""
        return self.detections


def found(x: float, y: float, size: float = 40, confidence: float = 0.9) -> Detection:
    """Return a square detection."""
    return Detection(BoundingBox(x, y, size, size), confidence)


def label(x: float, y: float, size: float = 40, optional: bool = False) -> Label:
    """Return a square label."""
    return Label(BoundingBox(x, y, size, size), optional)


def save_images(folder: Path, **images: dict[str, Any]) -> None:
    """Write a folder of black images of 200 x 100 pixels with labels."""
    (folder / 'img').mkdir()
    for name in images:
        cv2.imwrite(str(folder / 'img' / f'{name}.png'), np.zeros((100, 200, 3), np.uint8))
    labels = {'images': {f'{name}.png': entry for name, entry in images.items()}}
    (folder / 'boxes.json').write_text(json.dumps(labels))


def save_video(folder: Path, frames: list[list[list[float]]]) -> None:
    """Write a black video with one frame per label."""
    writer = cv2.VideoWriter(
        str(folder / 'walk.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), 15, (200, 100)
    )
    for _ in frames:
        writer.write(np.zeros((100, 200, 3), np.uint8))
    writer.release()
    (folder / 'walk.json').write_text(json.dumps({'frames': [{'faces': f} for f in frames]}))


def test_face_is_found_once() -> None:
    """A second detection of the same face is false."""
    detections = [found(10, 10), found(12, 12, confidence=0.8)]
    assert match(detections, [label(10, 10)], 200, 100) == (1, 1)


def test_detection_elsewhere_is_false() -> None:
    """The labeled face is missed."""
    assert match([found(100, 10)], [label(10, 10)], 200, 100) == (0, 1)
    assert match([], [label(10, 10)], 200, 100) == (0, 0)
    assert match([found(10, 10)], [], 200, 100) == (0, 1)


def test_most_confident_detection_is_matched_first() -> None:
    """Of two detections between two faces, it gets the face of the larger overlap."""
    labels = [label(0, 0), label(20, 0)]
    assert match([found(5, 0, confidence=0.7), found(2, 0)], labels, 200, 100) == (2, 0)
    assert match([found(5, 0, confidence=0.7), found(-2, 0)], labels, 200, 100) == (2, 0)
    assert match([found(1, 0, confidence=0.7), found(12, 0)], [label(0, 0)], 200, 100) == (1, 1)


def test_overlap_of_four_tenths_is_enough() -> None:
    """Squares of 40 that are 17 apart have an overlap of 0.404, 18 apart of 0.379."""
    assert match([found(17, 0)], [label(0, 0)], 200, 100) == (1, 0)
    assert match([found(18, 0)], [label(0, 0)], 200, 100) == (0, 1)


def test_boxes_are_compared_inside_the_image() -> None:
    """The visible part matches a label that extends beyond the edge."""
    visible = Detection(BoundingBox(0, 10, 15, 40), 0.9)
    assert match([visible], [label(-25, 10)], 200, 100) == (1, 0)


def test_optional_face_is_neither_found_nor_false() -> None:
    """It does not count as found, but a second detection of it is false."""
    labels = [label(10, 10, optional=True)]
    assert match([found(10, 10)], labels, 200, 100) == (0, 0)
    assert match([found(10, 10), found(11, 11)], labels, 200, 100) == (0, 1)


def test_counts_are_summed_over_images(tmp_path: Path) -> None:
    """Recall and false detections are over all images, with and without faces."""
    save_images(
        tmp_path,
        two={'faces': [{'box': [10, 10, 40, 40]}, {'box': [100, 10, 40, 40]}]},
        difficult={'faces': [{'box': [10, 10, 40, 40], 'difficult': True}]},
        none={'faces': []},
    )
    report = evaluate_detector(Fake(found(10, 10)), tmp_path)
    assert [scene.name for scene in report.scenes] == ['two.png', 'difficult.png', 'none.png']
    assert (report.faces, report.found, report.recall) == (2, 1, 0.5)
    assert (report.false_detections, report.unverified) == (1, 0)


def test_detection_where_labels_are_incomplete_is_not_false(tmp_path: Path) -> None:
    """It may be an unlabeled face in the background."""
    save_images(tmp_path, crowd={'faces': [{'box': [10, 10, 40, 40]}], 'complete': False})
    report = evaluate_detector(Fake(found(10, 10), found(100, 10)), tmp_path)
    assert (report.found, report.false_detections, report.unverified) == (1, 0, 1)


def test_frames_of_a_video_are_one_scene(tmp_path: Path) -> None:
    """A face of which less than half is inside the frame is optional."""
    save_video(
        tmp_path, [[[10, 10, 40, 40, 1.0]], [[10, 10, 40, 40, 0.5]], [[10, 10, 40, 40, 0.4]], []]
    )
    (scene,) = evaluate_detector(Fake(found(10, 10)), tmp_path).scenes
    assert scene.name == 'walk.mp4'
    assert (scene.faces, scene.found, scene.false_detections) == (2, 2, 1)


def test_recall_without_faces_is_nan(tmp_path: Path) -> None:
    """Scenes without faces have false detections only."""
    save_images(tmp_path, none={'faces': []})
    report = evaluate_detector(Fake(found(10, 10)), tmp_path)
    assert math.isnan(report.recall)
    assert report.false_detections == 1


def test_folder_without_labels_is_refused(tmp_path: Path) -> None:
    """The message names the expected files."""
    with pytest.raises(FileNotFoundError, match=r'boxes\.json'):
        evaluate_detector(Fake(), tmp_path)


def test_missing_image_is_named(tmp_path: Path) -> None:
    """A label without its image is an error."""
    save_images(tmp_path, one={'faces': []})
    (tmp_path / 'img' / 'one.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'one\.png'):
        evaluate_detector(Fake(), tmp_path)


def test_unreadable_image_is_named(tmp_path: Path) -> None:
    """A file in another format is an error."""
    save_images(tmp_path, one={'faces': []})
    (tmp_path / 'img' / 'one.png').write_bytes(b'not an image')
    with pytest.raises(ValueError, match=r'one\.png'):
        evaluate_detector(Fake(), tmp_path)


@pytest.mark.parametrize(
    'content',
    [
        'not JSON',
        '{}',
        '[]',
        '{"images": {"a.png": {"faces": 1}}}',
        '{"images": {"a.png": {"faces": [{"box": [1]}]}}}',
    ],
)
def test_invalid_labels_are_refused(tmp_path: Path, content: str) -> None:
    """The message names the file."""
    (tmp_path / 'boxes.json').write_text(content)
    with pytest.raises(ValueError, match=r'boxes\.json'):
        evaluate_detector(Fake(), tmp_path)


def test_video_shorter_than_its_labels_is_refused(tmp_path: Path) -> None:
    """The message names the first missing frame."""
    save_video(tmp_path, [[], []])
    (tmp_path / 'walk.json').write_text(json.dumps({'frames': [{'faces': []}] * 3}))
    with pytest.raises(ValueError, match=r'walk\.mp4.* 2'):
        evaluate_detector(Fake(), tmp_path)

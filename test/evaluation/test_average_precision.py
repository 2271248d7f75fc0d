"""Average precision, recall at fixed false alarms and landmark error, by hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.datasets.face_scenes import Scene, SceneRegion
from face_classification_ros.datasets.scene_matching import match_scene, MatchedDetection
from face_classification_ros.evaluation.average_precision import (
    evaluate_scenes,
    summarize,
)
from face_classification_ros.evaluation.detection_errors import find_errors, write_errors
from face_classification_ros.types import BoundingBox, Detection, Image, Point2D


def region(x: float, use: str = 'face', size: float = 20) -> SceneRegion:
    """Return a square region with all landmarks at its corner."""
    box = BoundingBox(x, 0, size, size)
    return SceneRegion(box, use, ((x, 0.0),) * 5)  # type: ignore[arg-type]


def detection(x: float, confidence: float, landmarks: tuple[Point2D, ...] = ()) -> Detection:
    """Return a square detection of 20 px."""
    return Detection(BoundingBox(x, 0, 20, 20), confidence, landmarks)


def scene_of(*regions: SceneRegion) -> Scene:
    """Return a scene without an image."""
    return Scene(Path('a.jpg'), regions)


def test_second_detection_of_a_face_is_a_false_alarm() -> None:
    """The more confident one is matched."""
    matched = match_scene([detection(1, 0.5), detection(0, 0.9)], scene_of(region(0)))
    assert [(each.confidence, each.size) for each in matched] == [(0.9, 20), (0.5, None)]


def test_detection_in_an_ignored_region_does_not_count() -> None:
    """Half of it inside suffices; a known false alarm counts as one."""
    scene = scene_of(region(0), region(100, 'ignore', 200), region(400, 'not_a_face'))
    found = [detection(110, 0.9), detection(291, 0.8), detection(400, 0.7)]
    matched = match_scene(found, scene)
    assert [each.confidence for each in matched] == [0.8, 0.7]


def test_small_faces_can_be_ignored() -> None:
    """A detection of one does not count; the size is the root of the area."""
    scene = scene_of(region(0, size=19), region(100)).without_small_faces(20)
    assert [each.use for each in scene.regions] == ['ignore', 'face']
    (matched,) = match_scene([detection(0, 0.9), detection(100, 0.8)], scene)
    assert (matched.confidence, matched.size) == (0.8, 20)


def test_landmark_error_is_a_fraction_of_the_width() -> None:
    """Every landmark 2 px off, in a box of 20 px."""
    (matched,) = match_scene([detection(0, 0.9, ((2.0, 0.0),) * 5)], scene_of(region(0)))
    assert matched.landmark_error == pytest.approx(0.1)


def test_average_precision_and_recall_of_four_detections() -> None:
    """Found, false, found, false of three faces: AP = 1/3 * 1 + 1/3 * 2/3."""
    matched = [
        MatchedDetection(detection(0, 0.9), BoundingBox(0, 0, 20, 20), 0.1),
        MatchedDetection(detection(0, 0.8)),
        MatchedDetection(detection(0, 0.7), BoundingBox(0, 0, 40, 40), 0.3),
        MatchedDetection(detection(0, 0.6)),
    ]
    report = summarize(matched[::-1], [20, 40, 20], images=10)
    assert report.average_precision == pytest.approx(1 / 3 + 2 / 9)
    assert report.recall == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert report.precision == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2])
    assert report.false_alarms == pytest.approx([0, 0.1, 0.1, 0.2])

    strict, loose = report.operating_points
    assert (strict.false_alarms, strict.threshold) == (0.05, 0.9)
    assert strict.recall == pytest.approx(1 / 3)
    assert strict.landmark_error == pytest.approx(0.1)
    assert (loose.false_alarms, loose.threshold) == (0.2, 0.6)
    assert loose.recall == pytest.approx(2 / 3)
    assert loose.landmark_error == pytest.approx(0.2)
    assert loose.recall_by_size == {
        '16-32': {'faces': 2, 'recall': 0.5},
        '32-64': {'faces': 1, 'recall': 1.0},
    }


def test_detector_without_detections_has_precision_zero() -> None:
    """All faces are missed; without faces there is nothing to measure."""
    report = summarize([], [20], images=1)
    assert report.average_precision == 0
    assert report.operating_points[0].recall == 0
    with pytest.raises(ValueError, match='faces'):
        summarize([], [], images=1)


class Fixed:
    """A detector with one face for every image."""

    full_frame = property(lambda self: self)

    def detect(self, image: Image) -> list[Detection]:
        """Return the face."""
        return [detection(0, 0.9)]


def test_scenes_are_evaluated_and_drawn(tmp_path: Path) -> None:
    """One of two faces is found; the report is a file and a diagram."""
    plot = pytest.importorskip(
        'face_classification_ros.evaluation.detection_plot', exc_type=ImportError
    )
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((40, 80, 3), np.uint8))
    scene = Scene(tmp_path / 'a.png', (region(0), region(40)))
    report = evaluate_scenes(Fixed(), [scene])
    assert report.average_precision == pytest.approx(0.5)
    plot.write_detection_report(report, tmp_path / 'report')
    assert json.loads((tmp_path / 'report' / 'report.json').read_text())['faces'] == 2
    assert cv2.imread(str(tmp_path / 'report' / 'detection.png')) is not None


class Shifting:
    """A detector with one face at the left and one that is not there."""

    full_frame = property(lambda self: self)

    def detect(self, image: Image) -> list[Detection]:
        """Return both, and one more below the threshold."""
        return [detection(0, 0.9), detection(100, 0.8), detection(40, 0.3)]


def test_missed_faces_and_false_alarms_are_cut_out(tmp_path: Path) -> None:
    """With their surroundings, in the middle of square images; nothing is outside of an image."""
    image = np.zeros((40, 160, 3), np.uint8)
    image[:20, 40:60] = 100
    image[:20, 100:120] = 200
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    scene = Scene(tmp_path / 'a.png', (region(0), region(40)))
    missed, false_alarms = find_errors(Shifting(), [scene], threshold=0.5)
    assert [each.shape for each in (*missed, *false_alarms)] == [(96, 96, 3)] * 2
    assert [each[48, 48].tolist() for each in missed] == [[100] * 3]
    assert [each[48, 48].tolist() for each in false_alarms] == [[200] * 3]
    write_errors(missed, false_alarms, tmp_path / 'report')
    assert {each.name for each in (tmp_path / 'report').iterdir()} == {
        'missed_faces.jpg',
        'false_alarms.jpg',
    }

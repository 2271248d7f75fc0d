"""ExpW is read as published."""

from pathlib import Path

from dataset_layouts import write_expw
import numpy as np
import pytest

from face_classification_ros.datasets.registry import EMOTIONS, read_dataset


def test_each_face_is_cut_out_of_its_image(tmp_path: Path) -> None:
    """Two faces of one image, given by top, left, right and bottom, are in the same split."""
    write_expw(tmp_path, ['a.jpg 0 12 2 18 28 99.5 3', 'a.jpg 1 12 22 38 28 80 6'])
    split = next(split for split in ('train', 'val', 'test') if _holds(tmp_path, split))
    faces = read_dataset('emotion', tmp_path, split)
    assert [EMOTIONS[index] for index in faces.y_true] == ['happy', 'neutral']
    assert [int(np.median(image)) for image in faces.images] == [50, 200]
    assert all(image.shape == (80, 80, 1) for image in faces.images)
    assert faces.face_boxes()[0].width == pytest.approx(80 / 1.3)


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('a.jpg 0 12 2 18 28 99.5', r'label\.lst, line 1: expected image, face, top, left, right'),
        ('a.jpg 0 12 x 18 28 99.5 3', r'line 1: expected image, face, top, left, right'),
        ('a.jpg 0 12 28 2 18 99.5 3', r'line 1: the box ends before it begins; correct or delete'),
        ('a.jpg 0 12 2 18 28 99.5 7', r"line 1: unknown label '7', expected one of 0 \(angry\), "),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    """The message names file and line, what was expected and what to do."""
    write_expw(tmp_path, [line])
    with pytest.raises(ValueError, match=expected):
        read_dataset('emotion', tmp_path, 'train')


def _holds(folder: Path, split: str) -> bool:
    try:
        return len(read_dataset('emotion', folder, split)) > 0
    except ValueError:
        return False

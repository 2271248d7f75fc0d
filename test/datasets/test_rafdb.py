"""RAF-DB is read as published."""

from pathlib import Path

from dataset_layouts import write_boxes, write_rafdb
import pytest

from face_classification_ros.datasets.registry import attributes_in, EMOTIONS, read_dataset
from face_classification_ros.types import BoundingBox


def test_codes_begin_with_surprise(tmp_path: Path) -> None:
    """The published codes 1 to 7 are in another order than FER-2013's labels."""
    codes = dict(
        zip(
            '1234567',
            ['surprise', 'fear', 'disgust', 'happy', 'sad', 'angry', 'neutral'],
            strict=True,
        )
    )
    write_rafdb(tmp_path, {f'train_{code}': (code, 10 * int(code)) for code in codes})
    write_boxes(
        tmp_path, {f'train_{code}_aligned.jpg': (0, 0, 9, 9, 1, 'train') for code in codes}
    )
    training = read_dataset('emotion', tmp_path, 'train')
    assert attributes_in(tmp_path) == ['emotion']
    assert [EMOTIONS[index] for index in training.y_true] == list(codes.values())
    assert [int(image[0, 0, 0]) for image in training.images] == [10, 20, 30, 40, 50, 60, 70]
    assert training.images[0].shape == (20, 20, 1)
    assert training.source == 'rafdb'


def test_published_test_rows_are_the_test_split(tmp_path: Path) -> None:
    """Validation is a part of the published training rows, never of the test rows."""
    rows = {f'train_{number:05d}': ('4', number) for number in range(1, 200)}
    write_rafdb(tmp_path, rows | {'test_0001': ('5', 250)})
    sizes = {split: len(read_dataset('emotion', tmp_path, split)) for split in ('train', 'val')}
    assert sum(sizes.values()) == 199
    assert 10 <= sizes['val'] <= 30
    assert read_dataset('emotion', tmp_path, 'test').images[0][0, 0, 0] == 250


def test_boxes_of_a_detector_are_used(tmp_path: Path) -> None:
    """A face in which nothing was found, of score 0, has the box of an average face."""
    write_rafdb(tmp_path, {'train_1': ('4', 10), 'train_2': ('5', 20)})
    write_boxes(
        tmp_path,
        {
            'train_1_aligned.jpg': (-1, 2, 15.5, 18, 0.9, 'val'),
            'train_2_aligned.jpg': (0, 0, 0, 0, 0, 'val'),
        },
    )
    boxes = read_dataset('emotion', tmp_path, 'val').face_boxes()
    assert boxes[0] == BoundingBox(-1, 2, 15.5, 18)
    assert boxes[1].height == pytest.approx(1.17 * 20)


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('train_1.jpg', r"list_patition_label\.txt, line 1: .*'train_00001.jpg 5', got 'tr"),
        ('1.jpg 3', r'line 1: expected a name and a code'),
        (
            'train_1.jpg 8',
            r"line 1: unknown label '8', expected one of 6 \(angry\), .*7 \(neutral\)",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    """The message names file and line, what was expected and what to do."""
    write_rafdb(tmp_path, {'train_1': ('4', 10)})
    (tmp_path / 'EmoLabel' / 'list_patition_label.txt').write_text(line + '\n')
    with pytest.raises(ValueError, match=expected):
        read_dataset('emotion', tmp_path, 'train')


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    """The table may be copied without its images."""
    write_rafdb(tmp_path, {'train_1': ('4', 10), 'train_2': ('5', 10)})
    (tmp_path / 'Image' / 'aligned' / 'train_2_aligned.jpg').unlink()
    write_boxes(tmp_path, {f'train_{n}_aligned.jpg': (0, 0, 9, 9, 1, 'train') for n in (1, 2)})
    with pytest.raises(ValueError, match=r'train_2_aligned\.jpg'):
        read_dataset('emotion', tmp_path, 'train')


def test_a_box_that_is_no_number_is_named(tmp_path: Path) -> None:
    """`boxes.csv` may have been edited."""
    write_rafdb(tmp_path, {'train_1': ('4', 10)})
    write_boxes(tmp_path, {'train_1_aligned.jpg': ('left', 0, 9, 9, 1, 'train')})
    with pytest.raises(ValueError, match=r'boxes\.csv, line 2: x, y, width, height and score'):
        read_dataset('emotion', tmp_path, 'train')

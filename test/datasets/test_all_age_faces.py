"""All-Age-Faces is read as published."""

from pathlib import Path

from dataset_layouts import write_all_age_faces
import pytest

from face_classification_ros.datasets.face_dataset import AGES, GENDERS
from face_classification_ros.datasets.registry import attributes_in, read_dataset


def test_women_are_0_and_ages_are_in_the_name(tmp_path: Path) -> None:
    """The opposite of UTKFace's code; ages in years are mapped to bands."""
    write_all_age_faces(tmp_path, 'train', {'00000A02.jpg': '0', '00001A80.jpg': '1'})
    assert attributes_in(tmp_path) == ['gender', 'age']
    gender, age = (read_dataset(each, tmp_path, 'train') for each in ('gender', 'age'))
    assert [GENDERS[index] for index in gender.y_true] == ['woman', 'man']
    assert [AGES[index] for index in age.y_true] == ['0-2', '70+']
    assert list(gender.groups['age']) == [2, 80]
    assert gender.images[0].shape == (20, 20, 3)


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('00000.jpg 0', r"train\.txt, line 1: expected a name with the age .* got '00000\.jpg 0'"),
        ('00000A02.jpg', r'line 1: expected a name with the age and a code of gender'),
        (
            '00000A02.jpg 2',
            r"line 1: unknown label '2', expected one of 0 \(woman\), 1 \(man\); correct",
        ),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, expected: str) -> None:
    """The message names file and line, what was expected and what to do."""
    write_all_age_faces(tmp_path, 'train', {'00000A02.jpg': '0'})
    (tmp_path / 'image sets' / 'train.txt').write_text(line + '\n')
    with pytest.raises(ValueError, match=expected):
        read_dataset('gender', tmp_path, 'train')

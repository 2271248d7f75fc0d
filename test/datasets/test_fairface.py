"""FairFace is read as published."""

from pathlib import Path

from dataset_layouts import write_fairface
import pytest

from face_classification_ros.datasets.face_dataset import AGES, GENDERS
from face_classification_ros.datasets.registry import (
    attributes_in,
    NoFacesError,
    read_dataset,
)


def test_gender_age_and_race_are_read(tmp_path: Path) -> None:
    """The same images carry gender and age; the oldest band has a name of its own."""
    write_fairface(
        tmp_path,
        'val',
        [('3-9', 'Male', 'Latino_Hispanic'), ('more than 70', 'Female', 'East Asian')],
    )
    assert attributes_in(tmp_path) == ['gender', 'age']
    gender, age = (read_dataset(each, tmp_path, 'val') for each in ('gender', 'age'))
    assert [GENDERS[index] for index in gender.y_true] == ['man', 'woman']
    assert [AGES[index] for index in age.y_true] == ['3-9', '70+']
    assert age.labels == AGES
    assert gender.fingerprints == age.fingerprints
    assert list(gender.groups['race']) == ['latino_hispanic', 'east asian']
    assert list(gender.group('age')) == ['3-9', '70+']


def test_only_published_parts_are_read(tmp_path: Path) -> None:
    """There is no test part."""
    write_fairface(tmp_path, 'train', [('3-9', 'Male', 'White')])
    assert len(read_dataset('age', tmp_path, 'train')) == 1
    for split in ('val', 'test'):
        with pytest.raises(NoFacesError, match=f'no face of the split {split!r}'):
            read_dataset('age', tmp_path, split)


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        ('age,', 'years,', r"fairface_label_val\.csv has no column 'age'; .*file, years"),
        ('3-9', '3 to 9', r"val\.csv, line 2: unknown label '3 to 9', expected one of 0-2, .*70"),
        (
            'Male',
            'M',
            r"val\.csv, line 2: unknown label 'M', expected one of Female \(woman\), Male",
        ),
        ('val/1', 'val/2', r'val/2\.jpg'),
    ],
)
def test_damage_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    """The message names file and line, what was expected and what to do."""
    write_fairface(tmp_path, 'val', [('3-9', 'Male', 'White')])
    table = tmp_path / 'fairface_label_val.csv'
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(ValueError, match=expected):
        read_dataset('age', tmp_path, 'val')

"""Reading images in one folder per label."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.datasets.registry import (
    attributes_in,
    EMOTIONS,
    GENDERS,
    has_attribute,
    NoFacesError,
    read_dataset,
)


def write_image(path: Path, value: int) -> None:
    """Write an image of one color: blue is twice as bright as red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((20, 20, 3), (value, value // 2, value // 2), np.uint8)
    assert cv2.imwrite(str(path), image)


def test_folder_per_label_is_a_data_set(tmp_path: Path) -> None:
    """Own images need nothing but folders named after the labels."""
    for split in ('train', 'val'):
        write_image(tmp_path / split / 'woman' / 'a.png', 200)
        write_image(tmp_path / split / 'man' / 'b.png', 100)
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['woman', 'man']
    assert dataset.images[0][0, 0].tolist() == [200, 100, 100]


def test_validation_may_be_part_of_the_training_folder(tmp_path: Path) -> None:
    """Without `val/`, as in FER-2013, a fixed tenth of `train/` is used."""
    for split, count in (('train', 100), ('test', 7)):
        for number in range(count):
            write_image(tmp_path / split / EMOTIONS[number % 7] / f'{number}.png', number)
    values = [
        {int(image[0, 0, 0]) for image in read_dataset('emotion', tmp_path, split).images}
        for split in ('train', 'val', 'test')
    ]
    assert not values[0] & values[1]
    assert values[0] | values[1] == set(range(100))
    assert 3 < len(values[1]) < 20
    assert values[2] == set(range(7))


@pytest.mark.parametrize('names', [('train', 'validation'), ('Training', 'valid')])
def test_validation_folder_may_have_any_usual_name(tmp_path: Path, names: tuple[str, str]) -> None:
    """No part of the training folder is taken for it."""
    for value, name in enumerate(names):
        for label in GENDERS:
            for number in range(30):
                write_image(tmp_path / name / label / f'{number}.png', 90 * value + number)
    assert len(read_dataset('gender', tmp_path, 'val')) == 60
    assert {image[0, 0, 0] >= 90 for image in read_dataset('gender', tmp_path, 'val').images} == {
        True
    }
    assert len(read_dataset('gender', tmp_path, 'all')) == 120


def test_name_of_the_data_says_where_validation_images_come_from(tmp_path: Path) -> None:
    """It is in the figures of a model file."""
    for number in range(60):
        write_image(tmp_path / 'train' / GENDERS[number % 2] / f'{number}.png', number)
    names = [read_dataset('gender', tmp_path, split).name for split in ('train', 'val')]
    assert names == [f'{tmp_path.name} train', f'{tmp_path.name} val, a tenth of train']


def test_two_folders_of_a_split_are_refused(tmp_path: Path) -> None:
    """One of them would be ignored."""
    for name in ('train', 'val', 'validation'):
        write_image(tmp_path / name / 'woman' / 'a.png', 90)
    with pytest.raises(ValueError, match='val and validation'):
        read_dataset('gender', tmp_path, 'val')


def test_label_may_have_the_name_of_a_split(tmp_path: Path) -> None:
    """A folder of a split has folders, not images."""
    for value, label in enumerate(('invalid', 'valid')):
        write_image(tmp_path / label / 'a.png', 9 * value)
    assert read_dataset('ticket', tmp_path, 'all').labels == ('invalid', 'valid')


def test_folder_with_an_unknown_name_is_refused(tmp_path: Path) -> None:
    """Half of the labels would be missing silently."""
    write_image(tmp_path / 'train' / 'happy' / 'a.png', 200)
    write_image(tmp_path / 'train' / 'Sad' / 'b.png', 200)
    with pytest.raises(ValueError, match='found Sad, happy'):
        read_dataset('emotion', tmp_path, 'train')


def test_folders_with_unknown_names_are_listed(tmp_path: Path) -> None:
    """Upper case is another name."""
    write_image(tmp_path / 'train' / 'Happy' / 'a.png', 200)
    write_image(tmp_path / 'train' / 'Sad' / 'b.png', 200)
    with pytest.raises(NoFacesError, match=r'train \(Happy, Sad\)'):
        read_dataset('emotion', tmp_path, 'train')


def test_folders_are_the_labels_of_an_invented_attribute(tmp_path: Path) -> None:
    """Sorted, and the same for all splits, even if a split lacks one of them."""
    for value, name in enumerate(('train/none', 'train/hat', 'train/helmet', 'val/hat')):
        write_image(tmp_path / name / 'a.png', 50 * value)
    for split, count in (('train', 3), ('val', 1)):
        dataset = read_dataset('headwear', tmp_path, split)
        assert dataset.labels == ('hat', 'helmet', 'none')
        assert dataset.targets.shape == (count, 3)
    assert has_attribute(tmp_path, 'headwear')
    assert attributes_in(tmp_path) == []


def test_folders_of_a_known_attribute_are_not_those_of_an_invented_one(tmp_path: Path) -> None:
    """A recipe for gender and headwear does not take women and men for headwear."""
    for label in GENDERS:
        write_image(tmp_path / 'train' / label / 'a.png', 200)
    assert attributes_in(tmp_path) == ['gender']
    assert not has_attribute(tmp_path, 'headwear')


def write_groups(folder: Path, *rows: str) -> None:
    """Write images of two splits, and a table with these rows."""
    for name in ('train/woman/a.png', 'val/man/b.png', 'val/woman/b.png'):
        write_image(folder / name, 200)
    (folder / 'groups.csv').write_text('\n'.join(('file,glasses,age', *rows)))


def test_table_has_groups_of_own_images(tmp_path: Path) -> None:
    """Rows in any order, for each image of a split or for none of it, with any columns."""
    write_groups(tmp_path, 'val/man/b.png,yes,30', 'val/woman/b.png,no,8')
    dataset = read_dataset('gender', tmp_path, 'val')
    assert [GENDERS[index] for index in dataset.y_true] == ['woman', 'man']
    assert dataset.groups['glasses'].tolist() == ['no', 'yes']
    assert dataset.group('age').tolist() == ['3-9', '30-39']
    assert read_dataset('gender', tmp_path, 'train').groups == {}


@pytest.mark.parametrize(
    ('row', 'expected'),
    [
        ('', r'groups\.csv .*val/woman/b\.png'),
        ('val/woman/c.png,no,8', r'groups\.csv, line 3: .*val/woman/c\.png'),
        ('val/man/b.png,no,8', r'groups\.csv, line 3: .*val/man/b\.png'),
        ('val/woman/b.png,,8', r'groups\.csv, line 3: no glasses'),
        ('val/woman/b.png,no', r'groups\.csv, line 3: no age'),
        ('val/woman/b.png,no,8,9', r'groups\.csv, line 3: '),
        ('val/woman/b.png,no,20-29', r"groups\.csv, line 3: age '20-29'"),
    ],
)
def test_incomplete_table_is_refused(tmp_path: Path, row: str, expected: str) -> None:
    """Faces without a group would silently be missing in a comparison."""
    write_groups(tmp_path, 'val/man/b.png,yes,30', row)
    with pytest.raises(ValueError, match=expected):
        read_dataset('gender', tmp_path, 'val')

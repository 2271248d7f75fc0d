"""The split `all` has every image of a data set."""

from collections.abc import Callable
from pathlib import Path

from dataset_layouts import (
    write_all_age_faces,
    write_expw,
    write_fairface,
    write_fer2013,
    write_image,
    write_rafdb,
    write_scut,
)
import pytest

from face_classification_ros.datasets.registry import NoFacesError, read_dataset, SPLITS


def fer2013(folder: Path) -> None:
    """Write two rows of each usage."""
    votes = '0,9,0,0,0,0,0,0,0,0'
    usages = ('Training', 'PublicTest', 'PrivateTest') * 2
    write_fer2013(folder, [(3, 10 * n, usage, votes) for n, usage in enumerate(usages, 1)])


def rafdb(folder: Path) -> None:
    """Write training rows, of which a tenth is validation, and test rows."""
    names = [f'train_{n:05d}' for n in range(60)] + ['test_0001', 'test_0002']
    write_rafdb(folder, {name: ('4', n) for n, name in enumerate(names)})


def expw(folder: Path) -> None:
    """Write faces that are split by the names of their images."""
    write_expw(folder, [f'{n}.jpg 0 0 0 20 20 60 3' for n in range(60)])
    for n in range(60):
        write_image(folder / 'image' / 'origin' / f'{n}.jpg', n)


def fairface(folder: Path) -> None:
    """Write both published parts."""
    for split, count in (('train', 3), ('val', 2)):
        write_fairface(folder, split, [('3-9', 'Male', 'White')] * count)


def all_age_faces(folder: Path) -> None:
    """Write two lists; that of the test split is missing."""
    write_all_age_faces(folder, 'train', {'00000A02.jpg': '0', '00001A20.jpg': '1'})
    write_all_age_faces(folder, 'val', {'00002A50.jpg': '1'})


def scut(folder: Path) -> None:
    """Write faces that are split by their names."""
    write_scut(folder, [f'AF{n}.jpg' for n in range(1, 25)])


def utkface(folder: Path) -> None:
    """Write faces that are split by their names."""
    for n in range(60):
        write_image(folder / f'30_0_1_{n:09d}.jpg', n, gray=False)


def label_folders(folder: Path) -> None:
    """Write a folder per split, of which `val` is missing."""
    for split, count in (('train', 30), ('test', 2)):
        for n in range(count):
            write_image(folder / split / ('happy', 'sad')[n % 2] / f'{n}.png', n)


@pytest.mark.parametrize(
    ('write', 'attribute'),
    [
        (fer2013, 'emotion'),
        (rafdb, 'emotion'),
        (expw, 'emotion'),
        (fairface, 'gender'),
        (all_age_faces, 'gender'),
        (scut, 'gender'),
        (utkface, 'age'),
        (label_folders, 'emotion'),
    ],
)
def test_all_is_the_sum_of_the_splits(
    tmp_path: Path, write: Callable[[Path], None], attribute: str
) -> None:
    """Each image of each split is in it once."""
    write(tmp_path)
    files: list[str] = []
    for split in SPLITS:
        try:
            files += read_dataset(attribute, tmp_path, split).files
        except NoFacesError:
            continue
    everything = read_dataset(attribute, tmp_path, 'all')
    assert len(everything) > len(read_dataset(attribute, tmp_path, 'train'))
    assert sorted(everything.files) == sorted(files)


def test_copies_and_blank_images_are_kept(tmp_path: Path) -> None:
    """Both are only left out of a training split."""
    write_image(tmp_path / 'train' / 'happy' / 'a.png', 100)
    write_image(tmp_path / 'train' / 'sad' / 'b.png', 100)
    write_image(tmp_path / 'val' / 'sad' / 'c.png', 100)
    assert len(read_dataset('emotion', tmp_path, 'train')) == 1
    assert len(read_dataset('emotion', tmp_path, 'all')) == 3

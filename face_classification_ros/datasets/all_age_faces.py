"""Reader for the All-Age-Faces Dataset."""

from __future__ import annotations

from pathlib import Path
import re

from face_classification_ros.datasets.face_dataset import AGES, FaceDataset, GENDERS
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import band_index, label_index, read_samples, Sample
from face_classification_ros.datasets.splits import splits_in
from face_classification_ros.datasets.tables import read_text
from face_classification_ros.types import BoundingBox

ATTRIBUTES = {'gender': GENDERS, 'age': AGES}

LISTS, IMAGES = Path('image sets'), Path('original images')
FILE_NAME = re.compile(r'\d+A(?P<age>\d+)\.jpg')
# As the authors code them, which is our order and the opposite of UTKFace's.
GENDER_CODES = ('0', '1')

# A square of 1.3 times the longer side of YuNet's box.
BOX = BoundingBox(0.20, 0.115, 0.60, 0.77)


def is_all_age_faces(folder: Path) -> bool:
    """Return whether a folder contains the All-Age-Faces Dataset."""
    return (folder / LISTS).is_dir() and (folder / IMAGES).is_dir()


def read_all_age_faces(attribute: str, folder: Path, split: str) -> FaceDataset:
    """Read All-Age-Faces (Cheng et al. 2019): Asian faces of 2 to 80 years, gender and age.

    Raises:
        ValueError: a line is not '00000A02.jpg 0', or an image cannot be read.
    """
    samples = [
        sample
        for part in splits_in(split)
        for sample in _read_list(folder / LISTS / f'{part}.txt')
    ]
    return read_samples(
        f'All-Age-Faces {split}',
        attribute,
        ATTRIBUTES[attribute],
        folder,
        folder / IMAGES,
        samples,
        BOX,
    )


def _read_list(table: Path) -> list[Sample]:
    """Return the faces of a split, none if its list is missing."""
    samples = []
    lines = read_text(table).splitlines() if table.is_file() else []
    for number, line in enumerate(lines, 1):
        where, words = f'{table}, line {number}', line.split()
        match = FILE_NAME.fullmatch(words[0]) if len(words) == 2 else None
        if match is None:
            raise ValueError(
                f'{where}: expected a name with the age and a code of gender as in '
                f"'00000A02.jpg 0', got {line!r}"
            )
        years = int(match['age'])
        gender = label_index(words[1], GENDERS, GENDER_CODES, where)
        samples.append(
            Sample(
                words[0],
                {'gender': gender, 'age': band_index(years)},
                {'age': years, 'gender': GENDERS[gender]},
            )
        )
    return samples


READER = Reader(
    'all_age_faces',
    f'"{LISTS}"/train.txt',
    ATTRIBUTES,
    is_all_age_faces,
    read_all_age_faces,
)

"""Reader for SCUT-FBP5500, of which only gender and race are read."""

from __future__ import annotations

from pathlib import Path
import re

from face_classification_ros.datasets.face_dataset import FaceDataset, GENDERS
from face_classification_ros.datasets.image_files import files_below, is_image, warn_of_omissions
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import BOXES, read_samples, Sample
from face_classification_ros.datasets.splits import split_function, splits_in
from face_classification_ros.types import BoundingBox

ATTRIBUTES = {'gender': GENDERS}

IMAGES = Path('Images')
FILE_NAME = re.compile(r'(?P<race>[AC])(?P<gender>[FM])\d+\.jpg')
RACES = {'A': 'asian', 'C': 'white'}
GENDER_OF_CODE = {'F': 'woman', 'M': 'man'}

# A square of 1.3 times the longer side of YuNet's box.
BOX = BoundingBox(0.21, 0.115, 0.58, 0.77)


def is_scut_fbp5500(folder: Path) -> bool:
    """Return whether a folder contains SCUT-FBP5500."""
    return any(FILE_NAME.fullmatch(path.name) for path in (folder / IMAGES).glob('*.jpg'))


def read_scut_fbp5500(attribute: str, folder: Path, split: str) -> FaceDataset:
    """Read SCUT-FBP5500 (Liang et al. 2018): frontal faces, gender by the name of the file.

    Splits are those of the column `split` of `boxes.csv`; without it, 80, 10 and 10 % by name.

    Warns:
        OmissionWarning: a file is no image, or an image has no row in `boxes.csv`.

    Raises:
        ValueError: the name of an image is not as in 'AF1.jpg', or it cannot be read.
    """
    files = files_below(folder / IMAGES)
    others = [path for path in files if not is_image(path)]
    warn_of_omissions(f'files of {folder} that are no images', others)
    split_of = split_function(folder / BOXES)
    samples, unlisted = [], []
    for path in filter(is_image, files):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(
                f'{path}: expected a name that begins with AF, AM, CF or CM and a number; '
                'rename or move the image'
            )
        part = split_of(path.name)
        if part is None:
            unlisted.append(path.name)
        elif part in splits_in(split):
            gender = GENDER_OF_CODE[match['gender']]
            labels = {'gender': GENDERS.index(gender)}
            samples.append(
                Sample(path.name, labels, {'race': RACES[match['race']], 'gender': gender})
            )
    warn_of_omissions(f'images of {folder} that have no row in {BOXES}', unlisted)
    return read_samples(
        f'SCUT-FBP5500 {split}',
        attribute,
        ATTRIBUTES[attribute],
        folder,
        folder / IMAGES,
        samples,
        BOX,
    )


READER = Reader('scut_fbp5500', 'Images/AF1.jpg', ATTRIBUTES, is_scut_fbp5500, read_scut_fbp5500)

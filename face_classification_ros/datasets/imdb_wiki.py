"""Reader for IMDB-WIKI, the data of the paper's gender classifier."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
import itertools
from pathlib import Path
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import (
    age_band,
    AGES,
    FaceDataset,
    GENDERS,
    LABELS,
    one_hot,
)
from face_classification_ros.datasets.image_files import warn_of_omissions
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.splits import split_by_name, splits_in
from face_classification_ros.io.images import read_image
from face_classification_ros.requirements import needs_modules
from face_classification_ros.types import BoundingBox

TABLES = ('imdb', 'wiki')
"""Names of the .mat files and of the struct in each."""

FACE_MARGIN = 0.4
"""Margin of `imdb_crop` and `wiki_crop` around the face on each side, as a fraction of its box."""

IMDB_WIKI_BOX = BoundingBox(
    FACE_MARGIN / (1 + 2 * FACE_MARGIN),
    FACE_MARGIN / (1 + 2 * FACE_MARGIN),
    1 / (1 + 2 * FACE_MARGIN),
    1 / (1 + 2 * FACE_MARGIN),
)

MIN_FACE_SCORE = 3.0
"""Minimum score of the data set's face detector.

Labels were taken from whole web pages, so weak detections are often no face or another person's.
Public code for this data uses 1 or 3; the code of the paper uses 3.
"""

MAX_AGE = 100
"""Above it, the date of birth or of the image is wrong, and possibly the person, too."""

MAX_FACE_SIZE = 96
"""Longer side of a face's box, in pixels, to which larger images are scaled down.

All faces are kept in memory, which full-size images would exceed.
"""

# Raised by scipy for files of another format and damaged ones, next to its own error.
UNREADABLE = (KeyError, OSError, TypeError, ValueError, zlib.error)

MATLAB_7_3 = 2
"""Major version of .mat files in HDF5 format, which scipy cannot read."""


def is_imdb_wiki(folder: Path) -> bool:
    """Return whether a folder contains `imdb.mat` or `wiki.mat`."""
    return any((folder / f'{name}.mat').is_file() for name in TABLES)


def read_imdb_wiki(attribute: str, folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read one half of IMDB-WIKI (Rothe, Timofte, Van Gool 2015), cropped.

    The folder is `imdb_crop` or `wiki_crop` as published: `imdb.mat` or `wiki.mat`, and the images
    below it. Used are faces with known gender and age, a confident detection and no second face.
    All images of a person are in the same split.

    Args:
        attribute: 'gender' or 'age'.
        folder: `imdb_crop` or `wiki_crop`.
        split: 80, 10 and 10 % of the people are in 'train', 'val' and 'test'.
        min_age: exclude younger people, for gender.

    Warns:
        OmissionWarning: a gender is neither 0, 1 nor unknown, or an image is missing or empty,
            as some have a single pixel.

    Raises:
        ValueError: the .mat file is not as published, or an image cannot be read.
    """
    name = next(name for name in TABLES if (folder / f'{name}.mat').is_file())
    table = _read_mat(folder / f'{name}.mat', name)
    gender, score = _numbers(table['gender']), _numbers(table['face_score'])
    age = _age(_numbers(table['dob']), _numbers(table['photo_taken']))
    youngest = min_age if attribute == 'gender' else 0
    paths, people = _texts(table['full_path']), _people(table)
    # 0 is a woman and 1 a man, as in GENDERS; UTKFace has the opposite.
    coded = np.isin(gender, range(len(GENDERS)))
    known = (
        coded
        & np.isfinite(score)
        & (score > MIN_FACE_SCORE)
        & np.isnan(_numbers(table['second_face_score']))
        & (age >= youngest)
        & (age <= MAX_AGE)
    )
    parts = splits_in(split)
    chosen = [
        index for index in np.flatnonzero(known).tolist() if split_by_name(people[index]) in parts
    ]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(_read_face, [folder / paths[index] for index in chosen]))
    missing = [row for row, image in zip(chosen, images, strict=True) if image is None]
    rows = np.setdiff1d(chosen, missing).astype(np.int64)
    warn_of_omissions(
        f'images of {folder} whose gender is neither 0 nor 1',
        itertools.compress(paths, np.isfinite(gender) & ~coded),
    )
    warn_of_omissions(
        f'images of {folder} that are missing or empty', [paths[row] for row in missing]
    )
    y_true = age_band(age[rows]) if attribute == 'age' else gender[rows].astype(np.int64)
    return FaceDataset(
        attribute,
        f'{name.upper()} {split}, age {youngest} and above',
        [image for image in images if image is not None],
        y_true,
        one_hot(y_true, len(LABELS[attribute])),
        IMDB_WIKI_BOX,
        {
            'age': age[rows].astype(np.int64),
            'gender': np.array(GENDERS)[gender[rows].astype(np.int64)],
        },
        files=tuple(str(folder / paths[row]) for row in rows.tolist()),
    )


def _read_mat(path: Path, name: str) -> dict[str, Any]:
    with needs_modules(['scipy'], str(path)):
        from scipy.io.matlab import loadmat, matfile_version, MatReadError
    try:
        if matfile_version(str(path))[0] == MATLAB_7_3:
            raise ValueError("saved by Matlab as '-v7.3'; save it as '-v7'")
        table = loadmat(path, simplify_cells=True)[name]
    except (*UNREADABLE, MatReadError) as error:
        raise ValueError(f'{path} has no struct {name!r} as published: {error}') from error
    fields = (
        'dob',
        'photo_taken',
        'full_path',
        'gender',
        'face_score',
        'second_face_score',
        'celeb_id' if name == 'imdb' else 'name',
    )
    for field in fields:
        if field not in table:
            raise ValueError(f'{path} has no field {field!r}; its fields are {", ".join(table)}')
    rows = {field: np.size(table[field]) for field in fields}
    if len(set(rows.values())) > 1:
        raise ValueError(f'{path}: the fields have different numbers of rows: {rows}')
    return dict(table)


def _numbers(column: Any) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(column, np.float64))


def _texts(column: Any) -> Sequence[str]:
    # scipy returns a cell array of one text as that text, and an empty cell as an empty array.
    cells = [column] if isinstance(column, str) else column
    return [cell if isinstance(cell, str) else '' for cell in cells]


def _people(table: dict[str, Any]) -> Sequence[str]:
    """Return a name per image, the same for the same person; its path where there is no name."""
    paths = _texts(table['full_path'])
    if 'celeb_id' in table:
        numbers = _numbers(table['celeb_id'])
        names: Sequence[str] = [
            str(int(number)) if np.isfinite(number) else '' for number in numbers
        ]
    else:
        names = _texts(table['name'])
    return [name or path for name, path in zip(names, paths, strict=True)]


def _age(birth: NDArray[np.float64], year: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the age in whole years in the middle of the year of the image, as the authors do.

    Args:
        birth: date of birth as a Matlab day number, 1 on the first day of the year 0.
        year: when the image was taken.
    """
    july = (year - 1970).astype('datetime64[Y]').astype('datetime64[M]') + np.timedelta64(6, 'M')
    days = (july.astype('datetime64[D]') - np.datetime64('0000-01-01')).astype(np.float64) + 1
    return np.floor((days - birth) / 365.2425)


def _read_face(path: Path) -> NDArray[np.uint8] | None:
    """Read an image, scaled down to `MAX_FACE_SIZE`; None where it is missing or empty."""
    if not path.is_file():
        return None
    image = read_image(path)
    size = max(image.shape[:2])
    if size <= 1:
        return None
    zoom = MAX_FACE_SIZE * (1 + 2 * FACE_MARGIN) / size
    if zoom >= 1:
        return image
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)


READER = Reader(
    'imdb_wiki',
    'imdb.mat or wiki.mat',
    {'gender': GENDERS, 'age': AGES},
    is_imdb_wiki,
    read_imdb_wiki,
    ('min_age',),
)

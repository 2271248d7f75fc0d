"""Reader for IMDB-WIKI, the data of the paper's gender classifier."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.face_dataset import (
    FaceDataset,
    GENDERS,
    one_hot,
    part_of,
)
from face_classification_ros.io.files import read_image
from face_classification_ros.types import BoundingBox

TABLES = ('imdb', 'wiki')
"""Names of the .mat files, and of the struct inside."""

FACE_MARGIN = 0.4
"""What `imdb_crop` and `wiki_crop` show around the face on every side, as a share of its box."""

IMDB_WIKI_BOX = BoundingBox(
    FACE_MARGIN / (1 + 2 * FACE_MARGIN),
    FACE_MARGIN / (1 + 2 * FACE_MARGIN),
    1 / (1 + 2 * FACE_MARGIN),
    1 / (1 + 2 * FACE_MARGIN),
)

MIN_FACE_SCORE = 3.0
"""Score of the data set's face detector above which a picture counts.

Labels were taken from whole pages, so that weak detections are often no face or somebody else's.
Public code for this data takes 1 or 3; 3 is what the paper's own takes.
"""

MAX_AGE = 100
"""Above it the date of birth or of the picture is wrong, and so may be the person."""

MAX_FACE_SIDE = 96
"""Longer side of a face's box, in pixels, to which larger pictures are scaled when they are read.

All faces are held in memory: at most 0.09 MB each in color, where full size would not fit.
"""

# What scipy raises for files of another kind and damaged ones, beside its own error.
UNREADABLE = (KeyError, OSError, TypeError, ValueError, zlib.error)

MATLAB_7_3 = 2
"""Major version of .mat files that are HDF5 inside, which scipy does not read."""


def is_imdb_wiki(folder: Path) -> bool:
    """Tell whether a folder holds `imdb.mat` or `wiki.mat`."""
    return any((folder / f'{name}.mat').is_file() for name in TABLES)


def read_imdb_wiki(folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read one half of IMDB-WIKI (Rothe, Timofte, Van Gool 2015), cropped.

    The folder is `imdb_crop` or `wiki_crop` as it is published: `imdb.mat` or `wiki.mat`, and the
    pictures below it. Faces count whose gender and age are known, that were found surely, and
    beside which no second face was found; pictures that are missing or empty (there are some of
    1 pixel) are passed over. All pictures of a person are in the same split.

    Args:
        folder: `imdb_crop` or `wiki_crop`.
        split: 80, 10 and 10 % of the people are in 'train', 'val' and 'test'.
        min_age: younger people are left out.

    Raises:
        ValueError: the .mat file is not as published, or a picture cannot be read; the line names
            the file.
    """
    name = next(name for name in TABLES if (folder / f'{name}.mat').is_file())
    table = _read_mat(folder / f'{name}.mat', name)
    gender, score = _numbers(table['gender']), _numbers(table['face_score'])
    age = _age(_numbers(table['dob']), _numbers(table['photo_taken']))
    known = (
        np.isfinite(gender)
        & np.isfinite(score)
        & (score > MIN_FACE_SCORE)
        & np.isnan(_numbers(table['second_face_score']))
        & (age >= min_age)
        & (age <= MAX_AGE)
    )
    paths, people = _texts(table['full_path']), _people(table)
    in_split = part_of(split)
    chosen = [index for index in np.flatnonzero(known).tolist() if in_split(people[index])]
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(_read_face, [folder / paths[index] for index in chosen]))
    rows = np.array(
        [row for row, picture in zip(chosen, pictures, strict=True) if picture is not None],
        np.int64,
    )
    # 0 is a woman and 1 a man, as in our order; UTKFace has it the other way round.
    y_true = gender[rows].astype(np.int64)
    return FaceDataset(
        'gender',
        f'{name.upper()} {split}, age {min_age} and above',
        [picture for picture in pictures if picture is not None],
        y_true,
        one_hot(y_true, len(GENDERS)),
        IMDB_WIKI_BOX,
        {'age': age[rows].astype(np.int64)},
    )


def _read_mat(path: Path, name: str) -> dict[str, Any]:
    try:
        from scipy.io.matlab import loadmat, matfile_version, MatReadError
    except ImportError as error:
        raise ImportError(
            f"{error}; {path} needs: pip install 'face_classification_ros[train]'"
        ) from error
    try:
        if matfile_version(str(path))[0] == MATLAB_7_3:
            raise ValueError("saved by Matlab as '-v7.3'; save it as '-v7'")
        table = loadmat(path, simplify_cells=True)[name]
    except (*UNREADABLE, MatReadError) as error:
        raise ValueError(f'{path} holds no struct {name!r} as published: {error}') from error
    fields = ('dob', 'photo_taken', 'full_path', 'gender', 'face_score', 'second_face_score')
    for field in (*fields, 'celeb_id' if name == 'imdb' else 'name'):
        if field not in table:
            raise ValueError(f'{path} has no field {field!r}, but {", ".join(table)}')
    return dict(table)


def _numbers(column: Any) -> NDArray[np.float64]:
    return np.atleast_1d(np.asarray(column, np.float64))


def _texts(column: Any) -> Sequence[str]:
    # A cell array of one text comes as that text, an empty cell as an empty array.
    cells = [column] if isinstance(column, str) else column
    return [cell if isinstance(cell, str) else '' for cell in cells]


def _people(table: dict[str, Any]) -> Sequence[str]:
    """Give one name for each picture, the same for the same person; without one, its path."""
    if 'celeb_id' in table:
        return [str(int(number)) for number in _numbers(table['celeb_id'])]
    names, paths = _texts(table['name']), _texts(table['full_path'])
    return [name or path for name, path in zip(names, paths, strict=True)]


def _age(birth: NDArray[np.float64], year: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the age in whole years in the middle of the year of the picture, as its authors do.

    Args:
        birth: date of birth as Matlab counts days, from 1 on the first day of the year 0.
        year: when the picture was taken.
    """
    july = (year - 1970).astype('datetime64[Y]').astype('datetime64[M]') + np.timedelta64(6, 'M')
    days = (july.astype('datetime64[D]') - np.datetime64('0000-01-01')).astype(np.float64) + 1
    return np.floor((days - birth) / 365.2425)


def _read_face(path: Path) -> NDArray[np.uint8] | None:
    """Read a picture, scaled down to what is kept; none where there is no picture to speak of."""
    if not path.is_file():
        return None
    image = read_image(path)
    side = max(image.shape[:2])
    if side <= 1:
        return None
    zoom = MAX_FACE_SIDE * (1 + 2 * FACE_MARGIN) / side
    if zoom >= 1:
        return image
    return cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)

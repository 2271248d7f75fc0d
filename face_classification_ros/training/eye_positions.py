"""Locate the eyes of the faces of data sets, on which glasses are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import hashlib
from itertools import pairwise
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.config import DetectorConfig
from face_classification_ros.datasets.face_localization import find_faces
from face_classification_ros.detection import create_detector
from face_classification_ros.training.glasses import Points

LANDMARK_DETECTOR = DetectorConfig(detector='libfacedetection', detection_interval=1)
"""The detector that locates the eyes."""

PART_SIZE = 1000
"""Faces that are searched by one thread and stored in one file."""


def eye_positions(
    images: Sequence[NDArray[np.uint8]], sources: NDArray[np.str_], scratch: Path | None
) -> list[Points | None]:
    """Return the eyes of all faces in pixels, None where none are found.

    Parts of a data set are cached as soon as they are complete, for a search that is interrupted
    and for other stages with the same data sets.

    Args:
        images: uint8, each H x W x 3 in BGR or H x W x 1 in gray; each image once.
        sources: data set of each face, N; the faces of a part are of one.
        scratch: folder of the cache; None for no cache.
    """
    starts = [0, *(np.flatnonzero(sources[1:] != sources[:-1]) + 1), len(images)]
    parts = [
        images[start : min(start + PART_SIZE, end)]
        for first, end in pairwise(starts)
        for start in range(first, end, PART_SIZE)
    ]
    # The detector releases the GIL most of the time.
    with ThreadPoolExecutor() as pool:
        return [eyes for found in pool.map(partial(_eyes_in, scratch), parts) for eyes in found]


def _eyes_in(scratch: Path | None, images: Sequence[NDArray[np.uint8]]) -> list[Points | None]:
    """Return the eyes of a part of the faces, from the cache if it has them.

    The name of the cache file is a hash of the images, so that it is never used for others.
    """
    if scratch is None:
        return _find_eyes(images)
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(str(image.shape).encode() + image.tobytes())
    path = scratch / 'eyes' / f'{digest.hexdigest()}.npy'
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        unknown = ((np.nan, np.nan), (np.nan, np.nan))
        found = [eyes or unknown for eyes in _find_eyes(images)]
        unfinished = path.with_suffix('.unfinished.npy')
        np.save(unfinished, found)
        os.replace(unfinished, path)
    return [
        None if np.isnan(right[0]) else (tuple(right), tuple(left))
        for right, left in np.load(path).tolist()
    ]


def _find_eyes(images: Sequence[NDArray[np.uint8]]) -> list[Points | None]:
    faces = find_faces(create_detector(LANDMARK_DETECTOR), images)
    return [None if face is None else (face.landmarks[0], face.landmarks[1]) for face in faces]

"""Read the training and validation data of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
from pathlib import Path

import numpy as np

from face_classification_ros.datasets.registry import (
    check_attributes,
    FaceDataset,
    has_attribute,
    labels_of,
    layout_of,
    read_dataset,
)
from face_classification_ros.training.recipe import Recipe


def check_folders(recipe: Recipe, folders: Sequence[Path]) -> None:
    """Refuse folders and a recipe that do not fit, without reading the data, which takes minutes.

    Raises:
        ValueError: a folder has no data for the recipe, no folder has data of an attribute, or the
            recipe names a data set that is none of them, which would have no effect.
    """
    check_attributes(folders, recipe.attributes)
    for attribute in recipe.attributes:
        if not any(has_attribute(folder, attribute) for folder in folders):
            raise ValueError(f'no data folder has labels of {attribute}, which the recipe needs')
    sources = sorted({layout_of(folder) for folder in folders})
    taught = [each for teacher in recipe.teachers for each in teacher.data]
    for field, names in (('sampling', recipe.sampling), ('data of a teacher', taught)):
        for name in names:
            if name not in sources:
                raise ValueError(
                    f'{field}: {name!r} is none of the data sets {", ".join(sources)}; add its '
                    'folder to --data, or correct the recipe'
                )


def read_splits(
    recipe: Recipe, folders: Sequence[Path]
) -> tuple[list[FaceDataset], list[FaceDataset]]:
    """Read the training and validation data of a recipe.

    Returns:
        Data sets for training, without images that are in the validation part of any of them;
        data sets for validation.

    Raises:
        ValueError: see `check_folders`; a folder has a single label, or no training image that is
            not in validation; or data sets of the same attribute have different labels.
    """
    check_folders(recipe, folders)
    training, validation = [], []
    for folder in folders:
        for attribute in recipe.attributes:
            if not has_attribute(folder, attribute):
                continue
            faces, held_out = _read_folder(recipe, folder, attribute)
            training.append(faces)
            validation.append(held_out)
    for held_out in validation:
        training = [faces.without_images_of(held_out) for faces in training]
    # Refuses different labels of an attribute.
    labels_of([*training, *validation])
    return training, validation


def checksum(datasets: Sequence[FaceDataset]) -> str:
    """Return a checksum of all that a training depends on: images, boxes, labels and groups."""
    digest = hashlib.blake2b(digest_size=16)
    for dataset in datasets:
        for fingerprint in dataset.fingerprints:
            digest.update(fingerprint)
        digest.update(repr((dataset.attribute, dataset.labels, dataset.face_boxes())).encode())
        digest.update(dataset.targets.tobytes())
        for column, values in sorted(dataset.groups.items()):
            digest.update(repr((column, values.tolist())).encode())
    return digest.hexdigest()


def _read_folder(recipe: Recipe, folder: Path, attribute: str) -> tuple[FaceDataset, FaceDataset]:
    """Return the training and validation data of one attribute, without common images."""
    held_out = read_dataset(attribute, folder, 'val', min_age=recipe.min_age)
    faces = read_dataset(
        attribute,
        folder,
        'train',
        ferplus_weight=recipe.ferplus_weight,
        min_age=recipe.min_age,
    ).without_images_of(held_out)
    if not len(faces):
        raise ValueError(f'{folder}: all training images are in the validation data, too')
    if len(np.unique(faces.y_true)) == 1:
        raise ValueError(
            f'{folder}: all {len(faces)} training faces are labeled '
            f'{faces.labels[faces.y_true[0]]!r}, expected at least two labels of {attribute}; '
            'correct the labels or leave out the data set'
        )
    return faces, held_out

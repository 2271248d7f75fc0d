"""Join the faces of several data sets for one training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.datasets.registry import FaceDataset, labels_of
from face_classification_ros.training.distillation import AttributeArrays
from face_classification_ros.types import BoundingBox


@dataclass(frozen=True)
class JoinedFaces:
    """The faces of several data sets, one below the other, each image once.

    Attributes:
        images: one per face.
        boxes: of the face, in pixels of its image.
        targets: attribute -> N x labels, zeros where nothing is known.
        weights: attribute -> N, 0 where nothing is known and 1 on average elsewhere.
        sources: data set of each face, N.
    """

    images: list[NDArray[np.uint8]]
    boxes: list[BoundingBox]
    targets: AttributeArrays
    weights: AttributeArrays
    sources: NDArray[np.str_]


def join_faces(
    datasets: Sequence[FaceDataset],
    attributes: Sequence[str],
    balance: float = 0.0,
    balance_by: Sequence[str] = ('label',),
) -> JoinedFaces:
    """Join the faces of several data sets; an image that several of them contain is one face.

    Args:
        datasets: each with the labels of one attribute.
        attributes: which to take.
        balance: 0 for equal weights to 1 for weights that make all groups count the same.
        balance_by: what the groups are: 'label', or a column of `FaceDataset.groups`, in the data
            sets that have it.

    Raises:
        ValueError: two data sets label one image differently, or have different lists of labels
            for one attribute; the line names both.
    """
    classes = {each: len(labels) for each, labels in labels_of(datasets).items()}
    rows, firsts = _match_images(datasets)
    _check_labels(datasets, rows)
    targets = {each: np.zeros((len(firsts), classes[each]), np.float32) for each in attributes}
    weights = {each: np.zeros(len(firsts), np.float32) for each in attributes}
    for dataset, own_rows in zip(datasets, rows, strict=True):
        if dataset.attribute in targets:
            targets[dataset.attribute][own_rows] = dataset.targets
            weights[dataset.attribute][own_rows] = _weights_of(dataset, balance, balance_by)
    boxes = [dataset.face_boxes() for dataset in datasets]
    return JoinedFaces(
        [datasets[number].images[index] for number, index in firsts],
        [boxes[number][index] for number, index in firsts],
        targets,
        weights,
        np.array([datasets[number].source for number, _ in firsts]),
    )


def _match_images(
    datasets: Sequence[FaceDataset],
) -> tuple[list[NDArray[np.int64]], list[tuple[int, int]]]:
    """Assign one row to pixel-identical images of different data sets.

    Copies within one data set stay apart.

    Returns:
        For each data set the row of each of its faces, N; for each row the data set and the index
        of its first face.
    """
    row_of: dict[tuple[bytes, int], int] = {}
    firsts: list[tuple[int, int]] = []
    rows = []
    for number, dataset in enumerate(datasets):
        own_rows = np.empty(len(dataset), np.int64)
        copies: Counter[bytes] = Counter()
        for index, fingerprint in enumerate(dataset.fingerprints):
            own_rows[index] = row_of.setdefault((fingerprint, copies[fingerprint]), len(row_of))
            copies[fingerprint] += 1
            if own_rows[index] == len(firsts):
                firsts.append((number, index))
        rows.append(own_rows)
    return rows, firsts


def _check_labels(datasets: Sequence[FaceDataset], rows: Sequence[NDArray[np.int64]]) -> None:
    """Refuse different labels of one image in two data sets of the same attribute."""
    labeled: dict[tuple[str, int], tuple[FaceDataset, int]] = {}
    for dataset, own_rows in zip(datasets, rows, strict=True):
        for index, row in enumerate(own_rows.tolist()):
            other, at = labeled.setdefault((dataset.attribute, row), (dataset, index))
            if other is not dataset and other.y_true[at] != dataset.y_true[index]:
                raise ValueError(
                    f'{other.describe(at)} and {dataset.describe(index)} are the same image with '
                    f'different labels of {dataset.attribute}; delete one of them'
                )


def _weights_of(
    dataset: FaceDataset, balance: float, balance_by: Sequence[str]
) -> NDArray[np.float64]:
    """Return the weight of each face, N, of mean 1; see `join_faces`."""
    weight = np.ones(len(dataset))
    for name in balance_by:
        column = dataset.y_true if name == 'label' else dataset.group(name)
        _, group, count = np.unique(column, return_inverse=True, return_counts=True)
        weight *= (count.mean() / count[group]) ** balance
    return weight / weight.mean()

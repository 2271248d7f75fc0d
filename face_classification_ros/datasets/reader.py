"""The entry of a data set in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from face_classification_ros.datasets.face_dataset import FaceDataset


@dataclass(frozen=True)
class Reader:
    """A published layout and how it is read.

    Attributes:
        name: of the data set.
        known_by: file or file name by which a folder is recognized, for messages.
        attributes: attribute -> its labels in the order of `FaceDataset.y_true`.
        recognizes: whether a folder contains this data set.
        read: (attribute, folder, split, and each of `options` by keyword) -> faces.
        options: further arguments of `registry.read_dataset` that it takes.
    """

    name: str
    known_by: str
    attributes: Mapping[str, tuple[str, ...]]
    recognizes: Callable[[Path], bool]
    read: Callable[..., FaceDataset]
    options: tuple[str, ...] = ()

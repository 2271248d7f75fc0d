"""Readers for face data sets in the forms in which they are published."""

from __future__ import annotations

from collections.abc import Callable
import csv
from dataclasses import dataclass, field
from pathlib import Path
import re
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from face_classification_ros.face import Box

GENDERS = ('woman', 'man')
EMOTIONS = ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
LABELS = {'gender': GENDERS, 'emotion': EMOTIONS}
"""Labels of each attribute in the order of a model file; emotions are in FER-2013's order."""

# Where a detector's box lies in a picture, as shares of its sides; the node cuts its crops around
# such boxes, so training has to. For UTKFace measured by landmarks: libfacedetection's boxes in
# pictures that show more than the face, carried over to the eyes and mouths of every tenth face of
# the training split. FER-2013's pictures were cut around a detector's boxes, and measure alike.
WHOLE_PICTURE = Box(0.0, 0.0, 1.0, 1.0)
UTKFACE_BOX = Box(-0.04, -0.11, 1.06, 1.06)

SPLITS = ('train', 'val', 'test')

FER_USAGE = {'train': 'Training', 'val': 'PublicTest', 'test': 'PrivateTest'}
FERPLUS_COLUMNS = {
    'angry': 'anger',
    'disgust': 'disgust',
    'fear': 'fear',
    'happy': 'happiness',
    'sad': 'sadness',
    'surprise': 'surprise',
    'neutral': 'neutral',
}
FER_SIDE = 48

UTKFACE_NAME = re.compile(r'(?P<age>\d+)_(?P<gender>[01])_(?P<race>[0-4])_\d+\.jpg')
UTKFACE_RACES = ('white', 'black', 'asian', 'indian', 'other')
UTKFACE_GENDERS = {'0': 'man', '1': 'woman'}

IMAGE_SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'}


@dataclass(frozen=True)
class FaceDataset:
    """Faces with the true answer for one attribute.

    Attributes:
        attribute: 'gender' or 'emotion'.
        name: where the faces come from, for reports.
        images: one uint8 picture per face, H x W x 3 in BGR or H x W x 1 in grey.
        truth: int64 N, index of the published label.
        targets: float32 N x labels, what to learn: rows of sum 1, softer than `truth` where
            several people voted.
        box: where a detector's box lies in each picture, as shares of its sides.
        groups: further columns by name (age, race, ...), N each.
    """

    attribute: str
    name: str
    images: list[NDArray[np.uint8]]
    truth: NDArray[np.int64]
    targets: NDArray[np.float32]
    box: Box = WHOLE_PICTURE
    groups: dict[str, NDArray[np.generic]] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, ...]:
        """The attribute's labels, in the order of `truth` and `targets`."""
        return LABELS[self.attribute]

    def __len__(self) -> int:
        """Give the number of faces."""
        return len(self.images)

    def box_of(self, image: NDArray[np.uint8]) -> Box:
        """Give the face's box in pixels of a picture of this data set."""
        height, width = image.shape[:2]
        box = self.box
        return Box(box.x * width, box.y * height, box.width * width, box.height * height)

    def select(self, keep: NDArray[np.bool_]) -> FaceDataset:
        """Give the faces for which `keep` (bool, N) is true."""
        return FaceDataset(
            self.attribute,
            self.name,
            [image for image, kept in zip(self.images, keep, strict=True) if kept],
            self.truth[keep],
            self.targets[keep],
            self.box,
            {name: column[keep] for name, column in self.groups.items()},
        )

    def without_pictures_of(self, other: FaceDataset) -> FaceDataset:
        """Give the faces that have no pixel-identical picture in `other`."""
        known = {image.tobytes() for image in other.images}
        return self.select(np.array([image.tobytes() not in known for image in self.images]))


def read_dataset(
    attribute: str, folder: Path, split: str, *, vote_share: float = 0.0, min_age: int = 13
) -> FaceDataset:
    """Read one split of whatever published form a folder holds.

    Known forms: `fer2013.csv` (with `fer2013new.csv` beside it for the FER+ votes); UTKFace's
    `[age]_[gender]_[race]_[date].jpg` names (with an optional `split.csv` of `file,split`); a
    sub-folder per label, or `train/`, `val/` and `test/` with one each.

    Args:
        attribute: 'gender' or 'emotion'.
        folder: where the data is.
        split: 'train', 'val' or 'test'. FER-2013 calls them Training, PublicTest, PrivateTest.
        vote_share: weight of the FER+ votes in `targets`, from 0 to 1.
        min_age: UTKFace faces of younger people are left out: their labels are unreliable.

    Raises:
        ValueError: the folder holds no data of a known form, or none of this split.
    """
    if attribute not in LABELS:
        raise ValueError(f'unknown attribute {attribute!r}; there are: {", ".join(LABELS)}')
    if split not in SPLITS:
        raise ValueError(f'unknown split {split!r}; there are: {", ".join(SPLITS)}')
    if (folder / 'fer2013.csv').is_file() and attribute == 'emotion':
        dataset = _read_fer2013(folder, split, vote_share)
    elif attribute == 'gender' and any(UTKFACE_NAME.match(p.name) for p in folder.glob('*.jpg')):
        dataset = _read_utkface(folder, split, min_age)
    elif any((folder / label).is_dir() for label in LABELS[attribute]):
        dataset = _read_folders(folder, attribute, _part_of(split))
    elif (folder / split).is_dir():
        dataset = _read_folders(folder / split, attribute, lambda _: True)
    else:
        raise ValueError(
            f'{folder} holds no {attribute} data of a known form: expected fer2013.csv, UTKFace '
            f'pictures, or a folder for each of {", ".join(LABELS[attribute])}'
        )
    if not len(dataset):
        raise ValueError(f'{folder} holds no face of the split {split!r}')
    return dataset


def _one_hot(truth: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    return np.eye(classes, dtype=np.float32)[truth]


def _read_fer2013(folder: Path, split: str, vote_share: float) -> FaceDataset:
    """Read FER-2013 (Goodfellow et al. 2013) and, for `vote_share`, FER+ (Barsoum et al. 2016).

    Blank pictures and those that most voters called no face are left out of training; what is
    measured on stays whole.
    """
    votes_path = folder / 'fer2013new.csv'
    if vote_share and not votes_path.is_file():
        raise ValueError(f'{votes_path} with the FER+ votes is missing; set vote_share to 0')
    with open(folder / 'fer2013.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    votes_rows: list[dict[str, str]] = []
    if vote_share:
        with open(votes_path, newline='') as file:
            votes_rows = list(csv.DictReader(file))
        if len(votes_rows) != len(rows):
            raise ValueError(
                f'{votes_path} has {len(votes_rows)} rows, fer2013.csv {len(rows)}: they differ'
            )

    images, truth, targets = [], [], []
    for number, row in enumerate(rows):
        if row['Usage'] != FER_USAGE[split]:
            continue
        image = np.array(row['pixels'].split(), dtype=np.uint8).reshape(FER_SIDE, FER_SIDE, 1)
        label = int(row['emotion'])
        target = _one_hot(np.array(label), len(EMOTIONS))
        if votes_rows:
            votes = votes_rows[number]
            counts = np.array([int(votes[FERPLUS_COLUMNS[e]]) for e in EMOTIONS], np.float32)
            if counts.sum():
                target = (1 - vote_share) * target + vote_share * counts / counts.sum()
            if split == 'train' and int(votes['NF']) > counts.sum():
                continue
        if split == 'train' and image.min() == image.max():
            continue
        images.append(image)
        truth.append(label)
        targets.append(target)
    return FaceDataset(
        'emotion',
        f'FER-2013 {FER_USAGE[split]}',
        images,
        np.array(truth, np.int64),
        np.array(targets, np.float32).reshape(-1, len(EMOTIONS)),
    )


def _part_of(split: str) -> Callable[[str], bool]:
    """Tell by a file's name which split it is in: 80, 10 and 10 %, the same on every machine."""
    parts = {'train': range(0, 80), 'val': range(80, 90), 'test': range(90, 100)}

    def in_part(name: str) -> bool:
        return zlib.crc32(name.encode()) % 100 in parts[split]

    return in_part


def _read_utkface(folder: Path, split: str, min_age: int) -> FaceDataset:
    """Read UTKFace (Zhang, Song, Qi 2017), aligned and cropped."""
    table = folder / 'split.csv'
    in_split = _part_of(split)
    if table.is_file():
        with open(table, newline='') as file:
            named = {row['file'] for row in csv.DictReader(file) if row['split'] == split}
        in_split = named.__contains__
    images, truth, ages, races = [], [], [], []
    for path in sorted(folder.glob('*.jpg')):
        match = UTKFACE_NAME.match(path.name)
        if match is None or int(match['age']) < min_age or not in_split(path.name):
            continue
        images.append(_read_picture(path))
        truth.append(GENDERS.index(UTKFACE_GENDERS[match['gender']]))
        ages.append(int(match['age']))
        races.append(UTKFACE_RACES[int(match['race'])])
    return FaceDataset(
        'gender',
        f'UTKFace {split}, age {min_age} and above',
        images,
        np.array(truth, np.int64),
        _one_hot(np.array(truth, np.int64), len(GENDERS)),
        UTKFACE_BOX,
        {'age': np.array(ages, np.int64), 'race': np.array(races, str)},
    )


def _read_folders(folder: Path, attribute: str, in_split: Callable[[str], bool]) -> FaceDataset:
    """Read a folder with one sub-folder of pictures per label."""
    images, truth = [], []
    for index, label in enumerate(LABELS[attribute]):
        for path in sorted((folder / label).glob('*')):
            if path.suffix.lower() in IMAGE_SUFFIXES and in_split(path.name):
                images.append(_read_picture(path))
                truth.append(index)
    return FaceDataset(
        attribute,
        folder.name,
        images,
        np.array(truth, np.int64),
        _one_hot(np.array(truth, np.int64), len(LABELS[attribute])),
    )


def _read_picture(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{path} is not a readable picture')
    return image.astype(np.uint8, copy=False)

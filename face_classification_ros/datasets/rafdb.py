"""Reader for RAF-DB, basic emotions, aligned images."""

from __future__ import annotations

from pathlib import Path

from face_classification_ros.datasets.face_dataset import EMOTIONS, FaceDataset
from face_classification_ros.datasets.reader import Reader
from face_classification_ros.datasets.samples import BOXES, label_index, read_samples, Sample
from face_classification_ros.datasets.splits import split_function, splits_in
from face_classification_ros.datasets.tables import read_text
from face_classification_ros.types import BoundingBox

ATTRIBUTES = {'emotion': EMOTIONS}

# The authors' own spelling.
TABLE = Path('EmoLabel', 'list_patition_label.txt')
IMAGES = Path('Image', 'aligned')

# Of angry, disgust, fear, happy, sad, surprise, neutral.
EMOTION_CODES = ('6', '3', '2', '4', '5', '1', '7')

# Median of the boxes that YuNet finds in the training images.
BOX = BoundingBox(0.02, -0.14, 0.95, 1.17)


def is_rafdb(folder: Path) -> bool:
    """Return whether a folder contains RAF-DB."""
    return (folder / TABLE).is_file()


def read_rafdb(attribute: str, folder: Path, split: str) -> FaceDataset:
    """Read RAF-DB (Li, Deng, Du 2017): seven basic emotions by about 40 annotators per image.

    'train' and 'val' are parts of the published training rows, by the column `split` of
    `boxes.csv` or a tenth by name; 'test' is the published one.

    Raises:
        ValueError: a line is not 'train_00001.jpg 5', or an image cannot be read.
    """
    table, samples = folder / TABLE, []
    split_of = split_function(folder / BOXES)
    for number, line in enumerate(read_text(table).splitlines(), 1):
        where, words = f'{table}, line {number}', line.split()
        if len(words) != 2 or not words[0].startswith(('train_', 'test_')):
            raise ValueError(
                f"{where}: expected a name and a code as in 'train_00001.jpg 5', got {line!r}"
            )
        file = f'{Path(words[0]).stem}_aligned.jpg'
        published = words[0].partition('_')[0]
        part = 'val' if published == 'train' and split_of(file) == 'val' else published
        if part not in splits_in(split):
            continue
        emotion = label_index(words[1], EMOTIONS, EMOTION_CODES, where)
        samples.append(Sample(file, {'emotion': emotion}, {}))
    return read_samples(
        f'RAF-DB {split}', attribute, ATTRIBUTES[attribute], folder, folder / IMAGES, samples, BOX
    )


READER = Reader('rafdb', TABLE.name, ATTRIBUTES, is_rafdb, read_rafdb)

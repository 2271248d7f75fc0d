"""Write tiny data sets in their published layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

VOTE_COLUMNS = 'neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF'
"""Columns of FER+, without the first two."""


def write_bright_halves(folder: Path, *, train: int, val: int) -> None:
    """Write `women` with a bright upper half and `men` with a bright lower half.

    Args:
        folder: gets one sub-folder per split and label.
        train: number of faces of each label in `train`.
        val: the same in `val`.
    """
    random = np.random.default_rng(0)
    for split, count in (('train', train), ('val', val)):
        for label, half in (('woman', slice(0, 24)), ('man', slice(24, 48))):
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                face = random.integers(0, 120, (48, 48, 3)).astype(np.uint8)
                face[half] += 100
                cv2.imwrite(str(folder / split / label / f'{number}.png'), face)


def write_image(path: Path, value: int, *, size: int = 20, gray: bool = True) -> None:
    """Write an image of one color, losslessly although it is called .jpg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size, size) if gray else (size, size, 3)
    image = np.full(shape, value, np.uint8)
    if not gray:
        image[:, :, 0] //= 2
    done, content = cv2.imencode('.png', image)
    assert done
    path.write_bytes(content.tobytes())


def write_fer2013(folder: Path, rows: Sequence[tuple[int, int, str, str]]) -> None:
    """Write FER-2013 and FER+: rows of emotion, gray value, usage and votes."""
    with open(folder / 'fer2013.csv', 'w') as faces, open(folder / 'fer2013new.csv', 'w') as votes:
        faces.write('emotion,pixels,Usage\n')
        votes.write(f'Usage,Image name,{VOTE_COLUMNS}\n')
        for number, (emotion, value, usage, vote) in enumerate(rows):
            pixels = [value] * (48 * 48 - 1) + [0]
            faces.write(f'{emotion},{" ".join(map(str, pixels))},{usage}\n')
            votes.write(f'{usage},fer{number:07d}.png,{vote}\n')


def write_boxes(folder: Path, rows: Mapping[str, Sequence[object]]) -> None:
    """Write `boxes.csv`: file -> x, y, width, height, score, split."""
    lines = [','.join(map(str, (file, *row))) for file, row in rows.items()]
    (folder / 'boxes.csv').write_text('file,x,y,width,height,score,split\n' + '\n'.join(lines))


def write_rafdb(folder: Path, rows: Mapping[str, tuple[str, int]]) -> None:
    """Write RAF-DB: name without suffix -> published code and gray level."""
    (folder / 'EmoLabel').mkdir(parents=True)
    lines = [f'{name}.jpg {code}' for name, (code, _) in rows.items()]
    (folder / 'EmoLabel' / 'list_patition_label.txt').write_text('\n'.join(lines) + '\n')
    for name, (_, value) in rows.items():
        write_image(folder / 'Image' / 'aligned' / f'{name}_aligned.jpg', value)


def write_fairface(folder: Path, split: str, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write one part of FairFace: age, gender and race of each face, gray levels from 10 on."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['file,age,gender,race,service_test']
    for number, row in enumerate(rows, 1):
        file = f'{split}/{number}.jpg'
        write_image(folder / file, 10 * number)
        lines.append(','.join((file, *row, 'False')))
    (folder / f'fairface_label_{split}.csv').write_text('\n'.join(lines) + '\n')


def write_all_age_faces(folder: Path, split: str, rows: Mapping[str, str]) -> None:
    """Write one part of All-Age-Faces: file -> code of gender."""
    (folder / 'image sets').mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(rows, 1):
        write_image(folder / 'original images' / file, 10 * number, gray=False)
    lines = [f'{file} {code}' for file, code in rows.items()]
    (folder / 'image sets' / f'{split}.txt').write_text('\n'.join(lines) + '\n')


def write_scut(folder: Path, names: Sequence[str]) -> None:
    """Write SCUT-FBP5500."""
    for number, name in enumerate(names, 1):
        write_image(folder / 'Images' / name, 10 * number)


def write_expw(folder: Path, lines: Sequence[str]) -> None:
    """Write ExpW: lines of its table, whose images are all 40 pixels wide and dark at the left."""
    (folder / 'label').mkdir(parents=True)
    (folder / 'label' / 'label.lst').write_text('\n'.join(lines) + '\n')
    for name in {line.split()[0] for line in lines}:
        image = np.full((40, 40), 200, np.uint8)
        image[:, :20] = 50
        path = folder / 'image' / 'origin' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        done, content = cv2.imencode('.png', image)
        assert done
        path.write_bytes(content.tobytes())

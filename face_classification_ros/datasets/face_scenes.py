"""Read scenes for a face detector: images with boxes, landmarks, and regions to ignore."""

from __future__ import annotations

from dataclasses import dataclass, replace
import json
import math
from pathlib import Path
from typing import Any, Literal

from face_classification_ros.datasets.splits import ALL
from face_classification_ros.types import BoundingBox, Point2D

Use = Literal['face', 'ignore', 'not_a_face']
USES: tuple[Use, ...] = ('face', 'ignore', 'not_a_face')

FOLDERS = {'train': 'train', 'val': 'validation'}
"""Split -> its folder."""

LABELS = 'boxes.json'
"""Table in each of these folders."""


@dataclass(frozen=True, slots=True)
class SceneRegion:
    """A labeled region of a scene.

    Attributes:
        box: in pixels of the image.
        use: `face` for a certain face, `ignore` where a face is uncertain or tiny, `not_a_face`
            where a person has seen that there is none.
        landmarks: empty, or five points in pixels in the order of `Detection.landmarks`.
    """

    box: BoundingBox
    use: Use
    landmarks: tuple[Point2D, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """An image and its labeled regions."""

    path: Path
    regions: tuple[SceneRegion, ...]

    def boxes(self, use: Use) -> list[BoundingBox]:
        """Return the boxes of all regions of one use."""
        return [region.box for region in self.regions if region.use == use]

    def without_small_faces(self, min_size: float) -> Scene:
        """Return the scene with faces below a size in pixels as regions to ignore."""
        regions = tuple(
            replace(region, use='ignore')
            if region.use == 'face' and math.sqrt(region.box.area) < min_size
            else region
            for region in self.regions
        )
        return replace(self, regions=regions)


def is_face_scenes(folder: Path) -> bool:
    """Return whether a folder has scenes in the layout of `read_face_scenes`."""
    return any((folder / name / LABELS).is_file() for name in FOLDERS.values())


def read_face_scenes(folder: Path, split: str) -> list[Scene]:
    """Read the labels of one split, or of all.

    The images are in `train/` and `validation/`, next to a file `boxes.json`::

        {"images": {"kitchen_00001.jpg": {"faces": [
            {"box": [x, y, width, height], "landmarks": [[x, y], ...], "use": "face"}]}}}

    Other keys are ignored.

    Args:
        folder: of the data set.
        split: 'train', 'val' or 'all'.

    Returns:
        The scenes, in the order of the file.

    Raises:
        FileNotFoundError: the folder has no such split, or a labeled image is missing.
        ValueError: the split is unknown, or the labels cannot be read.
    """
    if split == ALL:
        found = [each for each in FOLDERS if (folder / FOLDERS[each] / LABELS).is_file()]
        return [scene for each in found for scene in read_face_scenes(folder, each)]
    if split not in FOLDERS:
        known = ', '.join((*FOLDERS, ALL))
        raise ValueError(f'unknown split {split!r}, expected one of {known}')
    path = folder / FOLDERS[split] / LABELS
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file, expected labeled scenes')
    try:
        images = json.loads(path.read_text(encoding='utf-8'))['images']
        scenes = [
            Scene(path.parent / name, tuple(map(_region, entry['faces'])))
            for name, entry in images.items()
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        reason = ' '.join(repr(error).split())[:200]
        raise ValueError(f'{path}: expected labeled scenes ({reason})') from error
    for scene in scenes:
        if not scene.path.resolve().is_relative_to(path.parent.resolve()):
            raise ValueError(f'{path}: {scene.path.name!r} is not in its folder')
        if not scene.path.is_file():
            raise FileNotFoundError(f'{scene.path}: no such file, but {path} has labels for it')
    return scenes


def _region(entry: Any) -> SceneRegion:
    if entry['use'] not in USES:
        raise ValueError(f'use {entry["use"]!r} is not one of {", ".join(USES)}')
    points = tuple((float(x), float(y)) for x, y in entry.get('landmarks', ()))
    if len(points) not in (0, 5):
        raise ValueError(f'{len(points)} landmarks, expected five or none')
    x, y, width, height = map(float, entry['box'])
    if not all(map(math.isfinite, (x, y, width, height, *(c for point in points for c in point)))):
        raise ValueError(f'{entry}: expected finite numbers')
    if min(width, height) <= 0:
        raise ValueError(f'{entry["box"]}: width and height must be positive')
    return SceneRegion(BoundingBox(x, y, width, height), entry['use'], points)

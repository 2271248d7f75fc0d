"""Evaluate a detector on labeled scenes: recall and false detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from face_classification_ros.detection import Detector
from face_classification_ros.io.images import read_image
from face_classification_ros.io.videos import read_video
from face_classification_ros.progress import progress
from face_classification_ros.types import BoundingBox, Detection, Image

MIN_OVERLAP = 0.4
"""Minimum intersection over union of a detection and the labeled face."""

MIN_VISIBLE = 0.5
"""Visible fraction below which a face in a video is optional."""

_Labels = TypeVar('_Labels')


@dataclass(frozen=True, slots=True)
class Label:
    """An annotated face; an optional one counts neither as found nor as missed."""

    box: BoundingBox
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SceneReport:
    """Results of a detector on one image or video.

    Attributes:
        name: file name of the image or video.
        faces: labeled faces that are not optional.
        found: how many of them were detected.
        false_detections: detections without a labeled face.
        unverified: such detections where the labels are not complete.
    """

    name: str
    faces: int
    found: int
    false_detections: int
    unverified: int


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """Results of a detector on all scenes; the properties are sums over them."""

    scenes: tuple[SceneReport, ...]

    @property
    def faces(self) -> int:
        """Labeled faces that are not optional."""
        return sum(scene.faces for scene in self.scenes)

    @property
    def found(self) -> int:
        """How many of them were detected."""
        return sum(scene.found for scene in self.scenes)

    @property
    def recall(self) -> float:
        """The fraction of them that was detected, 0 to 1; nan without faces."""
        return self.found / self.faces if self.faces else float('nan')

    @property
    def false_detections(self) -> int:
        """Detections without a labeled face."""
        return sum(scene.false_detections for scene in self.scenes)

    @property
    def unverified(self) -> int:
        """Detections without a labeled face where the labels are not complete."""
        return sum(scene.unverified for scene in self.scenes)


def evaluate_detector(detector: Detector, scenes_dir: str | Path) -> DetectionReport:
    """Run a detector on a folder of labeled images and videos.

    The folder contains `boxes.json` for the images in its folder `img`::

        {"images": {"two_people.jpg": {
            "faces": [{"box": [x, y, width, height], "difficult": false}],
            "complete": true}}}

    and, next to each labeled video `NAME.mp4`, a file `NAME.json` with one entry per frame::

        {"frames": [{"frame": 0, "faces": [[x, y, width, height, visible_fraction]]}]}

    Boxes are in pixels. Either kind may be absent; other keys and videos without labels are
    ignored. A face is optional if it is `difficult` (default false) or if less than half of it is
    inside the frame of a video: it counts neither as found nor as missed. If `complete` is false
    (default true), small faces in the background may be unlabeled, and detections without a label
    count as unverified instead of false.

    Args:
        detector: to evaluate.
        scenes_dir: the folder.

    Returns:
        The counts, one `SceneReport` per image and per video.

    Raises:
        FileNotFoundError: the folder has no labels, or a labeled file is missing.
        ValueError: labels or an image cannot be read.
    """
    folder = Path(scenes_dir)
    scenes = [*_evaluate_images(detector, folder), *_evaluate_videos(detector, folder)]
    if not scenes:
        raise FileNotFoundError(
            f'{folder}: expected boxes.json with a folder img, or videos NAME.mp4 with NAME.json'
        )
    return DetectionReport(tuple(scenes))


def match(
    detections: Sequence[Detection], labels: Sequence[Label], image_width: int, image_height: int
) -> tuple[int, int]:
    """Match detections with labeled faces, one to one.

    In descending order of confidence, each detection is matched with the remaining face of the
    largest overlap. Only the part of a box inside the image counts.

    Args:
        detections: in pixels of the image.
        labels: in pixels of the image.
        image_width: in pixels.
        image_height: in pixels.

    Returns:
        The number of detected faces that are not optional, and of unmatched detections.
    """
    remaining = [
        (label.box.clipped(image_width, image_height), label.optional) for label in labels
    ]
    found = unmatched = 0
    for detection in sorted(detections, key=lambda d: d.confidence, reverse=True):
        box = detection.box.clipped(image_width, image_height)
        overlaps = [box.iou(other) for other, _ in remaining]
        if max(overlaps, default=0.0) < MIN_OVERLAP:
            unmatched += 1
            continue
        _, optional = remaining.pop(int(np.argmax(overlaps)))
        found += not optional
    return found, unmatched


def _evaluate_images(detector: Detector, folder: Path) -> Iterator[SceneReport]:
    path = folder / 'boxes.json'
    if not path.is_file():
        return
    for name, (labels, complete) in progress(_read(path, _labels_of_images).items(), 'image'):
        image = folder / 'img' / name
        if not image.resolve().is_relative_to((folder / 'img').resolve()):
            raise ValueError(f'{path}: {name!r} is not in the folder img')
        if not image.is_file():
            raise FileNotFoundError(f'{image}: no such file, but {path} has labels for it')
        found, unmatched = _detect_and_match(detector, read_image(image), labels)
        false_detections, unverified = (unmatched, 0) if complete else (0, unmatched)
        yield SceneReport(name, _required(labels), found, false_detections, unverified)


def _evaluate_videos(detector: Detector, folder: Path) -> Iterator[SceneReport]:
    for video in sorted(folder.glob('*.mp4')):
        path = video.with_suffix('.json')
        if not path.is_file():
            continue
        faces = found = unmatched = 0
        for image, labels in progress(_labeled_frames(video, path), 'frame', task=video.name):
            frame_found, frame_unmatched = _detect_and_match(detector, image, labels)
            faces += _required(labels)
            found += frame_found
            unmatched += frame_unmatched
        yield SceneReport(video.name, faces, found, unmatched, 0)


def _labeled_frames(video: Path, path: Path) -> Iterator[tuple[Image, list[Label]]]:
    with read_video(video) as frames:
        for number, labels in enumerate(_read(path, _labels_of_frames)):
            frame = next(frames.frames, None)
            if frame is None:
                raise ValueError(f'{video}: no frame {number}, but {path} has labels for it')
            yield frame.image, labels


def _detect_and_match(detector: Detector, image: Any, labels: Sequence[Label]) -> tuple[int, int]:
    height, width = image.shape[:2]
    return match(detector.detect(image), labels, width, height)


def _required(labels: Sequence[Label]) -> int:
    return sum(not label.optional for label in labels)


def _labels_of_images(content: Any) -> dict[str, tuple[list[Label], bool]]:
    return {
        name: (
            [
                Label(_box(face['box']), bool(face.get('difficult', False)))
                for face in entry['faces']
            ],
            bool(entry.get('complete', True)),
        )
        for name, entry in content['images'].items()
    }


def _labels_of_frames(content: Any) -> list[list[Label]]:
    return [
        [Label(_box(box), float(visible) < MIN_VISIBLE) for *box, visible in entry['faces']]
        for entry in content['frames']
    ]


def _box(values: Any) -> BoundingBox:
    box = BoundingBox(*map(float, values))
    # JSON has no infinity, but Python's parser accepts it, and float() accepts "nan".
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise ValueError(f'{values}: expected four finite numbers')
    return box


def _read(path: Path, parse: Callable[[Any], _Labels]) -> _Labels:
    try:
        return parse(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        reason = ' '.join(repr(error).split())[:200]
        raise ValueError(f'{path}: expected labeled boxes ({reason})') from error
    except RecursionError as error:
        raise ValueError(f'{path}: expected labeled boxes, found deeply nested lists') from error

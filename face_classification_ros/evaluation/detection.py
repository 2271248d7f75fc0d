"""Compare a detector with labeled scenes: how many faces it finds, how often it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from face_classification_ros.detection import Detector
from face_classification_ros.io.files import read_image, read_video
from face_classification_ros.types import BoundingBox, Detection, Image

MIN_OVERLAP = 0.4
"""From this intersection over union on, a detection is of the labeled face."""

MIN_VISIBLE = 0.5
"""A face in a video of which less is inside the picture does not have to be found."""

_Labels = TypeVar('_Labels')


@dataclass(frozen=True, slots=True)
class Label:
    """A face that a person has marked; an optional one is neither missed nor found."""

    box: BoundingBox
    optional: bool = False


@dataclass(frozen=True, slots=True)
class SceneReport:
    """What a detector did in one picture or video.

    Attributes:
        name: file name of the picture or video.
        faces: labeled faces that had to be found.
        found: how many of them were.
        false_detections: detections where no face is labeled.
        unjudged: the same where not all faces are labeled, so that nobody knows.
    """

    name: str
    faces: int
    found: int
    false_detections: int
    unjudged: int


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """What a detector did in all scenes; the attributes are the sums over them."""

    scenes: tuple[SceneReport, ...]

    @property
    def faces(self) -> int:
        """Labelled faces that had to be found."""
        return sum(scene.faces for scene in self.scenes)

    @property
    def found(self) -> int:
        """How many of them were found."""
        return sum(scene.found for scene in self.scenes)

    @property
    def recall(self) -> float:
        """The share of them that was found, 0 to 1; nan without faces."""
        return self.found / self.faces if self.faces else float('nan')

    @property
    def false_detections(self) -> int:
        """Detections where no face is labeled."""
        return sum(scene.false_detections for scene in self.scenes)

    @property
    def unjudged(self) -> int:
        """Detections without a label where not all faces are labeled."""
        return sum(scene.unjudged for scene in self.scenes)


def evaluate_detector(detector: Detector, scenes_dir: str | Path) -> DetectionReport:
    """Run a detector over a folder of labeled pictures and videos.

    The folder holds `boxes.json` for the pictures in its folder `img`::

        {"images": {"two_people.jpg": {
            "faces": [{"box": [x, y, width, height], "difficult": false}],
            "complete": true}}}

    and beside each labeled video `NAME.mp4` a file `NAME.json`, with one entry per frame::

        {"frames": [{"frame": 0, "faces": [[x, y, width, height, visible_fraction]]}]}

    Boxes are in pixels. Either kind may be absent, other keys are ignored, and so are videos
    without labels. A face that is `difficult` (false where it is not given), or of which less
    than half is inside the video's picture, is optional: finding it is not counted, nor is
    missing it. Where `complete` is false (true where it is not given), small faces of the
    background may have no label, and detections without a label are not counted as false but
    as unjudged.

    Args:
        detector: what is evaluated.
        scenes_dir: the folder.

    Returns:
        The counts, one `SceneReport` per picture and per video.

    Raises:
        FileNotFoundError: the folder has no labels, or a labeled file is missing.
        ValueError: labels or a picture cannot be read.
    """
    folder = Path(scenes_dir)
    scenes = [*_evaluate_pictures(detector, folder), *_evaluate_videos(detector, folder)]
    if not scenes:
        raise FileNotFoundError(
            f'{folder}: expected boxes.json with a folder img, or videos NAME.mp4 with NAME.json'
        )
    return DetectionReport(tuple(scenes))


def match(
    detections: Sequence[Detection], labels: Sequence[Label], image_width: int, image_height: int
) -> tuple[int, int]:
    """Pair detections with labeled faces, one to one.

    The most confident detection chooses first, and takes the face it overlaps most of those
    that are left. Of boxes that reach over the edge, only the part inside the picture counts.

    Args:
        detections: what was found, in pixels of the picture.
        labels: what is there, likewise.
        image_width: of the picture, in pixels.
        image_height: likewise.

    Returns:
        How many faces that are not optional were found, and how many detections are left over.
    """
    left = [(label.box.clipped(image_width, image_height), label.optional) for label in labels]
    found = unmatched = 0
    for detection in sorted(detections, key=lambda d: d.confidence, reverse=True):
        box = detection.box.clipped(image_width, image_height)
        overlaps = [box.iou(other) for other, _ in left]
        if max(overlaps, default=0.0) < MIN_OVERLAP:
            unmatched += 1
            continue
        _, optional = left.pop(int(np.argmax(overlaps)))
        found += not optional
    return found, unmatched


def _evaluate_pictures(detector: Detector, folder: Path) -> Iterator[SceneReport]:
    path = folder / 'boxes.json'
    if not path.is_file():
        return
    for name, (labels, complete) in _read(path, _labels_of_pictures).items():
        picture = folder / 'img' / name
        if not picture.resolve().is_relative_to((folder / 'img').resolve()):
            raise ValueError(f'{path}: {name!r} is not in the folder img')
        if not picture.is_file():
            raise FileNotFoundError(f'{picture}: no such file, but {path} has labels for it')
        found, unmatched = _detect_and_match(detector, read_image(picture), labels)
        false_detections, unjudged = (unmatched, 0) if complete else (0, unmatched)
        yield SceneReport(name, _required(labels), found, false_detections, unjudged)


def _evaluate_videos(detector: Detector, folder: Path) -> Iterator[SceneReport]:
    for video in sorted(folder.glob('*.mp4')):
        path = video.with_suffix('.json')
        if not path.is_file():
            continue
        faces = found = unmatched = 0
        for image, labels in _labeled_frames(video, path):
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


def _labels_of_pictures(content: Any) -> dict[str, tuple[list[Label], bool]]:
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
    # JSON has no infinity, but Python's reader lets it pass, and "nan" is a float.
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise ValueError(f'{values} are not four finite numbers')
    return box


def _read(path: Path, parse: Callable[[Any], _Labels]) -> _Labels:
    try:
        return parse(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        reason = ' '.join(repr(error).split())[:200]
        raise ValueError(f'{path}: expected labeled boxes ({reason})') from error
    except RecursionError as error:
        raise ValueError(f'{path}: expected labeled boxes, not lists within lists') from error

"""Count id switches and label flips on videos, compared with a vote as in the paper and no filter.

    python benchmarks/tracks.py [--model MODEL] video.mp4 ...

The faces of each frame can be given in a JSON file next to the video, with the same name:
`{"frames": [{"faces": [[x, y, w, h], ...]}, ...]}`. Boxes that overlap from frame to frame are one
person. The first rows are for people who cross, drawn with the astronaut of scikit-image.

A table before that compares tracking by boxes alone with tracking by boxes and appearance, for
three people who swing through the image at random and occlude each other. It uses their known
boxes, with noise and 3 % of them missing.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
import itertools
import json
from pathlib import Path
import sys

import cv2
import numpy as np
import skimage

from face_classification_ros.commands.common import exit_code
from face_classification_ros.config import PipelineConfig
from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.io.videos import read_video
from face_classification_ros.pipeline import create_pipeline
from face_classification_ros.progress import progress
from face_classification_ros.tracking.appearance import compute_appearance
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import BoundingBox, Detection, Face, Image, UNKNOWN

VOTES = 10
"""Number of labels in the vote of the paper's demo, shared by all faces in view."""

LARGE = 40
"""Shorter side of a face in pixels from which its emotion is counted as known or not."""

RATES = 30, 10, 5
SAME = 0.3
"""Minimum intersection over union of two boxes of one person."""

People = Sequence[tuple[str, BoundingBox]]
"""Names and boxes of the people in a frame."""

Frame = tuple[float, Image, People | None]
"""Stamp in seconds, image, and its people if they are known."""

SEEDS = range(100, 140)
"""Random scenes that are reported; the constants of the tracker were chosen with seeds 0 to 39."""

CLOTHES = (
    ((0, 1, 2), 1.0, 1.0),
    ((2, 1, 0), 1.0, 1.0),
    ((0, 1, 2), 0.35, 0.3),
    ((0, 1, 2), 1.6, 0.1),
    ((0, 2, 1), 0.8, 1.0),
    ((2, 0, 1), 0.9, 0.8),
)
"""Order of the channels, gain and saturation of clothes: orange, blue, dark, white, ..."""

ASTRONAUT = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
FACE = BoundingBox(180, 63, 89, 111)
"""Her face."""


@dataclass
class Figure:
    """A cut-out person: pixels, mask of the same size, and the box of the face."""

    image: Image
    mask: Image
    face: BoundingBox


def figure(appearance: tuple[float, ...], scale: float) -> Figure:
    """Cut out the astronaut.

    Args:
        appearance: number of the clothes, gain of the hair, gain of the skin, whether to flip her.
        scale: size of the face relative to that in the photo.
    """
    mask = np.zeros(ASTRONAUT.shape[:2], np.uint8)
    cv2.ellipse(mask, (227, 92), (72, 76), 0, 0, 360, 255, -1)
    body = [(120, 190), (185, 150), (270, 150), (300, 190), (335, 255)]
    body += [(350, 330), (350, 511), (90, 511), (80, 300), (90, 240)]
    cv2.fillPoly(mask, [np.array(body)], 255)
    skin = np.zeros_like(mask)
    cv2.ellipse(skin, (225, 125), (45, 60), 0, 0, 360, 255, -1)
    clothes, hair_gain, skin_gain, is_flipped = appearance
    order, gain, saturation = CLOTHES[int(clothes)]
    image = ASTRONAUT.astype(np.float32)
    dressed = image[180:][..., list(order)]
    gray = dressed.mean(2, keepdims=True)
    image[180:] = gain * (gray + saturation * (dressed - gray))
    image[:180] *= np.where(skin[:180, :, None] > 0, skin_gain, hair_gain)
    person, face = np.clip(image, 0, 255).astype(np.uint8), FACE
    if is_flipped:
        person, mask = cv2.flip(person, 1), cv2.flip(mask, 1)
        face = BoundingBox(
            ASTRONAUT.shape[1] - FACE.x - FACE.width, FACE.y, FACE.width, FACE.height
        )
    size = {'fx': scale, 'fy': scale, 'interpolation': cv2.INTER_AREA}
    return Figure(
        cv2.resize(person, None, **size), cv2.resize(mask, None, **size), face.scaled(scale)
    )


def cast(rng: np.random.Generator, kind: str) -> list[tuple[float, ...]]:
    """Return the appearance of three people: 'different', a 'pair' and another, or 'alike'."""
    appearances = [
        (float(clothes), *rng.uniform((0.3, 0.6), (1.3, 1.1)), float(rng.integers(2)))
        for clothes in rng.permutation(len(CLOTHES))[:3]
    ]
    return {
        'different': appearances,
        'pair': [appearances[0], appearances[0], appearances[2]],
        'alike': appearances[:1] * 3,
    }[kind]


def hiding(seed: int, rate: int, kind: str, *, is_gray: bool) -> Iterator[Frame]:
    """Let three people swing through the image for 12 seconds under changing light.

    A face is not found while a nearer one occludes 40 % of it, and in 3 % of the other cases.
    """
    rng = np.random.default_rng(seed)
    sides = np.sort(rng.uniform(50, 110, 3))
    heights = rng.uniform(180, 230, 3)
    phases, periods = rng.uniform(0, 2 * np.pi, 3), rng.uniform(4, 8, 3)
    reaches = rng.uniform(120, 230, 3)
    appearances = cast(np.random.default_rng(seed), kind)
    figures = [figure(each, side / 100) for each, side in zip(appearances, sides, strict=True)]
    wall = rng.integers(20, 235, (8, 10, 3)).astype(np.uint8)
    wall = cv2.resize(wall, (640, 480), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 25, (4, 120, 160, 3)).astype(np.uint8)
    for number in range(12 * rate):
        stamp = number / rate
        places = 320 + reaches * np.sin(2 * np.pi * stamp / periods + phases)
        frame = wall.copy()
        seen: list[tuple[str, BoundingBox]] = []
        for name, (person, x, y) in enumerate(zip(figures, places, heights, strict=True)):
            left = round(x - person.face.center[0])
            top = round(y - person.face.center[1])
            paste(frame, person, left, top)
            box = person.face.translated(left, top)
            seen = [(who, other) for who, other in seen if _occluded(other, box) <= 0.4]
            seen.append((str(name), box))
        light = 0.9 * (1 + 0.15 * np.sin(2 * np.pi * stamp / 5 + phases[0]))
        noise = cv2.resize(grain[number % 4], (640, 480), interpolation=cv2.INTER_NEAREST)
        frame = cv2.add(cv2.convertScaleAbs(frame, alpha=light), noise)
        if is_gray:
            frame = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        yield stamp, frame, [each for each in seen if rng.random() >= 0.03]


def paste(frame: Image, person: Figure, left: int, top: int) -> None:
    """Draw a person into a frame, clipped at its edge."""
    height, width = person.mask.shape
    x, y = max(left, 0), max(top, 0)
    right, bottom = min(left + width, frame.shape[1]), min(top + height, frame.shape[0])
    part = slice(y - top, bottom - top), slice(x - left, right - left)
    cv2.copyTo(person.image[part], person.mask[part], frame[y:bottom, x:right])


def _occluded(box: BoundingBox, other: BoundingBox) -> float:
    """Return the fraction of a box that another one occludes."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    return max(width, 0) * max(height, 0) / box.area


class Ids:
    """Counts the errors in the ids of known people."""

    def __init__(self) -> None:
        """Start without people."""
        self.switches = self.leaks = 0
        self._track_of: dict[str, str] = {}
        self._person_of: dict[str, str] = {}

    @property
    def is_known(self) -> bool:
        """Whether a person was added."""
        return bool(self._track_of)

    def add(self, person: str, track: str) -> None:
        """Record the id of a person in the next image."""
        self.switches += self._track_of.setdefault(person, track) != track
        self.leaks += self._person_of.setdefault(track, person) != person
        self._track_of[person], self._person_of[track] = track, person


def compare(rate: int, kind: str) -> str:
    """Return a row of switches and leaks for people of a `kind` of `cast`, or 'gray' images."""
    ways = {'boxes': Counter[str](), 'appearance': Counter[str]()}
    for seed in progress(SEEDS, 'scene', task=f'{kind}, {rate} Hz'):
        rng = np.random.default_rng(seed + 1000)
        trackers = {way: Tracker(1.0) for way in ways}
        ids = {way: Ids() for way in ways}
        scene = hiding(seed, rate, 'different' if kind == 'gray' else kind, is_gray=kind == 'gray')
        for stamp, image, people in scene:
            assert people is not None
            boxes = [
                BoundingBox(
                    *np.array([b.x, b.y, b.width, b.height]) + rng.normal(0, 0.03 * b.width, 4)
                )
                for _, b in people
            ]
            detections = [Detection(box, 0.9) for box in boxes]
            appearances = {'boxes': None, 'appearance': partial(compute_appearance, image, boxes)}
            for way, tracker in trackers.items():
                tracks = tracker.update(detections, stamp, appearances[way]).tracks
                for (person, _), track in zip(people, tracks, strict=True):
                    ids[way].add(person, track.id)
        for way, counts in ways.items():
            counts.update(switches=ids[way].switches, leaks=ids[way].leaks)
    minutes = len(SEEDS) * 12 / 60
    figures = ' | '.join(
        f'{counts["switches"] / minutes:.1f}, {counts["leaks"] / minutes:.1f}'
        for counts in ways.values()
    )
    return f'| {kind}, {rate} Hz | {figures} |'


def crossing(rate: int) -> Iterator[Frame]:
    """Let three people pass each other for 12 seconds: two cross twice, one turns back."""
    portrait = ASTRONAUT[0:260, 120:340]
    portraits = {
        'near': portrait,
        'far': cv2.resize(cv2.flip(portrait[..., ::-1], 1), None, fx=0.8, fy=0.8),
        'dark': cv2.convertScaleAbs(cv2.resize(portrait, None, fx=0.6, fy=0.6), alpha=0.5),
    }
    heads = {name: 0.59 * each.shape[1] for name, each in portraits.items()}
    for number in range(12 * rate):
        stamp = number / rate
        phase = 2 * np.pi * stamp / 6
        places = {
            'dark': (330 - 90 * np.cos(phase), 60),
            'far': (210 + 170 * np.cos(phase), 90),
            'near': (210 - 200 * np.cos(phase), 140),
        }
        frame = np.full((480, 640, 3), 90, np.uint8)
        seen: list[tuple[str, BoundingBox]] = []
        for name, (x, y) in places.items():
            person = portraits[name]
            height, width = person.shape[:2]
            left, top = int(x), int(y)
            frame[top : top + height, left : left + width] = person
            box = BoundingBox(left + 0.2 * width, top + 0.2 * height, heads[name], 0.5 * height)
            # A person who is mostly behind another one is not visible.
            seen = [(who, other) for who, other in seen if box.iou(other) < SAME]
            seen.append((name, box))
        yield stamp, frame, seen


def video(path: Path) -> Iterator[Frame]:
    """Return the frames of a video, with the people of the JSON file next to it."""
    y_true = path.with_suffix('.json')
    known = json.loads(y_true.read_text())['frames'] if y_true.is_file() else None
    before: list[tuple[str, BoundingBox]] = []
    count = 0
    with read_video(path) as frames:
        for number, stamp, image in frames.frames:
            if known is None:
                yield stamp, image, None
                continue
            people: list[tuple[str, BoundingBox]] = []
            for face in known[number]['faces']:
                box = BoundingBox(*face[:4])
                likely = max(before, key=lambda each: box.iou(each[1]), default=None)
                if likely is None or box.iou(likely[1]) < SAME:
                    count += 1
                    likely = (str(count), box)
                people.append((likely[0], box))
            before = people
            yield stamp, image, people


def measure(name: str, frames: Iterable[Frame], models: Sequence[str]) -> str:
    """Track the faces of a video and return a row of figures; one model estimates emotion."""
    pipeline = create_pipeline(PipelineConfig(models=tuple(models)))
    vote: deque[str] = deque(maxlen=VOTES)
    predicted: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    ids = Ids()
    stamps = []
    shown: list[bool] = []
    for stamp, image, people in progress(frames, 'frame', task=name):
        stamps.append(stamp)
        for face in pipeline.process(image, stamp):
            emotion = face.attributes['emotion']
            single = emotion.labels[int(emotion.frame_probabilities.argmax())]
            vote.append(single)
            if min(face.detection.box.width, face.detection.box.height) >= LARGE:
                shown.append(emotion.label != UNKNOWN)
            predicted['ours'][face.track_id].append(emotion.label)
            predicted['single'][face.track_id].append(single)
            predicted['vote'][face.track_id].append(Counter(vote).most_common(1)[0][0])
            if person := _person(face, people or ()):
                ids.add(person, face.track_id)
    minutes = (stamps[-1] - stamps[0]) / 60
    flips = {
        way: sum(
            one != other for each in tracks.values() for one, other in itertools.pairwise(each)
        )
        for way, tracks in predicted.items()
    }
    known = 'not known | not known'
    if ids.is_known:
        known = f'{ids.switches / minutes:.1f} | {ids.leaks / minutes:.1f}'
    figures = ' | '.join(f'{flips[way] / minutes:.0f}' for way in ('ours', 'vote', 'single'))
    share = f'{np.mean(shown):.1%}' if shown else '-'
    return f'| {name} | {len(predicted["ours"])} | {known} | {figures} | {share} |'


def _person(face: Face, people: People) -> str:
    """Return the name of the person with this face, "" if unknown."""
    best = max(people, key=lambda each: each[1].iou(face.detection.box), default=None)
    return best[0] if best and best[1].iou(face.detection.box) >= SAME else ''


def main() -> int:
    """Print two tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('videos', type=Path, nargs='*', help='films, see the head of this file')
    parser.add_argument(
        '--model',
        default=PipelineConfig().models[0],
        help='a shipped model or a model file that estimates emotion (default: %(default)s)',
    )
    arguments = parser.parse_args()
    # Before the tables, which take minutes.
    for path in [model_path(arguments.model), *arguments.videos]:
        Path(path).stat()
    print('| people, rate | boxes: switches, ids given to another | with appearance |')
    print('| --- | --- | --- |')
    for kind in ('different', 'gray', 'pair', 'alike'):
        for rate in RATES:
            print(compare(rate, kind), flush=True)
    print()
    print(
        '| video | tracks | id switches | ids given to another | flips | vote of 10 | single '
        f'| emotion known from {LARGE} px |'
    )
    print('| --- | --- | --- | --- | --- | --- | --- | --- |')
    for rate in RATES:
        print(measure(f'crossing, {rate} Hz', crossing(rate), [arguments.model]))
    for path in arguments.videos:
        print(measure(path.name, video(path), [arguments.model]))
    return 0


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

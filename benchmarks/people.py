"""Compare the number of counted people with that of known ones, on drawn scenes and videos.

    python benchmarks/people.py VIDEO...

Columns are ways to count: every track, tracks that are long enough, and tracks that are long
enough where people who come back are recognized, as the node does by default. A second table has
other minima of images and seconds, a third one the processor time of tracking and counting.

The scenes are drawn with the astronaut of scikit-image. Three people at a time come in at the
edges, stay for some seconds, turn away, leave, and come back or are replaced by somebody else.
Every few seconds something that is no face is found for a moment, often at the same place. Boxes
are known, with noise and 3 % of them missing. In videos the detector finds the faces; the number
of people comes from the JSON file next to a video, see `benchmarks/tracks.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
import itertools
from pathlib import Path
import sys
import time

import cv2
import numpy as np
from tracks import CLOTHES, Figure, figure, paste, video

from face_classification_ros.commands.common import exit_code
from face_classification_ros.config import PipelineConfig
from face_classification_ros.detection import create_detector
from face_classification_ros.progress import progress
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.tracking.appearance import compute_appearance
from face_classification_ros.tracking.people import PeopleCounter
from face_classification_ros.tracking.tracker import Track, Tracker
from face_classification_ros.types import BoundingBox, Detection, Face, Image

SEEDS = range(100, 120)
"""Scenes that are reported; the constants of the counter were chosen with seeds 0 to 4."""

DURATION = 60.0
"""Length of a scene in seconds."""

RATES = 10, 5
KINDS = 'returning', 'replaced', 'replaced, alike', 'gray, replaced'

MINIMA = (1, 0.0), (3, 0.0), (3, 0.3), (3, 0.5), (5, 0.5), (3, 1.0)
"""Images and seconds from which a track counts."""

IMAGES = 1800
"""Images of the measurement of processor time."""

SPEED = 200.0
"""Pixels per second of people who come and leave."""

Scene = Iterable[tuple[float, Image, Sequence[Detection]]]
"""Stamp in seconds, image, and the faces that are found."""

Seat = tuple[
    float,
    float,
    Sequence[tuple[float, float, int]],
    Mapping[int, Figure],
    Sequence[tuple[float, float]],
]
"""Place of a face, its visits, who makes them, and the times in which they look away."""


def visits(rng: np.random.Generator, kind: str) -> list[tuple[float, float, int]]:
    """Return start and end in seconds and the person of all visits to one seat."""
    result = []
    person, start = 0, rng.uniform(0, 4)
    while start < DURATION - 4:
        end = start + rng.uniform(4, 10)
        result.append((start, end, person))
        start = end + rng.uniform(2, 15)
        person += kind != 'returning'
    return result


def absences(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return start and end of the times in which a person looks away."""
    starts = np.cumsum(rng.exponential(8.0, 20))
    return [(start, start + rng.uniform(0.3, 4)) for start in starts]


def people_of(rng: np.random.Generator, kind: str, scale: float) -> Iterator[Figure]:
    """Yield one person after the other, in other clothes than the one before unless alike."""
    clothes = rng.permutation(len(CLOTHES))
    for number in itertools.count():
        features = rng.uniform((0.3, 0.6), (1.3, 1.1))
        appearance = (float(clothes[number % len(clothes)]), *features, float(rng.integers(2)))
        if kind.endswith('alike'):
            appearance = (0.0, 1.0, 1.0, 0.0)
        yield figure(appearance, scale)


def flashes(rng: np.random.Generator) -> list[tuple[float, float, BoundingBox]]:
    """Return start and end of false detections, half of them at two places."""
    places = [(*rng.uniform((0, 0), (580, 300)), rng.uniform(20, 60)) for _ in range(2)]
    result = []
    for start in np.cumsum(rng.exponential(3.0, 40)).tolist():
        place = (*rng.uniform((0, 0), (580, 420)), rng.uniform(20, 60))
        x, y, side = places[rng.integers(2)] if rng.random() < 0.5 else place
        result.append((start, start + rng.exponential(0.08), BoundingBox(x, y, side, side)))
    return result


def room(seed: int, rate: int, kind: str) -> tuple[int, Scene]:
    """Return the number of people of a scene of `DURATION`, and its frames."""
    rng = np.random.default_rng(seed)
    seats: list[Seat] = []
    for x in (110, 320, 530):
        scale = rng.uniform(0.5, 0.75)
        stays = visits(rng, kind)
        figures = dict(zip(range(len(stays)), people_of(rng, kind, scale), strict=False))
        seats.append((x, rng.uniform(150, 220), stays, figures, absences(rng)))
    number = sum(len({person for *_, person in stays}) for _, _, stays, _, _ in seats)
    return number, _frames(rng, rate, kind, seats, flashes(rng))


def _frames(
    rng: np.random.Generator,
    rate: int,
    kind: str,
    seats: Sequence[Seat],
    false_detections: Sequence[tuple[float, float, BoundingBox]],
) -> Scene:
    wall = rng.integers(20, 235, (8, 10, 3)).astype(np.uint8)
    wall = cv2.resize(wall, (640, 480), interpolation=cv2.INTER_CUBIC)
    grain = rng.integers(0, 25, (4, 120, 160, 3)).astype(np.uint8)
    for index in range(int(DURATION * rate)):
        stamp = index / rate
        frame = wall.copy()
        boxes = [box for start, end, box in false_detections if start <= stamp <= end + 1 / rate]
        for x, y, stays, figures, away in seats:
            for start, end, person in stays:
                if not start <= stamp <= end:
                    continue
                # Out of the image at both ends: the middle seat from below, others from the side.
                distance = max(300 - SPEED * min(stamp - start, end - stamp), 0)
                direction = (0.0, 1.0) if x == 320 else (1.0 if x > 320 else -1.0, 0.0)
                sway = 6 * np.sin(stamp + x)
                center = (x + sway + direction[0] * distance, y + direction[1] * distance)
                box = _place(frame, figures[person], center)
                visible = box.clipped(640, 480)
                is_away = any(one <= stamp <= other for one, other in away)
                if visible.area >= 0.6 * box.area and not is_away and rng.random() >= 0.03:
                    boxes.append(box)
        light = 0.9 * (1 + 0.15 * np.sin(2 * np.pi * stamp / 20))
        noise = cv2.resize(grain[index % 4], (640, 480), interpolation=cv2.INTER_NEAREST)
        frame = cv2.add(cv2.convertScaleAbs(frame, alpha=light), noise)
        if kind.startswith('gray'):
            frame = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        yield stamp, frame, [Detection(_noisy(rng, box), 0.9) for box in boxes]


def _place(frame: Image, person: Figure, center: tuple[float, float]) -> BoundingBox:
    left = round(center[0] - person.face.center[0])
    top = round(center[1] - person.face.center[1])
    paste(frame, person, left, top)
    return person.face.translated(left, top)


def _noisy(rng: np.random.Generator, box: BoundingBox) -> BoundingBox:
    sides = np.array([box.x, box.y, box.width, box.height])
    return BoundingBox(*(sides + rng.normal(0, 0.03 * box.width, 4)))


def people_of_video(path: Path) -> int | None:
    """Return the number of people in the JSON file next to a video, None without a file."""
    people = [people for *_, people in video(path)]
    if None in people:
        return None
    return len({name for each in people for name, _ in each or ()})


def faces_of_video(path: Path) -> Scene:
    """Find the faces of a video."""
    detector = create_detector(PipelineConfig())
    for stamp, image, _ in video(path):
        yield stamp, image, detector.detect(image)


def totals(scene: Scene, counters: Sequence[PeopleCounter]) -> list[int]:
    """Return the number of people by each counter."""
    tracker = Tracker(NodeConfig.track_timeout)
    for stamp, image, detections in scene:
        boxes = [detection.box for detection in detections]
        update = tracker.update(detections, stamp, partial(compute_appearance, image, boxes))
        faces = _faces(detections, update.tracks)
        for counter in counters:
            counter.add(faces, stamp)
    return [counter.count(DURATION, '', ()).total for counter in counters]


def _faces(detections: Sequence[Detection], tracks: Sequence[Track]) -> list[Face]:
    return [
        Face(detection, {}, track.id, track.first_seen, appearance=track.appearance)
        for detection, track in zip(detections, tracks, strict=True)
    ]


def counters() -> list[PeopleCounter]:
    """Return counters of every track, of long tracks, and as in the node; others by `MINIMA`."""
    minima = NodeConfig.count_min_frames, NodeConfig.count_min_duration
    return_time = NodeConfig.count_return_time
    return [
        PeopleCounter(),
        PeopleCounter(*minima),
        PeopleCounter(*minima, return_time),
        *(PeopleCounter(*each, return_time) for each in MINIMA),
    ]


def measure_rooms(job: tuple[str, int]) -> tuple[str, int, list[int]]:
    """Return the name, the number of people and the totals of all scenes of a kind and rate."""
    kind, rate = job
    scenes = [room(seed, rate, kind) for seed in SEEDS]
    results = [totals(scene, counters()) for _, scene in scenes]
    people = sum(number for number, _ in scenes)
    return f'{kind}, {rate} Hz', people, np.sum(results, 0).tolist()


def measure_video(path: Path) -> tuple[str, int | None, list[int]]:
    """Return the name, the number of people and the totals of a video."""
    return path.name, people_of_video(path), totals(faces_of_video(path), counters())


def processor_time(people: int, *, is_recognized: bool) -> float:
    """Return the processor time of tracking and counting in ms per image, at 30 Hz."""
    rng = np.random.default_rng(people)
    image = rng.integers(0, 255, (480, 640, 3)).astype(np.uint8)
    boxes = [BoundingBox(20 + 620 / people * i, 100, 60, 75) for i in range(people)]
    tracker = Tracker(NodeConfig.track_timeout)
    counter = PeopleCounter(return_time=NodeConfig.count_return_time if is_recognized else 0.0)
    start = time.process_time()
    for number in range(IMAGES):
        # Everybody looks away for 2 of 6 seconds, so that tracks start again.
        shown = boxes if number % 180 < 120 else []
        detections = [Detection(_noisy(rng, box), 0.9) for box in shown]
        describe = partial(compute_appearance, image, shown) if is_recognized else None
        update = tracker.update(detections, number / 30, describe)
        counter.add(_faces(detections, update.tracks), number / 30)
    return 1000 * (time.process_time() - start) / IMAGES


def main() -> int:
    """Print the tables."""
    jobs = [(kind, rate) for kind in KINDS for rate in RATES]
    rows = [measure_video(Path(name)) for name in progress(sys.argv[1:], 'video')]
    with ProcessPoolExecutor() as pool:
        made = pool.map(measure_rooms, jobs)
        rows += progress(made, 'kind of scene', total=len(jobs))
    print('| scene | people | tracks | long tracks | long tracks, returns recognized |')
    print('| --- | --- | --- | --- | --- |')
    for name, people, found in rows:
        print(f'| {name} | {"unknown" if people is None else people} | {_cells(found[:3])} |')
    print()
    minima = (f'{frames} images, {seconds} s' for frames, seconds in MINIMA)
    print(f'| scene | {" | ".join(minima)} |')
    print('| --- ' * (len(MINIMA) + 1) + '|')
    for name, _, found in rows:
        print(f'| {name} | {_cells(found[3:])} |')
    print()
    print('| people | boxes alone, ms per image | with appearance |')
    print('| --- | --- | --- |')
    for people in (1, 5):
        times = [processor_time(people, is_recognized=each) for each in (False, True)]
        print(f'| {people} | {times[0]:.3f} | {times[1]:.3f} |')
    return 0


def _cells(numbers: Sequence[int]) -> str:
    return ' | '.join(map(str, numbers))


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

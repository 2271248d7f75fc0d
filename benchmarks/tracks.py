"""Count switched ids and flips of labels on videos, against votes as in the paper and nothing.

    python benchmarks/tracks.py video.mp4 ...

Beside a video may lie a JSON file of the same name, `{"frames": [{"faces": [[x, y, w, h], ...]},
...]}`, with the faces of each frame, of which those that overlap from frame to frame are one
person. Crossing people made of scikit-image's astronaut come first.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
import itertools
import json
from pathlib import Path
import sys

import cv2
import numpy as np
import skimage

from face_classification_ros.classification.classifier import Classifier
from face_classification_ros.detection import create_detector
from face_classification_ros.face import Box, Face, Image
from face_classification_ros.files import read_video
from face_classification_ros.pipeline import FacePipeline, load_classifiers, THRESHOLDS
from face_classification_ros.share import model_path
from face_classification_ros.tracking.tracker import Tracker

VOTES = 10
"""Labels in the vote of the paper's demo, shared by all faces in view."""

RATES = 30, 10, 5
SAME = 0.3
"""Intersection over union from which two boxes are of one person."""

People = Sequence[tuple[str, Box]]
"""Who is where in a frame."""

Frame = tuple[float, Image, People | None]
"""Stamp in seconds, picture, and who is in it if that is known."""


def crossing(rate: int) -> Iterator[Frame]:
    """Let three people pass each other for 12 seconds: two cross twice, one turns back."""
    path = Path(skimage.__file__).parent / 'data' / 'astronaut.png'
    portrait = cv2.imread(str(path))[0:260, 120:340]
    looks = {
        'near': portrait,
        'far': cv2.resize(cv2.flip(portrait[..., ::-1], 1), None, fx=0.8, fy=0.8),
        'dark': cv2.convertScaleAbs(cv2.resize(portrait, None, fx=0.6, fy=0.6), alpha=0.5),
    }
    heads = {name: 0.59 * look.shape[1] for name, look in looks.items()}
    for number in range(12 * rate):
        stamp = number / rate
        phase = 2 * np.pi * stamp / 6
        places = {
            'dark': (330 - 90 * np.cos(phase), 60),
            'far': (210 + 170 * np.cos(phase), 90),
            'near': (210 - 200 * np.cos(phase), 140),
        }
        frame = np.full((480, 640, 3), 90, np.uint8)
        seen: list[tuple[str, Box]] = []
        for name, (x, y) in places.items():
            look = looks[name]
            height, width = look.shape[:2]
            left, top = int(x), int(y)
            frame[top : top + height, left : left + width] = look
            box = Box(left + 0.2 * width, top + 0.2 * height, heads[name], 0.5 * height)
            # Who is mostly behind somebody else is not seen.
            seen = [(who, other) for who, other in seen if box.iou(other) < SAME]
            seen.append((name, box))
        yield stamp, frame, seen


def video(path: Path) -> Iterator[Frame]:
    """Give the frames of a video, with the people of the JSON file beside it."""
    truth = path.with_suffix('.json')
    known = json.loads(truth.read_text())['frames'] if truth.is_file() else None
    before: list[tuple[str, Box]] = []
    count = 0
    with read_video(path) as frames:
        for number, stamp, image in frames.frames:
            if known is None:
                yield stamp, image, None
                continue
            people: list[tuple[str, Box]] = []
            for face in known[number]['faces']:
                box = Box(*face[:4])
                likely = max(before, key=lambda each: box.iou(each[1]), default=None)
                if likely is None or box.iou(likely[1]) < SAME:
                    count += 1
                    likely = (str(count), box)
                people.append((likely[0], box))
            before = people
            yield stamp, image, people


def measure(name: str, frames: Iterable[Frame], classifiers: Mapping[str, Classifier]) -> str:
    """Follow the faces of a video and give a row of figures."""
    pipeline = FacePipeline(
        create_detector('libfacedetection', interval=3), classifiers, Tracker(1.0), THRESHOLDS, 1.0
    )
    vote: deque[str] = deque(maxlen=VOTES)
    told: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    track_of: dict[str, str] = {}
    person_of: dict[str, str] = {}
    switches = leaks = 0
    stamps = []
    for stamp, image, people in frames:
        stamps.append(stamp)
        for face in pipeline.process(image, stamp):
            assert face.emotion is not None
            single = face.emotion.labels[int(face.emotion.frame_probabilities.argmax())]
            vote.append(single)
            told['ours'][face.track_id].append(face.emotion.label)
            told['single'][face.track_id].append(single)
            told['vote'][face.track_id].append(Counter(vote).most_common(1)[0][0])
            if person := _person(face, people or ()):
                switches += track_of.setdefault(person, face.track_id) != face.track_id
                leaks += person_of.setdefault(face.track_id, person) != person
                track_of[person], person_of[face.track_id] = face.track_id, person
    minutes = (stamps[-1] - stamps[0]) / 60
    flips = {
        way: sum(
            one != other for each in tracks.values() for one, other in itertools.pairwise(each)
        )
        for way, tracks in told.items()
    }
    known = f'{switches / minutes:.1f} | {leaks / minutes:.1f}' if track_of else 'not known | '
    figures = ' | '.join(f'{flips[way] / minutes:.0f}' for way in ('ours', 'vote', 'single'))
    return f'| {name} | {len(told["ours"])} | {known} | {figures} |'


def _person(face: Face, people: People) -> str:
    """Give who a face is, "" for nobody that is known."""
    best = max(people, key=lambda each: each[1].iou(face.detection.box), default=None)
    return best[0] if best and best[1].iou(face.detection.box) >= SAME else ''


def main() -> int:
    """Print a table."""
    classifiers = load_classifiers(
        {
            'gender': model_path('gender_mini_xception'),
            'emotion': model_path('emotion_mini_xception'),
        }
    )
    print('| video | tracks | id switches | ids given to another | flips | vote of 10 | single |')
    print('| --- | --- | --- | --- | --- | --- | --- |')
    for rate in RATES:
        print(measure(f'crossing, {rate} Hz', crossing(rate), classifiers))
    for path in map(Path, sys.argv[1:]):
        print(measure(path.name, video(path), classifiers))
    return 0


if __name__ == '__main__':
    sys.exit(main())

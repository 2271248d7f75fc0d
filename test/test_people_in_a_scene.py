"""People who enter, leave, come back and are found by mistake are counted once each."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from ros_peers import HEAD

from face_classification_ros.io.sample import crowd
from face_classification_ros.pipeline import create_pipeline
from face_classification_ros.ros.node.parameters.node_config import NodeConfig
from face_classification_ros.tracking.people import PeopleCounter
from face_classification_ros.types import Image

LEFT, MIDDLE, RIGHT = 20, 190, 360
"""Left edges of people in pixels."""

OTHER_COLORS: Image = np.ascontiguousarray(HEAD[..., ::-1])
LIGHT: Image = cv2.convertScaleAbs(HEAD, alpha=0.5, beta=120)
"""Other people than `HEAD`, as far as appearance goes."""

VISITS = (
    (LEFT, HEAD, 0.0, 2.0),
    (RIGHT, OTHER_COLORS, 1.0, 3.0),
    # Flashes, twice at the same place.
    (MIDDLE, LIGHT, 1.5, 1.6),
    (MIDDLE, LIGHT, 4.5, 4.6),
    # The first person comes back, and another one takes the place of the second.
    (LEFT, HEAD, 6.0, 8.0),
    (RIGHT, LIGHT, 6.5, 8.0),
    (LEFT, HEAD, 10.0, 11.0),
)
"""Place, person, and start and end in seconds."""


def scene() -> Iterator[tuple[float, Image]]:
    """Yield stamp and image of a room of 560 x 240 pixels at 10 Hz."""
    room = crowd(0, 560, 240)
    for number in range(120):
        image = room.copy()
        for x, person, start, end in VISITS:
            if start <= number / 10 <= end:
                image[40:, x : x + 180] = person[:, 10:190]
        yield number / 10, image


def test_people_of_a_scene_are_counted_once() -> None:
    """By default there are three people, of seven tracks."""
    pipeline = create_pipeline()
    every_track = PeopleCounter()
    counter = PeopleCounter(
        NodeConfig.count_min_frames, NodeConfig.count_min_duration, NodeConfig.count_return_time
    )
    for stamp, image in scene():
        faces = pipeline.process(image, stamp)
        for each in (every_track, counter):
            each.add(faces, stamp)
    labels = pipeline.classifiers['gender'].labels['gender']
    assert every_track.count(60.0, 'gender', labels).total == len(VISITS)
    assert counter.count(60.0, 'gender', labels).total == 3
    assert counter.count(2.0, 'gender', labels).total == 1
    assert counter.count(0.0, 'gender', labels).total == 0

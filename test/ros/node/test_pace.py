"""A recording gives the same tracks however fast it is played, with the node as a process."""

from __future__ import annotations

from collections.abc import Callable
import itertools
import time
from typing import Any

import cv2
from ros_peers import BLANK, Camera, image_message, NodeProcess, Peer

from face_classification_ros.io.sample import FPS, sample_frames
from face_classification_ros.msg import FaceAttributesArray

StartNode = Callable[..., NodeProcess]

# One person, then three, so that tracks end and begin; every third picture, at 5 Hz.
FRAMES = [cv2.resize(frame, (320, 240)) for frame in itertools.islice(sample_frames(), 66, 132, 3)]
PERIOD = 3 / FPS


def told(answers: list[FaceAttributesArray]) -> list[Any]:
    """Give all that is told but ids, which are numbered by when they come."""
    names: dict[str, int] = {}
    return [
        [
            (
                names.setdefault(face.track_id, len(names)),
                (face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height),
                (face.first_seen.sec, face.first_seen.nanosec),
                *(
                    (each.label, each.frame_count, [round(p, 3) for p in each.probabilities])
                    for each in (face.gender, face.emotion)
                ),
            )
            for face in answer.faces
        ]
        for answer in answers
    ]


def test_tracks_are_the_same_at_any_pace(start_node: StartNode, peer: Peer) -> None:
    """Played at 1x, 4x and 0.5x, with the stamps of the recording; each start is told of."""
    node = start_node('-p', 'image_reliability:=reliable', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect(image_message(BLANK))
    runs, ids = [], []
    for pace in (1, 4, 0.5):
        # The answers of the run before have the same headers.
        camera.answers.clear()
        answers = []
        start = time.monotonic()
        for number, frame in enumerate(FRAMES):
            peer.spin(start + number * PERIOD / pace - time.monotonic())
            answers.append(camera.ask(image_message(frame), 100 + number * PERIOD))
        runs.append(told(answers))
        ids.append({face.track_id for answer in answers for face in answer.faces})
    assert sum(map(len, runs[0])) > len(FRAMES)
    assert len(ids[0]) >= 3
    assert runs[0] == runs[1] == runs[2]
    assert len(set.union(*ids)) == 3 * len(ids[0])
    assert node.log.count('time was set back to 100.000 s') == 2

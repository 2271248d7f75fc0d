"""A recording has the same tracks at any speed, with the node as a process."""

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

# One person, then three, so that tracks start and end; every third frame, at 5 Hz.
FRAMES = [cv2.resize(frame, (320, 240)) for frame in itertools.islice(sample_frames(), 66, 132, 3)]
PERIOD = 3 / FPS


def contents(results: list[FaceAttributesArray]) -> list[Any]:
    """Return everything but ids, which are replaced by the order of their first appearance."""
    numbers: dict[str, int] = {}
    return [
        [
            (
                numbers.setdefault(face.track_id, len(numbers)),
                (face.roi.x_offset, face.roi.y_offset, face.roi.width, face.roi.height),
                (face.first_seen.sec, face.first_seen.nanosec),
                *(
                    (each.label, each.frame_count, [round(p, 3) for p in each.probabilities])
                    for each in face.attributes
                ),
            )
            for face in result.faces
        ]
        for result in results
    ]


def test_tracks_are_the_same_at_any_pace(start_node: StartNode, peer: Peer) -> None:
    """Played at 1x, 4x and 0.5x with the stamps of the recording, which start again each time."""
    node = start_node('-p', 'image_reliability:=reliable', '-p', 'detection_interval:=1')
    camera = Camera(peer)
    camera.connect(image_message(BLANK))
    runs, ids = [], []
    for pace in (1, 4, 0.5):
        # The results of the run before have the same headers.
        camera.results.clear()
        results = []
        start = time.monotonic()
        for number, frame in enumerate(FRAMES):
            peer.spin(start + number * PERIOD / pace - time.monotonic())
            results.append(camera.result_of(image_message(frame), 100 + number * PERIOD))
        runs.append(contents(results))
        ids.append({face.track_id for result in results for face in result.faces})
    assert sum(map(len, runs[0])) > len(FRAMES)
    assert len(ids[0]) >= 3
    assert runs[0] == runs[1] == runs[2]
    assert len(set.union(*ids)) == 3 * len(ids[0])
    assert node.log.count('time jumped back to 100.000 s') == 2

#!/usr/bin/env python3
"""Follow the nearest happy face: print after each image in which direction to turn."""

import argparse
import math
import sys
import time

from face_classification_ros.ros.client import (
    confident_label,
    FaceClient,
    FaceClientError,
    FaceSnapshot,
)


def direction(snapshot: FaceSnapshot) -> str:
    """Return the direction to the nearest happy face, or the largest if no position is known."""
    happy = [
        face
        for face in snapshot.faces
        if confident_label(face.attributes.get('emotion')) == 'happy'
    ]
    located = [(math.hypot(*face.position), face.position) for face in happy if face.position]
    # With the parameter target_frame, positions say nothing about the direction from the camera.
    if located and snapshot.position_frame_id == snapshot.frame_id:
        distance, (x, _, z) = min(located)
        angle = math.degrees(math.atan2(x, z))
        return f'{_turn(angle, 3.0)} ({angle:+.0f} degrees, {distance:.1f} m)'
    if happy:
        offset = happy[0].detection.box.center[0] / snapshot.width - 0.5
        return f'{_turn(offset, 0.05)} ({offset:+.0%} of the image width)'
    return 'no happy face'


def _turn(amount: float, tolerance: float) -> str:
    if abs(amount) <= tolerance:
        return 'straight on'
    return 'turn right' if amount > 0 else 'turn left'


def main() -> int:
    """Print directions until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='name of the node')
    parser.add_argument(
        '--duration', type=float, default=math.inf, help='seconds (default: no limit)'
    )
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.duration
    try:
        with FaceClient(arguments.node) as client:
            while time.monotonic() < end:
                print(direction(client.get_faces(max_age=0)), flush=True)
    except (FaceClientError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == '__main__':
    sys.exit(main())

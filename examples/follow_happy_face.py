#!/usr/bin/env python3
"""Follow the nearest happy face: say after each picture where to turn."""

import argparse
import math
import sys
import time

from face_classification_ros.ros.client.client import (
    confident_label,
    FaceClient,
    FaceClientError,
    FaceSnapshot,
)


def where_to_turn(view: FaceSnapshot) -> str:
    """Give the way to the nearest happy face, the largest where no distance is known."""
    happy = [face for face in view.faces if confident_label(face.emotion) == 'happy']
    placed = [(math.hypot(*face.position), face.position) for face in happy if face.position]
    if placed:
        distance, (x, _, z) = min(placed)
        angle = math.degrees(math.atan2(x, z))
        return f'{_turn(angle, 3.0)} ({angle:+.0f} degrees, {distance:.1f} m away)'
    if happy:
        offset = happy[0].detection.box.center[0] / view.width - 0.5
        return f'{_turn(offset, 0.05)} ({offset:+.0%} of the picture)'
    return 'nobody is happy'


def _turn(amount: float, tolerance: float) -> str:
    if abs(amount) <= tolerance:
        return 'straight on'
    return 'turn right' if amount > 0 else 'turn left'


def main() -> int:
    """Look, and tell, until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='node to ask')
    parser.add_argument('--seconds', type=float, default=math.inf, help='how long to follow')
    arguments = parser.parse_args()
    end = time.monotonic() + arguments.seconds
    try:
        with FaceClient(arguments.node) as client:
            while time.monotonic() < end:
                print(where_to_turn(client.get_faces(max_age=0)), flush=True)
    except FaceClientError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
"""Print where the nearest person is: in map, if that is the node's parameter target_frame."""

import argparse
import sys

from face_classification_ros.ros.client import Face, FaceClient, FaceClientError


def place(face: Face, frame: str) -> str:
    """Return the position of a face in a frame; it is not known without depth or transform."""
    if face.position is None:
        return f'person {face.track_id} is seen, but the position in {frame} is not known'
    x, y, z = face.position
    return f'person {face.track_id} is at x {x:.2f} m, y {y:.2f} m, z {z:.2f} m in {frame}'


def main() -> int:
    """Observe the nearest person and print the position."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='name of the node')
    parser.add_argument('--frames', type=int, default=3, help='number of images to observe')
    parser.add_argument('--duration', type=float, default=5.0, help='time limit in seconds')
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            observation = client.observe(
                'nearest',
                frames=arguments.frames,
                duration=arguments.duration,
            )
            frame = client.get_faces(max_age=60.0).position_frame_id
    except (FaceClientError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for face in observation.faces:
        print(place(face, frame))
    if not observation.faces:
        print(f'Nobody: {observation.reason}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

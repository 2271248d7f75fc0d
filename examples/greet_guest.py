#!/usr/bin/env python3
"""Greet a guest: observe one person for a while and say only what is certain."""

import argparse
import sys

from face_classification_ros.ros.client import confident_label, FaceClient, FaceClientError

GENDERS = {'woman': 'a woman', 'man': 'a man'}
EMOTIONS = {
    'angry': 'angry',
    'disgust': 'disgusted',
    'fear': 'frightened',
    'happy': 'happy',
    'sad': 'sad',
    'surprise': 'surprised',
}


def greeting(gender: str, emotion: str) -> str:
    """Return a greeting; an attribute that is not certain is ""."""
    if gender not in GENDERS and emotion not in EMOTIONS:
        return 'Welcome!'
    looks = f' who looks {EMOTIONS[emotion]}' if emotion in EMOTIONS else ''
    return f'Welcome! I see {GENDERS.get(gender, "somebody")}{looks}.'


def main() -> int:
    """Observe the nearest person, or one who looks at the robot, and print a greeting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='name of the node')
    parser.add_argument(
        '--looking',
        action='store_true',
        help='greet somebody who looks at the robot (default: the nearest person)',
    )
    parser.add_argument('--frames', type=int, default=20, help='number of images to collect')
    parser.add_argument('--duration', type=float, default=10.0, help='time limit in seconds')
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            observation = client.observe(
                'looking' if arguments.looking else 'nearest',
                frames=arguments.frames,
                duration=arguments.duration,
            )
    except (FaceClientError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for guest in observation.faces:
        labels = {name: confident_label(each) for name, each in guest.attributes.items()}
        print(greeting(labels.get('gender', ''), labels.get('emotion', '')))
    if not observation.faces:
        print(f'No guest: {observation.reason}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

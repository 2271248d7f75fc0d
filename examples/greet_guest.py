#!/usr/bin/env python3
"""Greet a guest: watch whoever is nearest for a while, and say only what is certain."""

import argparse
import sys

from face_classification_ros.ros.client.client import confident_label, FaceClient, FaceClientError

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
    """Give what is said to a guest; "" is an attribute that is not certain."""
    seen = [GENDERS[gender]] if gender else []
    if emotion in EMOTIONS:
        seen.append(f'somebody who looks {EMOTIONS[emotion]}')
    return f'Welcome! I see {" and ".join(seen)}.' if seen else 'Welcome!'


def main() -> int:
    """Watch, and greet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='node to ask')
    parser.add_argument('--pictures', type=int, default=20, help='pictures that are enough')
    parser.add_argument('--seconds', type=float, default=10.0, help='how long to watch at most')
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            observation = client.observe(
                'nearest', frames=arguments.pictures, duration=arguments.seconds
            )
    except FaceClientError as error:
        print(error, file=sys.stderr)
        return 1
    for guest in observation.faces:
        print(greeting(confident_label(guest.gender), confident_label(guest.emotion)))
    if not observation.faces:
        print(f'Nobody to greet: {observation.reason}')
    return 0


if __name__ == '__main__':
    sys.exit(main())

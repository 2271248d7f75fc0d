#!/usr/bin/env python3
"""Count women and men: tell how many people the node has seen in the last seconds."""

import argparse
import sys

from face_classification_ros.ros.client.client import FaceClient, FaceClientError


def main() -> int:
    """Ask, and tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='node to ask')
    parser.add_argument('--seconds', type=float, default=30.0, help='how far to look back')
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            count = client.count_people(arguments.seconds)
    except FaceClientError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f'{count.total} people in the last {arguments.seconds:g} s: {count.women} women, '
        f'{count.men} men, {count.unknown} of whom I cannot say'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())

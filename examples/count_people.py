#!/usr/bin/env python3
"""Count the people of the last seconds, by gender or another attribute."""

import argparse
import sys

from face_classification_ros.ros.client import FaceClient, FaceClientError, PeopleCount


def summary(count: PeopleCount) -> str:
    """Return the counts in one line, such as "3 people: 2 woman, 1 man, 0 unknown"."""
    counts = {**count.counts, 'unknown': count.unknown}
    parts = ', '.join(f'{number} {label}' for label, number in counts.items())
    return f'{count.total} {"person" if count.total == 1 else "people"}: {parts}'


def main() -> int:
    """Count people and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--node', default='/face_classification', help='name of the node')
    parser.add_argument('--window', type=float, default=30.0, help='seconds to look back')
    parser.add_argument(
        '--attribute', default='', help='attribute to count by (default: the first of the node)'
    )
    arguments = parser.parse_args()
    try:
        with FaceClient(arguments.node) as client:
            count = client.count_people(arguments.window, arguments.attribute)
    except (FaceClientError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(summary(count))
    return 0


if __name__ == '__main__':
    sys.exit(main())

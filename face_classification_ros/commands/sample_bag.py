"""Write the 20-second sample as a rosbag2 recording, for instance to try `replay`."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

from face_classification_ros.commands.common import DONE, needs_extra
from face_classification_ros.commands.options import positive_float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `sample-bag`."""
    parser.add_argument(
        'folder', type=Path, metavar='DIR', help='create the recording in this new folder'
    )
    parser.add_argument(
        '--storage',
        choices=('mcap', 'sqlite3'),
        default='mcap',
        help='use this storage format (default: mcap)',
    )
    parser.add_argument(
        '--compressed',
        action='store_true',
        help='record JPEG images, which take a twentieth of the space',
    )
    parser.add_argument(
        '--seconds',
        type=positive_float,
        default=20.0,
        metavar='X',
        help='record this many seconds of the sample (default: 20)',
    )


def run(arguments: argparse.Namespace) -> int:
    """Record the sample."""
    with needs_extra('replay', 'a recording'):
        from face_classification_ros.io.bag_writer import write_sample
    from face_classification_ros.io.sample import FPS, sample_credits, sample_frames
    from face_classification_ros.progress import progress

    count = round(arguments.seconds * FPS)
    frames = progress(itertools.islice(sample_frames(), count), 'frame', total=count)
    topic = write_sample(
        arguments.folder, frames, FPS, arguments.storage, compressed=arguments.compressed
    )
    print(f'{arguments.folder} has the images on {topic}')
    print('photographs of the sample:', *sample_credits(), sep='\n  ')
    return DONE

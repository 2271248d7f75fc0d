"""Measure how many images per second `face_classification classify` processes, by workers.

The real command classifies shifted copies of an image with one face in a temporary folder; 0
workers is the command without `--workers`. The start-up time, measured with one image, is reported
separately, since it does not matter for many files. Needs `pip install '.[archive,demo]'`; nothing
else should run at the same time.

    python benchmarks/archive.py --images 500 --workers 4 --json archive.json
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import cv2
import numpy as np
import skimage

from face_classification_ros.progress import progress

COMMAND = Path(sys.executable).with_name('face_classification')


def main() -> None:
    """Print the rate for each number of workers, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--images', type=int, default=200, help='images in the folder (default: 200)'
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='measure 0, 1, ... up to so many workers (default: number of processors)',
    )
    parser.add_argument(
        '--rounds', type=int, default=3, help='report the median of so many runs (default: 3)'
    )
    parser.add_argument('--json', type=Path, metavar='FILE')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder), arguments.images)
        results = [
            measure(images, workers, arguments.rounds)
            for workers in progress(range(arguments.workers + 1), 'number of workers')
        ]
    print(f'{"workers":>7} {"total, s":>9} {"start, s":>9} {"images/s":>11} {"speed-up":>9}')
    for result in results:
        result['speed_up'] = result['images_per_second'] / results[0]['images_per_second']
        print(
            f'{result["workers"]:7d} {result["total_s"]:9.2f} {result["start_s"]:9.2f} '
            f'{result["images_per_second"]:11.1f} {result["speed_up"]:9.2f}'
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def write_images(folder: Path, count: int) -> list[Path]:
    """Write different JPEG files of 512 x 512 pixels with one face, and return their paths."""
    image = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
    paths = [folder / f'{number:06d}.jpg' for number in range(count)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), np.roll(image, number % 256, axis=1))
    return paths


def measure(images: list[Path], workers: int, rounds: int) -> dict[str, Any]:
    """Return the median time of all images and of one, and the rate without the start."""
    times: dict[str, list[float]] = {'total_s': [], 'start_s': []}
    for _ in progress(range(rounds), 'round'):
        times['start_s'].append(run(images[0], workers))
        times['total_s'].append(run(images[0].parent, workers))
    medians = {name: statistics.median(values) for name, values in times.items()}
    rate = (len(images) - 1) / (medians['total_s'] - medians['start_s'])
    return {'workers': workers, 'images': len(images), **medians, 'images_per_second': rate}


def run(path: Path, workers: int) -> float:
    """Return the seconds that the command takes."""
    command = [str(COMMAND), 'classify', str(path)]
    if workers:
        command += ['--workers', str(workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == '__main__':
    main()

"""Measures how many pictures `face_classification classify` does in a second, by workers.

Copies of a picture with one face, moved a little, in a temporary folder, through the real command;
0 workers are the command without `--workers`. The start, measured with one picture, is told apart:
a large archive does not feel it. Needs `pip install '.[archive,demo]'`; nothing else should run
meanwhile.

    python benchmarks/archive.py --pictures 500 --workers 4 --json archive.json
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

COMMAND = Path(sys.executable).with_name('face_classification')


def main() -> None:
    """Print and, if asked, write the rate for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--pictures', type=int, default=200)
    parser.add_argument(
        '--workers', type=int, default=os.cpu_count(), help='measure 0, 1, ... up to so many'
    )
    parser.add_argument('--rounds', type=int, default=3, help='of which the median is told')
    parser.add_argument('--json', type=Path, metavar='FILE')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = write_pictures(Path(folder), arguments.pictures)
        results = [
            measure(pictures, workers, arguments.rounds)
            for workers in range(arguments.workers + 1)
        ]
    print(f'{"workers":>7} {"whole, s":>9} {"start, s":>9} {"pictures/s":>11} {"speed-up":>9}')
    for result in results:
        result['speed_up'] = result['pictures_per_second'] / results[0]['pictures_per_second']
        print(
            f'{result["workers"]:7d} {result["whole_s"]:9.2f} {result["start_s"]:9.2f} '
            f'{result["pictures_per_second"]:11.1f} {result["speed_up"]:9.2f}'
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def write_pictures(folder: Path, count: int) -> list[Path]:
    """Write so many JPEGs of 512x512 with one face, no two the same."""
    image = cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'astronaut.png'))
    paths = [folder / f'{number:06d}.jpg' for number in range(count)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), np.roll(image, number % 256, axis=1))
    return paths


def measure(pictures: list[Path], workers: int, rounds: int) -> dict[str, Any]:
    """Give the median time of all pictures and of one, and the rate without the start."""
    times: dict[str, list[float]] = {'whole_s': [], 'start_s': []}
    for _ in range(rounds):
        times['start_s'].append(run(pictures[0], workers))
        times['whole_s'].append(run(pictures[0].parent, workers))
    medians = {name: statistics.median(values) for name, values in times.items()}
    rate = (len(pictures) - 1) / (medians['whole_s'] - medians['start_s'])
    return {'workers': workers, 'pictures': len(pictures), **medians, 'pictures_per_second': rate}


def run(path: Path, workers: int) -> float:
    """Give the seconds that the command takes."""
    command = [str(COMMAND), 'classify', str(path)]
    if workers:
        command += ['--workers', str(workers)]
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == '__main__':
    main()

"""Measures what searching only around known faces saves and loses, over whole videos.

Each video goes through the detector with several `detection_interval`s, all in step, and what they
find is compared with the search of every whole picture: faces found again, lost, and added. Times
are of the detection alone, one thread; nothing else should run meanwhile.

    python benchmarks/detection_interval.py VIDEO... --intervals 1 2 3 5 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import time
from typing import Any

import cv2
import numpy as np

from face_classification_ros.detection import create_detector, DETECTORS
from face_classification_ros.evaluation.detection import Label, match
from face_classification_ros.io.videos import read_video


def main() -> None:
    """Print and, if asked, write a table per video."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--intervals', nargs='+', type=int, default=[2, 3, 5, 10])
    parser.add_argument('--detector', choices=DETECTORS, default=DETECTORS[0])
    parser.add_argument('--detector-model', default='', metavar='FILE')
    parser.add_argument('--detection-size', type=int, default=320, metavar='PIXELS')
    parser.add_argument('--json', type=Path, metavar='FILE')
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {str(video): measure(video, arguments) for video in arguments.videos}
    for video, rows in results.items():
        print(video)
        print('interval  found   lost  added  median ms  mean ms  95 % ms  mean x')
        for row in rows:
            print(
                f'{row["interval"]:8} {row["found"]:6} {row["lost"]:6} {row["added"]:6} '
                f'{row["p50_ms"]:10.2f} {row["mean_ms"]:8.2f} {row["p95_ms"]:8.2f} '
                f'{row["mean_ms"] / rows[0]["mean_ms"]:7.2f}'
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def measure(video: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Give a row per interval, that of every whole picture first."""
    intervals = [1, *(each for each in arguments.intervals if each != 1)]
    detectors = [
        create_detector(
            arguments.detector,
            model=arguments.detector_model,
            width=arguments.detection_size,
            interval=interval,
        )
        for interval in intervals
    ]
    milliseconds: list[list[float]] = [[] for _ in intervals]
    counts = np.zeros((len(intervals), 3), int)
    with read_video(video) as opened:
        for _, _, image in opened.frames:
            height, width = image.shape[:2]
            labels: Sequence[Label] = ()
            for number, detector in enumerate(detectors):
                start = time.perf_counter()
                faces = detector.detect(image)
                milliseconds[number].append(1e3 * (time.perf_counter() - start))
                labels = labels if number else [Label(face.box) for face in faces]
                found, added = match(faces, labels, width, height)
                counts[number] += found, len(labels) - found, added
    return [
        {
            'interval': interval,
            **dict(zip(('found', 'lost', 'added'), count.tolist(), strict=True)),
            'p50_ms': float(np.median(times)),
            'p95_ms': float(np.percentile(times, 95)),
            'mean_ms': float(np.mean(times)),
        }
        for interval, count, times in zip(intervals, counts, milliseconds, strict=True)
    ]


if __name__ == '__main__':
    main()

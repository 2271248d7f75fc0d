"""Measure what searching only around known faces saves and loses, on whole videos.

Detectors with different values of `detection_interval` process each video frame by frame in turn.
Their faces are compared with those of searching every full frame: found, lost and added faces.
Times are those of the detection alone, with one thread; nothing else should run at the same time.

    python benchmarks/detection_interval.py VIDEO... --intervals 1 2 3 5 10
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
import json
from pathlib import Path
import time
from typing import Any

import cv2
import numpy as np

from face_classification_ros.commands.options import add_still_detector, still_detector_config
from face_classification_ros.detection import create_detector
from face_classification_ros.evaluation.detection import Label, match
from face_classification_ros.io.videos import read_video
from face_classification_ros.progress import progress


def main() -> None:
    """Print a table per video, and write all tables as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--intervals', nargs='+', type=int, default=[2, 3, 5, 10])
    parser.add_argument('--json', type=Path, metavar='FILE')
    add_still_detector(parser)
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
    """Return a row per interval, first that of every full frame."""
    intervals = [1, *(each for each in arguments.intervals if each != 1)]
    config = still_detector_config(arguments)
    detectors = [
        create_detector(replace(config, detection_interval=interval)) for interval in intervals
    ]
    milliseconds: list[list[float]] = [[] for _ in intervals]
    counts = np.zeros((len(intervals), 3), int)
    with read_video(video) as opened:
        for _, _, image in progress(opened.frames, 'frame', task=video.name):
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

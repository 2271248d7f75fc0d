"""Measure what it saves and loses not to search every full frame, on whole videos.

Pipelines with different values of `detection_interval` process each video frame by frame in turn.
Between searches of the full frame, the detector searches around known faces, or the network that
classifies them follows them, if its model file can. The faces are compared with those of searching
every full frame: found, lost and added faces, and the mean overlap of the boxes of found ones.
Times are those of a pipeline without tracking, with one thread; nothing else should run at the
same time. `--models ''` leaves out classification.

    python benchmarks/detection_interval.py VIDEO... --intervals 2 3 5 10
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
import sys
import time
from typing import Any

import cv2
import numpy as np

from face_classification_ros.commands.common import exit_code
from face_classification_ros.commands.options import add_settings, config_of
from face_classification_ros.config import PipelineConfig
from face_classification_ros.evaluation.detection import Label, match, MIN_OVERLAP
from face_classification_ros.io.videos import read_video
from face_classification_ros.pipeline import create_pipeline, FacePipeline
from face_classification_ros.progress import progress
from face_classification_ros.types import Image


@dataclass
class Way:
    """A pipeline, and what was measured with it.

    Attributes:
        pipeline: without tracks.
        interval: its `detection_interval`.
        follows: whether the network finds known faces, not the detector.
        milliseconds: for each frame.
        counts: found, lost and added faces.
        overlaps: intersection over union of each found face.
    """

    pipeline: FacePipeline
    interval: int
    follows: bool
    milliseconds: list[float] = field(default_factory=list)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    overlaps: list[float] = field(default_factory=list)

    def measure(self, image: Image, labels: list[Label] | None) -> list[Label]:
        """Process a frame, and return the faces as labels for the other ways."""
        start = time.process_time()
        faces = [face.detection for face in self.pipeline.process(image)]
        self.milliseconds.append(1e3 * (time.process_time() - start))
        expected = [Label(face.box) for face in faces] if labels is None else labels
        height, width = image.shape[:2]
        found, added = match(faces, expected, width, height)
        for number, count in enumerate((found, len(expected) - found, added)):
            self.counts[number] += count
        best = [max((face.box.iou(each.box) for face in faces), default=0.0) for each in expected]
        self.overlaps += [overlap for overlap in best if overlap >= MIN_OVERLAP]
        return expected

    def row(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            'interval': self.interval,
            'between': 'network' if self.follows else 'detector',
            **dict(zip(('found', 'lost', 'added'), self.counts, strict=True)),
            'overlap': float(np.mean(self.overlaps)) if self.overlaps else None,
            'p50_ms': float(np.median(self.milliseconds)),
            'p95_ms': float(np.percentile(self.milliseconds, 95)),
            'mean_ms': float(np.mean(self.milliseconds)),
        }


def main() -> None:
    """Print a table per video, and write all tables as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--intervals', nargs='+', type=int, default=[2, 3, 5, 10])
    parser.add_argument('--json', type=Path, metavar='FILE')
    add_settings(parser, PipelineConfig, without=('detection_interval', 'follow'))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    results = {str(video): measure(video, arguments) for video in arguments.videos}
    for video, rows in results.items():
        print(video)
        print(
            'interval   between  found   lost  added  overlap  median ms  mean ms  95 % ms  mean x'
        )
        for row in rows:
            overlap = '' if row['overlap'] is None else f'{row["overlap"]:.3f}'
            print(
                f'{row["interval"]:8} {row["between"]:>9} {row["found"]:6} {row["lost"]:6} '
                f'{row["added"]:6} {overlap:>8} {row["p50_ms"]:10.2f} {row["mean_ms"]:8.2f} '
                f'{row["p95_ms"]:8.2f} {row["mean_ms"] / rows[0]["mean_ms"]:7.2f}'
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def measure(video: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row per way, first that of every full frame."""
    config = config_of(arguments, PipelineConfig, detection_interval=1)
    ways = [_way(config, 1, follows=False)]
    for interval in arguments.intervals:
        ways.append(_way(config, interval, follows=False))
        if (following := _way(config, interval, follows=True)).pipeline.follower:
            ways.append(following)
    with read_video(video) as opened:
        for _, _, image in progress(opened.frames, 'frame', task=video.name):
            labels = None
            for way in ways:
                labels = way.measure(image, labels)
    return [way.row() for way in ways]


def _way(config: PipelineConfig, interval: int, *, follows: bool) -> Way:
    config = replace(config, detection_interval=interval, follow=follows)
    return Way(replace(create_pipeline(config), tracker=None), interval, follows)


if __name__ == '__main__':
    sys.exit(exit_code(main, Path(__file__).name))

"""Classify whole files: images, videos and recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from face_classification_ros.config import PipelineConfig
from face_classification_ros.detection.region_of_interest import RegionOfInterestDetector
from face_classification_ros.io.errors import system_error_text, UnreadableError, UnwritableError
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.io.sources import IMAGE, Source
from face_classification_ros.io.videos import Frames, VideoFile
from face_classification_ros.memory import is_out_of_memory
from face_classification_ros.pipeline import create_pipeline, FacePipeline
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import Face, FrameFaces, Image
from face_classification_ros.visualization.annotation import draw_faces

Opener = Callable[[Path], AbstractContextManager[Frames]]
"""Opens a video or a recording; raises an `UnreadableError` if it cannot."""


class Job(NamedTuple):
    """A file to classify, and the path of its annotated copy (None for no copy)."""

    source: Source
    copy: Path | None


class FileClassifier:
    """Classifies whole files with a detector and models that are loaded once.

    An object serves one thread at a time.
    """

    def __init__(self, config: PipelineConfig) -> None:
        """Load the detector and the models; the errors are those of `create_pipeline`."""
        self._config = config
        self._pipeline = create_pipeline(config)

    def classify(self, job: Job, openers: Mapping[str, Opener]) -> Iterator[FrameFaces]:
        """Classify an image, or all frames of a video or a recording; write the annotated copy.

        Args:
            job: what to classify.
            openers: kind of source -> function that opens it.

        Yields:
            The faces of each frame.

        Raises:
            UnreadableError: the file cannot be read, or not to its end.
            UnwritableError: the copy cannot be written.
        """
        source = job.source
        file = source.folder / source.path
        copy = source.folder / job.copy if job.copy else None
        try:
            if source.kind == IMAGE:
                yield from self._classify_image(source, file, copy)
            else:
                with openers[source.kind](file) as frames:
                    yield from self._classify_frames(source, frames, copy)
        except UnreadableError as error:
            raise UnreadableError(source.path, error.problem, error.code) from error
        except OSError as error:
            raise UnwritableError(
                source.path, f'has no annotated copy: {system_error_text(error)}'
            ) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise UnreadableError(
                source.path, 'needs more memory than there is', 'memory'
            ) from error

    def _classify_image(
        self, source: Source, file: Path, copy: Path | None
    ) -> Iterator[FrameFaces]:
        image = read_image(file)
        faces = self._pipeline.process_still(image)
        yield _record(source, 0, 0.0, image, faces)
        if copy is not None:
            write_image(copy, draw_faces(image, faces))

    def _classify_frames(
        self, source: Source, frames: Frames, copy: Path | None
    ) -> Iterator[FrameFaces]:
        pipeline = self._pipeline_for_frames()
        video = VideoFile(copy, frames.fps) if copy is not None else None
        try:
            for number, stamp, image in frames.frames:
                faces = pipeline.process(image, stamp)
                if video is not None:
                    try:
                        video.write(draw_faces(image, faces))
                    except ValueError as error:
                        raise UnreadableError(
                            source.path,
                            f'changes its size at frame {number}, which an annotated copy '
                            'cannot: classify it without --output',
                            'frame_size',
                        ) from error
                yield _record(source, number, stamp, image, faces)
        finally:
            if video is not None:
                video.close()

    def _pipeline_for_frames(self) -> FacePipeline:
        """Return a pipeline without memory of other files."""
        detector, interval = self._pipeline.detector, self._config.detection_interval
        if isinstance(detector, RegionOfInterestDetector):
            detector = RegionOfInterestDetector(detector.full_frame, interval)
        tracker = Tracker(self._config.track_timeout)
        return replace(self._pipeline, detector=detector, tracker=tracker)


def classify_files(
    jobs: Iterable[Job], classifier: FileClassifier, openers: Mapping[str, Opener]
) -> Iterator[Iterator[FrameFaces]]:
    """Classify files one after another.

    Args:
        jobs: what to classify.
        classifier: the loaded detector and models.
        openers: kind of source -> function that opens it, for instance `{VIDEO: read_video}`.

    Yields:
        The results of each file, to be consumed before those of the next file are requested; they
        end with a `FileError` if the file cannot be read to its end, or its copy not be written.
    """
    for job in jobs:
        yield classifier.classify(job, openers)


def _record(
    source: Source, number: int, stamp: float, image: Image, faces: list[Face]
) -> FrameFaces:
    height, width = image.shape[:2]
    return FrameFaces(width, height, tuple(faces), stamp, number, str(source.path))

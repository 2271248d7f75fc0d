"""Pictures, folders and videos without ROS: read, classified, written as JSON and as copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from face_classification_ros.drawing import draw_faces
from face_classification_ros.face import Estimate, Face, Image
from face_classification_ros.pipeline import FacePipeline

PICTURES = {'.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp'}
VIDEOS = {'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'}

DEFAULT_FPS = 25.0
"""For videos that do not tell their own."""

VIDEO_CODE = 'mp4v'


@dataclass(frozen=True)
class Source:
    """A file to classify.

    Attributes:
        path: where it is.
        name: its path below the folder that was named, for the annotated copy.
    """

    path: Path
    name: Path


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """Give every file that was named, and every picture and video below a folder that was.

    Raises:
        FileNotFoundError: a path does not exist.
    """
    sources = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f'{path} does not exist')
        if path.is_dir():
            found = [p for p in sorted(path.rglob('*')) if p.suffix.lower() in PICTURES | VIDEOS]
            sources += [Source(each, each.relative_to(path)) for each in found if each.is_file()]
        else:
            sources.append(Source(path, Path(path.name)))
    return sources


def classify_files(
    sources: Sequence[Source],
    make_pipeline: Callable[[bool], FacePipeline],
    report_unreadable: Callable[[str], None],
    output: Path | None = None,
) -> Iterator[dict[str, Any]]:
    """Classify pictures and all frames of videos.

    Args:
        sources: what to classify.
        make_pipeline: gives a pipeline for a video (True: frames follow each other) or a picture.
        report_unreadable: called with one line for each file that cannot be read; the others
            are still done.
        output: folder for annotated copies; None makes none.

    Yields:
        One record per picture or frame, see `record`.

    Raises:
        ValueError: a copy would overwrite an original or another copy.
    """
    copies: Sequence[Path | None] = (
        plan_copies(sources, output) if output else [None] * len(sources)
    )
    picture_pipeline = make_pipeline(False)
    for source, copy in zip(sources, copies, strict=True):
        try:
            if _is_video(source.path):
                yield from _classify_video(source.path, make_pipeline(True), copy)
            else:
                yield _classify_picture(source.path, picture_pipeline, copy)
        except UnreadableError as error:
            report_unreadable(str(error))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEOS


def plan_copies(sources: Sequence[Source], output: Path, ending: str = '') -> list[Path]:
    """Say where what is made of each file goes.

    Args:
        sources: the files.
        output: folder for the copies.
        ending: is put behind their names; without one they keep them, but videos become MP4.

    Raises:
        ValueError: a copy would overwrite an original or another copy.
    """
    originals = {source.path.resolve() for source in sources}
    copy_of: dict[Path, Path] = {}
    for source in sources:
        copy = output / f'{source.name}{ending}'
        copy = copy.with_suffix('.mp4') if _is_video(copy) else copy
        if copy.resolve() in originals:
            raise ValueError(f'the annotated copy of {source.path} would overwrite {copy}')
        if copy in copy_of:
            raise ValueError(
                f'the annotated copies of {copy_of[copy]} and {source.path} would both be {copy}; '
                'classify them apart'
            )
        copy_of[copy] = source.path
    return list(copy_of)


class UnreadableError(ValueError):
    """A picture or video cannot be read; the text is one line that names it and says why."""


def read_picture(path: Path) -> Image:
    """Read a picture, uint8 H x W x 3 in BGR.

    Raises:
        UnreadableError: it is none.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableError(f'{path} is not a readable picture')
    return image.astype(np.uint8, copy=False)


def write_picture(path: Path, image: Image) -> None:
    """Write a picture, and the folders it lies in.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written')


def record(file: str, frame: int, image: Image, faces: Iterable[Face]) -> dict[str, Any]:
    """Give what is known of one picture, ready for JSON.

    Returns:
        `file`, `frame`, `width`, `height` and `faces`, each with `box` [x, y, width, height] in
        pixels, `confidence`, `landmarks`, and `gender` and `emotion` with `label`, `confidence`
        and `probabilities` by label; an attribute that is switched off is None.
    """
    height, width = image.shape[:2]
    return {
        'file': file,
        'frame': frame,
        'width': width,
        'height': height,
        'faces': [_face_record(face, width, height) for face in faces],
    }


def _face_record(face: Face, width: int, height: int) -> dict[str, Any]:
    box = face.detection.box.clipped(width, height)
    return {
        'box': [round(value, 1) for value in (box.x, box.y, box.width, box.height)],
        'confidence': round(face.detection.confidence, 4),
        'landmarks': [[round(x, 1), round(y, 1)] for x, y in face.detection.landmarks],
        'gender': _estimate_record(face.gender),
        'emotion': _estimate_record(face.emotion),
    }


def _estimate_record(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        'label': estimate.label,
        'confidence': round(estimate.confidence, 4),
        'probabilities': {
            label: round(float(probability), 4)
            for label, probability in zip(estimate.labels, estimate.probabilities, strict=True)
        },
    }


def _classify_picture(path: Path, pipeline: FacePipeline, copy: Path | None) -> dict[str, Any]:
    image = read_picture(path)
    faces = pipeline.process(image)
    if copy is not None:
        write_picture(copy, draw_faces(image, faces))
    return record(str(path), 0, image, faces)


def _classify_video(
    path: Path, pipeline: FacePipeline, copy: Path | None
) -> Iterator[dict[str, Any]]:
    video = cv2.VideoCapture(str(path))
    fps = video.get(cv2.CAP_PROP_FPS) or DEFAULT_FPS
    expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    writer = None
    number = 0
    try:
        while True:
            readable, image = video.read()
            if not readable:
                break
            faces = pipeline.process(image, number / fps)
            if copy is not None:
                writer = writer or open_video(copy, image, fps)
                writer.write(draw_faces(image, faces))
            yield record(str(path), number, image, faces)
            number += 1
    finally:
        video.release()
        if writer is not None:
            writer.release()
    if number == 0:
        raise UnreadableError(f'{path} is not a readable video')
    # A container may count a few frames more than it holds; one cut short lacks many.
    if number < 0.9 * expected:
        raise UnreadableError(f'{path} breaks off after {number} of {expected} frames')


def open_video(path: Path, image: Image, fps: float) -> cv2.VideoWriter:
    """Start an MP4 video for frames of the size of `image`, and make the folders it lies in.

    Raises:
        OSError: it cannot be written there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = image.shape[:2]
    code = cv2.VideoWriter.fourcc(*VIDEO_CODE)
    writer = cv2.VideoWriter(str(path), code, fps, (width, height))
    if not writer.isOpened():
        raise OSError(f'{path} cannot be written')
    return writer

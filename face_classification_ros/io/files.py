"""Pictures, folders, videos and bags: read, classified, written as JSON and as copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from io import FileIO
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from face_classification_ros import MAX_PIXELS
from face_classification_ros.pipeline import FacePipeline, Settings, THRESHOLDS
from face_classification_ros.tracking.tracker import Tracker
from face_classification_ros.types import AttributeEstimate, Face, Image
from face_classification_ros.visualization.annotation import draw_faces

PICTURES = {'.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp'}
VIDEOS = {'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm'}
BAGS = {'.db3', '.mcap'}

PICTURE, VIDEO, BAG = 'picture', 'video', 'bag'
"""The kinds of sources."""

DEFAULT_FPS = 25.0
"""For videos that do not tell their own."""

SMOOTHING_TIME = 1.0
TRACK_TIMEOUT = 1.0
"""Seconds, as in the node."""

MAX_FPS = 1000.0
"""The fastest video that is believed."""

VIDEO_CODE = 'mp4v'

_MP4_BOXES = (b'ftyp', b'moov', b'mdat', b'free', b'skip', b'wide', b'pnot')
_MATROSKA = b'\x1aE\xdf\xa3'
_MPEG_PROGRAM, _MPEG_SEQUENCE, _MPEG_TRANSPORT = b'\0\0\1\xba', b'\0\0\1\xb3', b'G'


@dataclass(frozen=True)
class Source:
    """A file to classify.

    Attributes:
        path: where it is, as the user named it; records and messages call it so.
        name: its path below the folder that was named, for the annotated copy.
        kind: `PICTURE`, `VIDEO` or `BAG`.
        folder: where a relative `path` begins, as it may be read by a process elsewhere.
    """

    path: Path
    name: Path
    kind: str
    folder: Path = field(default_factory=Path.cwd)


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """Give every file that was named, and all pictures, videos and bags below a folder that was.

    A rosbag2 folder is one source, and so is a single file of one.

    Raises:
        FileNotFoundError: a path does not exist.
        ValueError: a path is a pipe or a device, which might never end.
    """
    sources = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f'{path} does not exist')
        if not (path.is_file() or path.is_dir()):
            raise ValueError(f'{path} is neither a file nor a folder')
        if _is_bag_folder(path):
            sources.append(Source(path, Path(path.resolve().name), BAG))
        elif path.is_dir():
            sources += [
                Source(each, each.relative_to(path), _kind(each)) for each in _find_below(path)
            ]
        else:
            sources.append(Source(path, Path(path.name), _kind(path)))
    return sources


def _find_below(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.rglob('*'))
    bags = {
        path.parent
        for path in paths
        if path.name == 'metadata.yaml' and _is_bag_folder(path.parent)
    }
    for path in paths:
        suffix = path.suffix.lower()
        part_of_bag = suffix in BAGS and path.parent in bags
        if path in bags or (
            suffix in PICTURES | VIDEOS | BAGS and not part_of_bag and path.is_file()
        ):
            yield path


def _is_bag_folder(path: Path) -> bool:
    # Other folders have a metadata.yaml, too. A compressed file is called bag_0.mcap.zstd.
    return (path / 'metadata.yaml').is_file() and any(
        BAGS & {suffix.lower() for suffix in each.suffixes} for each in path.iterdir()
    )


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in VIDEOS:
        return VIDEO
    return BAG if suffix in BAGS or path.is_dir() else PICTURE


class Frame(NamedTuple):
    """A picture of a video or a bag.

    Attributes:
        number: counted from 0.
        stamp: its time in seconds.
        image: uint8 H x W x 3 in BGR, valid until the next is read.
    """

    number: int
    stamp: float
    image: Image


class Frames(NamedTuple):
    """The pictures of a video or a bag, one after another.

    Attributes:
        fps: pictures per second; of a bag the mean.
        frames: read as they are asked for; what cannot be read is an `UnreadableError`.
    """

    fps: float
    frames: Iterator[Frame]


Opener = Callable[[Path], AbstractContextManager[Frames]]
"""Opens a video or a bag; an `UnreadableError` says why it cannot."""

Record = dict[str, Any]


class Job(NamedTuple):
    """A file to classify, and where its annotated copy goes (None: nowhere)."""

    source: Source
    copy: Path | None


class FileClassifier:
    """Classifies whole files with a detector and models that are loaded once.

    For one thread at a time.
    """

    def __init__(self, settings: Settings) -> None:
        """Load the detector and the models.

        Raises:
            ValueError, OSError, ImportError: see `create_detector` and `load_classifiers`.
        """
        self._detector = settings.load_detector()
        self._classifiers = settings.load_classifiers()
        self._rotation = settings.rotation

    def classify(self, job: Job, openers: Mapping[str, Opener]) -> Iterator[Record]:
        """Classify a picture, or all frames of a video or a bag, and write the annotated copy.

        Args:
            job: what to classify.
            openers: kind of source -> how to read its frames.

        Yields:
            One record per picture or frame, see `record`; those of a bag have a `stamp`.

        Raises:
            UnreadableError: it cannot be read, or not to its end.
            OSError: the copy cannot be written.
        """
        source = job.source
        file = source.folder / source.path
        copy = source.folder / job.copy if job.copy else None
        try:
            if source.kind == PICTURE:
                yield self._classify_picture(source, file, copy)
            else:
                with openers[source.kind](file) as frames:
                    yield from self._classify_frames(source, frames, copy)
        except UnreadableError as error:
            raise UnreadableError(source.path, error.problem) from error

    def _classify_picture(self, source: Source, file: Path, copy: Path | None) -> Record:
        image = read_image(file)
        faces = self._pipeline(None).process(image)
        if copy is not None:
            write_image(copy, draw_faces(image, faces))
        return record(str(source.path), 0, image, faces)

    def _classify_frames(
        self, source: Source, frames: Frames, copy: Path | None
    ) -> Iterator[Record]:
        pipeline = self._pipeline(Tracker(TRACK_TIMEOUT))
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
                            f'changes its size at frame {number}, an annotated copy cannot: '
                            'classify it without',
                        ) from error
                told_stamp = stamp if source.kind == BAG else None
                yield record(str(source.path), number, image, faces, told_stamp)
        finally:
            if video is not None:
                video.close()

    def _pipeline(self, tracker: Tracker | None) -> FacePipeline:
        return FacePipeline(
            self._detector,
            self._classifiers,
            tracker,
            THRESHOLDS,
            SMOOTHING_TIME,
            self._rotation,
        )


def classify_files(
    jobs: Iterable[Job], classifier: FileClassifier, openers: Mapping[str, Opener]
) -> Iterator[Iterator[Record]]:
    """Classify files one after another.

    Args:
        jobs: what to classify.
        classifier: does it.
        openers: kind of source -> how to read its frames, `{VIDEO: read_video}` and one for bags.

    Yields:
        For each file its records as they come, to be used up before the next is asked for; at
        their end an `UnreadableError` where the file cannot be read, or not to its end.
    """
    for job in jobs:
        yield classifier.classify(job, openers)


@contextmanager
def record_writer(path: Path) -> Iterator[Callable[[Record], None]]:
    """Write records to a JSON file one by one, so that none has to be kept.

    At any moment, and however it ends, the file is a whole list of all that were written.

    Yields:
        what writes a record.

    Raises:
        OSError: the file cannot be written.
    """
    with naming_file(path), path.open('wb', buffering=0) as file:
        # A pipe cannot: there the list ends with the last record.
        can_go_back = file.seekable()
        end, opening, closing = 0, b'[', b'[]'

        def write(record: Record) -> None:
            nonlocal end, opening, closing
            # As in a list, but for its brackets.
            content = opening + json.dumps([record], indent=1)[1:-2].encode()
            with naming_file(path):
                try:
                    if can_go_back:
                        file.seek(end)
                    _write_all(file, content + b'\n]' if can_go_back else content)
                except OSError:
                    if can_go_back:
                        # Its place is there, as it was written before.
                        file.seek(end)
                        _write_all(file, closing)
                        file.truncate()
                    raise
            end, opening, closing = end + len(content), b',', b'\n]'

        if can_go_back:
            _write_all(file, closing)
        try:
            yield write
        finally:
            if not can_go_back:
                _write_all(file, closing)


def write_json(path: Path, content: Any) -> None:
    """Write a report.

    Raises:
        OSError: the file cannot be written.
    """
    with naming_file(path):
        path.write_text(json.dumps(content, indent=1))


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Let an error of the system say which file it is about, as it does not where a disk is full.

    Raises:
        OSError: the same as in the block, with a name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _write_all(file: FileIO, content: bytes) -> None:
    # The system may take less than all, and says why with the next call only.
    while content:
        content = content[file.write(content) :]


def plan_copies(sources: Sequence[Source], output: Path, ending: str = '') -> list[Path]:
    """Say where what is made of each file goes.

    Args:
        sources: the files.
        output: folder for the copies.
        ending: is put behind their names; without one they keep them, but videos and bags become
            MP4.

    Raises:
        ValueError: a copy would overwrite an original or another copy.
    """
    originals = {source.path.resolve() for source in sources}
    copy_of: dict[Path, Path] = {}
    for source in sources:
        copy = output / f'{source.name}{ending}'
        if source.kind == VIDEO and not ending:
            copy = copy.with_suffix('.mp4')
        elif source.kind == BAG and not ending:
            # The name of a folder may have dots.
            copy = copy.with_name(f'{copy.name}.mp4')
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
    """A file cannot be read; the text is one line that names it and says why.

    Attributes:
        problem: what comes behind its name.
    """

    def __init__(self, path: Path, problem: str) -> None:
        """Say of the file `path`, for instance, "is not a readable picture"."""
        super().__init__(f'{path} {problem}')
        self.problem = problem


def read_image(path: Path) -> Image:
    """Read a picture, uint8 H x W x 3 in BGR.

    Raises:
        UnreadableError: it is none, or has more than `MAX_PIXELS` pixels, which OpenCV reads from
            its header before memory is taken.
    """
    problem = f'is not a readable picture of at most {MAX_PIXELS // 1_000_000} megapixels'
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnreadableError(path, problem) from error
    if image is None:
        raise UnreadableError(path, problem)
    return image.astype(np.uint8, copy=False)


def write_image(path: Path, image: Image) -> None:
    """Write a picture, and the folders it lies in.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image):
        raise OSError(f'{path} cannot be written')


def record(
    file: str, frame: int, image: Image, faces: Iterable[Face], stamp: float | None = None
) -> Record:
    """Give what is known of one picture, ready for JSON.

    Returns:
        `file`, `frame`, `stamp` if there is one, `width`, `height` and `faces`, each with `box`
        [x, y, width, height] in pixels, `confidence`, `landmarks`, and `gender` and `emotion` with
        `label`, `confidence` and `probabilities` by label; an attribute that is switched off is
        None.
    """
    height, width = image.shape[:2]
    return {
        'file': file,
        'frame': frame,
        **({} if stamp is None else {'stamp': stamp}),
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


def _estimate_record(estimate: AttributeEstimate | None) -> dict[str, Any] | None:
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


@contextmanager
def read_video(path: Path) -> Iterator[Frames]:
    """Open a video file.

    Yields:
        its frames, with stamps from 0.

    Raises:
        UnreadableError: it is no video, its frames have more than `MAX_PIXELS` pixels, or, while
            they are read, it breaks off.
    """
    if not _is_video(path):
        raise UnreadableError(path, 'is not a readable video')
    video = cv2.VideoCapture(str(path))
    width = video.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        video.release()
        raise UnreadableError(
            path, f'has frames of {width:.0f} x {height:.0f}, expected at most {MAX_PIXELS} pixels'
        )
    fps = video.get(cv2.CAP_PROP_FPS)
    # What a broken container says may be anything; none is written or played at such a rate.
    fps = fps if 0 < fps <= MAX_FPS else DEFAULT_FPS
    try:
        yield Frames(fps, _video_frames(path, video, fps))
    finally:
        video.release()


def _is_video(path: Path) -> bool:
    """Tell whether a file begins as one of the containers does.

    FFmpeg, which reads videos for OpenCV, would also read lists of other files and addresses.
    """
    with path.open('rb') as file:
        start = file.read(12)
    return (
        start[4:8] in _MP4_BOXES
        or start.startswith((_MATROSKA, _MPEG_PROGRAM, _MPEG_SEQUENCE, _MPEG_TRANSPORT))
        or (start.startswith(b'RIFF') and start.endswith(b'AVI '))
    )


def _video_frames(path: Path, video: cv2.VideoCapture, fps: float) -> Iterator[Frame]:
    expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while True:
        try:
            readable, image = video.read()
        except cv2.error as error:
            raise UnreadableError(path, f'breaks off after {number} frames') from error
        if not readable:
            break
        yield Frame(number, number / fps, image)
        number += 1
    if number == 0:
        raise UnreadableError(path, 'is not a readable video')
    # A container may count a few frames more than it holds; one cut short lacks many.
    if number < 0.9 * expected:
        raise UnreadableError(path, f'breaks off after {number} of {expected} frames')


class VideoFile:
    """An MP4 video that is written picture by picture."""

    def __init__(self, path: Path, fps: float) -> None:
        """Write nothing yet: the first picture tells the size."""
        self._path = path
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._shape: tuple[int, ...] = ()

    def write(self, image: Image) -> None:
        """Add a picture; the first one makes the file, and the folders it lies in.

        Raises:
            OSError: it cannot be written there.
            ValueError: the picture has another size than the first.
        """
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            height, width = image.shape[:2]
            code = cv2.VideoWriter.fourcc(*VIDEO_CODE)
            writer = cv2.VideoWriter(str(self._path), code, self._fps, (width, height))
            if not writer.isOpened():
                raise OSError(f'{self._path} cannot be written')
            self._writer, self._shape = writer, image.shape
        if image.shape != self._shape:
            # OpenCV would leave it out without a word.
            raise ValueError(f'{self._path} cannot change its size')
        self._writer.write(image)
        self._written += 1

    def close(self) -> None:
        """Finish the file, if there was a picture.

        Raises:
            OSError: not all of it is in the file.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV says nothing where the disk is full.
        video = cv2.VideoCapture(str(self._path))
        readable = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.release()
        if readable < self._written:
            raise OSError(
                f'{self._path} holds {readable} of {self._written} pictures: is the disk full?'
            )

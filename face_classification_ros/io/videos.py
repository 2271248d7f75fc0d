"""Read and write video files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, ExitStack
from pathlib import Path
from typing import NamedTuple, TYPE_CHECKING

import cv2

from face_classification_ros import MAX_PIXELS
from face_classification_ros.io.errors import reading_file, UnreadableError
from face_classification_ros.io.file_names import portable_name
from face_classification_ros.requirements import install_command
from face_classification_ros.types import Image

if TYPE_CHECKING:
    from face_classification_ros.io.video_decoder import VideoDecoder

DEFAULT_FPS = 25.0
"""Frames per second of a video whose container has no plausible rate."""

MAX_FPS = 1000.0
"""Highest plausible number of frames per second."""

MIN_FPS = 0.01
"""Lowest number of frames per second of a video that is written."""

VIDEO_CODE = 'mp4v'


class Frame(NamedTuple):
    """A frame of a video or a recording.

    Attributes:
        number: from 0.
        stamp: time in seconds.
        image: uint8 H x W x 3 in BGR, valid until the next frame is read.
    """

    number: int
    stamp: float
    image: Image


class Frames(NamedTuple):
    """The frames of a video or a recording.

    Attributes:
        fps: frames per second; the mean rate of a recording.
        frames: read one by one; raises an `UnreadableError` where one cannot be read.
    """

    fps: float
    frames: Iterator[Frame]


@contextmanager
def read_video(path: Path) -> Iterator[Frames]:
    """Open a video file.

    Yields:
        Its frames, upright, with the times of the container as stamps, from 0.

    Raises:
        UnreadableError: the file is not a video, its frames have more than `MAX_PIXELS` pixels, or
            PyAV is not installed; while frames are read: the file is truncated.
    """
    try:
        # Takes a tenth of a second, and only videos need it.
        from face_classification_ros.io.video_decoder import VideoDecoder
    except ImportError as error:
        raise UnreadableError(
            path, f'needs PyAV ({error}): {install_command(["av"])}', 'package'
        ) from error
    with ExitStack() as stack:
        with reading_file(path):
            file = stack.enter_context(path.open('rb'))
            try:
                decoder = stack.enter_context(VideoDecoder(file))
            except ValueError as error:
                raise UnreadableError(path, 'is not a readable video') from error
        width, height = decoder.size
        if width * height > MAX_PIXELS:
            raise UnreadableError(
                path,
                f'has frames of {width} x {height}, expected at most {MAX_PIXELS} pixels',
                'too_large',
            )
        # A damaged container may contain any number.
        fps = decoder.rate if 0 < decoder.rate <= MAX_FPS else DEFAULT_FPS
        yield Frames(fps, _frames(path, decoder, fps))


def _frames(path: Path, decoder: VideoDecoder, fps: float) -> Iterator[Frame]:
    number = 0
    stamp = 0.0
    origin: float | None = None
    with reading_file(path):
        for time, image in decoder.frames():
            if number == 0:
                origin = time
            else:
                after = stamp
                stamp = 0.0 if time is None or origin is None else time - origin
                if stamp <= after:
                    # Some containers have no times, and joined ones may start again.
                    stamp = after + 1 / fps
            yield Frame(number, stamp, image)
            number += 1
    if number == 0:
        raise UnreadableError(path, 'is not a readable video')
    if decoder.is_truncated:
        raise UnreadableError(path, f'is truncated after {number} frames', 'truncated')


def _writable_rate(fps: float) -> float:
    """Return the next rate that is a decimal fraction with a numerator of at most 65535."""
    digits = next((digits for digits in (3, 2) if fps * 10**digits < 65_000), 1)
    return max(round(fps, digits), MIN_FPS)


class VideoFile:
    """An MP4 video that is written frame by frame."""

    def __init__(self, path: Path, fps: float) -> None:
        """Prepare a video; the file is created with the first frame, which determines its size.

        Args:
            path: file to write.
            fps: frames per second; rounded, since MPEG-4 has no others.
        """
        self._path = path
        self._fps = _writable_rate(fps)
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._shape: tuple[int, ...] = ()

    def write(self, image: Image) -> None:
        """Append a frame; the first one creates the file and its folder.

        Raises:
            OSError: the file cannot be written.
            ValueError: the frame differs in size from the first one.
        """
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Its error has the reason, that of OpenCV has none.
            self._path.open('ab').close()
            height, width = image.shape[:2]
            code = cv2.VideoWriter.fourcc(*VIDEO_CODE)
            with portable_name(self._path) as name:
                writer = cv2.VideoWriter(name, code, self._fps, (width, height))
            if not writer.isOpened():
                raise OSError(f'{self._path} cannot be written')
            self._writer, self._shape = writer, image.shape
        if image.shape != self._shape:
            # OpenCV would drop it silently.
            raise ValueError(f'the frames of {self._path} must have one size')
        self._writer.write(image)
        self._written += 1

    def close(self) -> None:
        """Finish the file, if there was a frame.

        Raises:
            OSError: the file lacks frames.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not report a full disk.
        with portable_name(self._path) as name:
            video = cv2.VideoCapture(name)
        readable = int(video.get(cv2.CAP_PROP_FRAME_COUNT)) if video.isOpened() else 0
        video.release()
        if readable < self._written:
            raise OSError(
                f'{self._path} contains {readable} of {self._written} frames: is the disk full?'
            )

"""Read and write video files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2

from face_classification_ros import MAX_PIXELS
from face_classification_ros.io.errors import reading_file, UnreadableError
from face_classification_ros.io.file_names import portable_name
from face_classification_ros.types import Image

DEFAULT_FPS = 25.0
"""Frames per second of a video whose container has no plausible rate."""

MAX_FPS = 1000.0
"""Highest plausible number of frames per second."""

MIN_FPS = 0.01
"""Lowest number of frames per second of a video that is written."""

VIDEO_CODE = 'mp4v'

_MP4_BOXES = (b'ftyp', b'moov', b'mdat', b'free', b'skip', b'wide', b'pnot')
_MATROSKA = b'\x1aE\xdf\xa3'
_MPEG_PROGRAM, _MPEG_SEQUENCE = b'\0\0\1\xba', b'\0\0\1\xb3'
_FLASH, _OGG = b'FLV\1', b'OggS'
_WINDOWS_MEDIA = b'\x30\x26\xb2\x75\x8e\x66\xcf\x11'

# Each packet of a transport stream starts with this byte; files .m2ts have a time before it.
_MPEG_TRANSPORT = ord('G')
_TRANSPORT_PACKETS = ((0, 188), (4, 192))


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
        Its frames, with stamps from 0.

    Raises:
        UnreadableError: the file is not a video, or its frames have more than `MAX_PIXELS`
            pixels; while frames are read: the file is truncated.
    """
    with reading_file(path):
        if not _is_video(path):
            raise UnreadableError(path, 'is not a readable video')
        with portable_name(path) as name:
            video = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
    width = video.get(cv2.CAP_PROP_FRAME_WIDTH)
    height = video.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        video.release()
        raise UnreadableError(
            path,
            f'has frames of {width:.0f} x {height:.0f}, expected at most {MAX_PIXELS} pixels',
            'too_large',
        )
    fps = video.get(cv2.CAP_PROP_FPS)
    # A damaged container may contain any number.
    fps = fps if 0 < fps <= MAX_FPS else DEFAULT_FPS
    try:
        yield Frames(fps, _frames(path, video, fps))
    finally:
        video.release()


def _is_video(path: Path) -> bool:
    """Check whether a file starts like one of the known containers.

    FFmpeg, which reads videos for OpenCV, would also open playlists of other files and URLs.
    """
    with path.open('rb') as file:
        start = file.read(512)
    return (
        start[4:8] in _MP4_BOXES
        or start.startswith((_MATROSKA, _MPEG_PROGRAM, _MPEG_SEQUENCE))
        or start.startswith((_FLASH, _OGG, _WINDOWS_MEDIA))
        or (start.startswith(b'RIFF') and start[8:12] == b'AVI ')
        or any(_is_transport(start[first:], size) for first, size in _TRANSPORT_PACKETS)
    )


def _is_transport(start: bytes, size: int) -> bool:
    packets = start[::size]
    return len(packets) > 1 and all(each == _MPEG_TRANSPORT for each in packets)


def _frames(path: Path, video: cv2.VideoCapture, fps: float) -> Iterator[Frame]:
    expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while True:
        try:
            readable, image = video.read()
        except cv2.error as error:
            raise UnreadableError(
                path, f'is truncated after {number} frames', 'truncated'
            ) from error
        if not readable:
            break
        yield Frame(number, number / fps, image)
        number += 1
    if number == 0:
        raise UnreadableError(path, 'is not a readable video')
    # Some containers count a few frames more than they contain; a truncated one lacks many.
    if number < 0.9 * expected:
        raise UnreadableError(
            path, f'is truncated after {number} of {expected} frames', 'truncated'
        )


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

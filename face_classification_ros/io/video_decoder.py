"""Decode video files with PyAV, which binds FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
import logging
from types import TracebackType
from typing import BinaryIO, NamedTuple

import av
from av.error import FFmpegError
import cv2
import numpy as np

from face_classification_ros import MAX_PIXELS
from face_classification_ros.types import Image

_STATED_DURATION = 'asf,avi,flv,matroska,mov'
_NO_DURATION = 'mpeg,mpegts,mpegvideo,ogg'
"""Containers that state their duration, and those that may start and end anywhere."""

# FFmpeg knows other formats, such as playlists, which refer to files and addresses.
_CONTAINER_OPTIONS = {
    'format_whitelist': f'{_STATED_DURATION},{_NO_DURATION}',
    'protocol_whitelist': 'none',
}

_MAX_MISSING = 0.1
_MAX_MISSING_SECONDS = 1.0
"""What may be missing at the end, as a fraction of the duration and in seconds."""

# PyAV 11, which is that of Ubuntu 24.04, logs each damaged packet by default.
logging.getLogger('libav').setLevel(logging.CRITICAL)


class DecodedFrame(NamedTuple):
    """A frame of a video.

    Attributes:
        time: in seconds, from an arbitrary origin; None if the container has no times.
        image: uint8 H x W x 3 in BGR, rotated as the container states.
    """

    time: float | None
    image: Image


class VideoDecoder:
    """Decodes the first video stream of a file.

    Attributes:
        size: width and height of the frames in pixels, before they are rotated.
        rate: mean number of frames per second; 0 if it is unknown.
        is_truncated: after the last frame, whether the file ends before the video does.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Read the header of a file.

        Args:
            file: to be kept open as long as frames are read. FFmpeg reads no other file.

        Raises:
            ValueError: the file is not a video in one of the known containers.
        """
        try:
            self._container = av.open(file, 'r', container_options=_CONTAINER_OPTIONS)
        except FFmpegError as error:
            raise ValueError('not a readable video') from error
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self._container.close()
            raise ValueError('no video that can be decoded')
        self._stream = streams[0]
        codec = self._stream.codec_context
        # The size may change between two frames.
        codec.options = {'max_pixels': str(MAX_PIXELS)}
        self.size = (codec.width, codec.height)
        self.rate = float(self._stream.average_rate or 0)
        self.is_truncated = False
        names = self._container.format.name.split(',')
        self._states_duration = not set(names).isdisjoint(_STATED_DURATION.split(','))

    def __enter__(self) -> VideoDecoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    def frames(self) -> Iterator[DecodedFrame]:
        """Decode all frames in the order in which they are shown, without those that cannot be.

        Raises:
            OSError: the file cannot be read.
        """
        end = 0.0
        number = 0
        incomplete = damaged = False
        try:
            for packet in self._container.demux():
                # Those without data make the decoder return its last frames.
                if packet.size:
                    incomplete = packet.is_corrupt
                    end = max(end, _end_of(packet))
                if packet.stream_index == self._stream.index:
                    for frame in _decode(packet):
                        yield DecodedFrame(frame.time, _to_image(frame))
                        damaged = frame.is_corrupt
                        number += 1
        except FFmpegError:
            incomplete = True
        if self._states_duration:
            self.is_truncated = incomplete or damaged or self._is_short(end, number)

    def _is_short(self, end: float, number: int) -> bool:
        """Check whether the file lacks its end, from when the last of so many frames ends."""
        container = self._container
        if container.format.name == 'avi' and self.rate:
            # FFmpeg adapts the duration of an AVI to the size of the file.
            expected = self._stream.frames / self.rate
        else:
            expected = (container.duration or 0) / av.time_base
        found = end - (container.start_time or 0) / av.time_base
        # Some containers have no duration of the last frame.
        limit = min(_MAX_MISSING * expected, _MAX_MISSING_SECONDS) + found / max(number, 1)
        return expected - found > limit


def _decode(packet: av.Packet) -> list[av.VideoFrame]:
    try:
        return packet.decode()
    except FFmpegError:
        return []


def _end_of(packet: av.Packet) -> float:
    start = packet.dts if packet.pts is None else packet.pts
    return 0.0 if start is None else float((start + (packet.duration or 0)) * packet.time_base)


def _to_image(frame: av.VideoFrame) -> Image:
    image = frame.to_ndarray(format='bgr24')
    matrix = frame.side_data.get('DISPLAYMATRIX')
    if matrix is None:
        return image
    return _upright(image, *np.frombuffer(bytes(matrix), np.int32)[[0, 1, 3, 4]])


def _upright(image: Image, a: int, b: int, c: int, d: int) -> Image:
    """Rotate and mirror an image by the nearest multiple of 90 degrees.

    Args:
        image: uint8 H x W x 3.
        a: with the others the matrix that maps x, y to a x + c y, b x + d y.
        b: see above.
        c: see above.
        d: see above.
    """
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = cv2.transpose(image), c, b
    if a < 0:
        image = cv2.flip(image, 1)
    return cv2.flip(image, 0) if d < 0 else image

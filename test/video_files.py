"""Write videos whose containers have times, edit lists and display matrices of their own."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
import struct

import av
import numpy as np

MATRICES = {
    'as it is': (1, 0, 0, 1),
    'turned right': (0, 1, -1, 0),
    'upside down': (-1, 0, 0, -1),
    'turned left': (0, -1, 1, 0),
    'mirrored': (-1, 0, 0, 1),
    'mirrored and turned': (0, 1, 1, 0),
}
"""Name -> a, b, c and d of the display matrix, which maps x, y to a x + c y, b x + d y."""


def write_timed_video(
    path: Path, images: Sequence[np.ndarray], stamps: Sequence[float], codec: str = 'mpeg4'
) -> None:
    """Write images, uint8 H x W x 3 in BGR, with any stamps in seconds."""
    # The stamps of an AVI are multiples of the time between two frames.
    rate = 100 if path.suffix == '.avi' else 25
    # Otherwise a truncated MP4 has no index, and is no video at all.
    options = {'movflags': 'faststart'} if path.suffix == '.mp4' else {}
    with av.open(str(path), 'w', options=options) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.time_base = Fraction(1, 100)
        stream.pix_fmt = 'yuvj420p' if codec == 'mjpeg' else 'yuv420p'
        stream.bit_rate = 4_000_000
        stream.height, stream.width = images[0].shape[:2]
        for image, stamp in zip(images, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format='bgr24')
            frame.pts, frame.time_base = round(100 * stamp), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def trim_mp4(path: Path, start: float, duration: float) -> None:
    """Let the edit list of an MP4 show a part only, in seconds, as phones do to trim a video."""
    data = bytearray(path.read_bytes())
    # Type, version and flags, time scale after two times.
    (scale,) = struct.unpack_from('>I', data, data.index(b'mdhd') + 16)
    (movie_scale,) = struct.unpack_from('>I', data, data.index(b'mvhd') + 16)
    # Type, version and flags, number of entries.
    place = data.index(b'elst') + 12
    struct.pack_into('>Ii', data, place, round(duration * movie_scale), round(start * scale))
    path.write_bytes(data)


def rotate_mp4(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Set the display matrix of an MP4, as phones do when they are held upright."""
    data = bytearray(path.read_bytes())
    a, b, c, d = (each << 16 for each in matrix)
    # Type, version and flags, and 36 bytes of other fields.
    place = data.index(b'tkhd') + 44
    struct.pack_into('>9i', data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)

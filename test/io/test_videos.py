"""Videos are read and written frame by frame."""

import errno
import io
from itertools import pairwise
import os
from pathlib import Path
import sys

from command_process import write_video
import cv2
import numpy as np
import pytest
from video_files import MATRICES, rotate_mp4, trim_mp4, write_timed_video

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.sources import find_sources, VIDEO
from face_classification_ros.io.videos import DEFAULT_FPS, read_video, VideoFile


def frame(value: int, width: int = 64) -> np.ndarray:
    """Return a uniform image."""
    return np.full((48, width, 3), value, np.uint8)


def test_a_written_video_can_be_read(tmp_path: Path) -> None:
    """Number, rate, stamps and content of the frames."""
    path = tmp_path / 'new' / 'a.mp4'
    video = VideoFile(path, 5)
    for value in (50, 100, 150):
        video.write(frame(value))
    video.close()
    with read_video(path) as frames:
        assert frames.fps == 5
        result = [(number, stamp, int(image.mean())) for number, stamp, image in frames.frames]
    assert [each[:2] for each in result] == [(0, 0.0), (1, 0.2), (2, 0.4)]
    assert [each[2] for each in result] == pytest.approx([50, 100, 150], abs=5)


def test_a_video_without_frames_is_no_file(tmp_path: Path) -> None:
    """The first frame creates it."""
    VideoFile(tmp_path / 'a.mp4', 5).close()
    assert not (tmp_path / 'a.mp4').exists()


def test_a_frame_of_another_size_is_rejected(tmp_path: Path) -> None:
    """Otherwise OpenCV would drop it silently."""
    video = VideoFile(tmp_path / 'a.mp4', 5)
    video.write(frame(0))
    with pytest.raises(ValueError, match='one size'):
        video.write(frame(0, width=80))
    video.close()


def test_a_video_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A folder is in its place."""
    (tmp_path / 'a.mp4').mkdir()
    with pytest.raises(OSError, match=r'a\.mp4'):
        VideoFile(tmp_path / 'a.mp4', 5).write(frame(0))


def test_a_truncated_video_is_unreadable(tmp_path: Path) -> None:
    """An AVI that lost its last third; its first frames can be read."""
    path = tmp_path / 'a.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 10, (64, 48))
    for value in range(30):
        writer.write(frame(8 * value))
    writer.release()
    path.write_bytes(path.read_bytes()[: 2 * path.stat().st_size // 3])
    numbers = []
    with pytest.raises(UnreadableError) as caught, read_video(path) as frames:
        for each in frames.frames:
            numbers.append(each.number)
    assert 10 < len(numbers) < 27
    assert caught.value.code == 'truncated'


def test_an_implausible_rate_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged container may contain any number."""
    write_video(tmp_path / 'a.mp4', 1)
    monkeypatch.setattr('face_classification_ros.io.videos.MAX_FPS', 5.0)
    with read_video(tmp_path / 'a.mp4') as frames:
        assert frames.fps == DEFAULT_FPS


@pytest.mark.parametrize(
    'fps', [1e-9, 0.0004, 0.5, 23.976, 59.9401, 65.5363, 119.123, 655.361, 999.99, 1000]
)
def test_any_rate_can_be_written(tmp_path: Path, fps: float) -> None:
    """MPEG-4 has rates with small numerators only."""
    video = VideoFile(tmp_path / 'a.mp4', fps)
    for _ in range(2):
        video.write(frame(0))
    video.close()
    copy = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    assert copy.get(cv2.CAP_PROP_FPS) == pytest.approx(max(fps, 0.01), rel=0.001)


@pytest.mark.parametrize('suffix', ['.3gp', '.flv', '.m2ts', '.mts', '.ts', '.wmv', '.ogv'])
def test_videos_in_other_containers_are_read(tmp_path: Path, suffix: str) -> None:
    """Each of them is found below a folder, too."""
    path = tmp_path / f'a{suffix}'
    codes = {'.flv': 'FLV1', '.wmv': 'WMV2', '.ogv': 'THEO', '.3gp': 'mp4v'}
    code = cv2.VideoWriter.fourcc(*codes.get(suffix, 'MPG2'))
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 25, (64, 48))
    if not writer.isOpened():
        pytest.skip(f'this OpenCV does not write {suffix}')
    for value in range(10):
        writer.write(frame(20 * value))
    writer.release()
    (source,) = find_sources([tmp_path]).sources
    assert source.kind == VIDEO
    with read_video(path) as frames:
        assert len(list(frames.frames)) == 10


GAP = [0.0, 0.04, 0.08, 3.08, 3.12, 3.16]
"""Stamps of a video of 25 Hz that stood still for 3 s."""

CODECS = {'.avi': 'mjpeg', '.flv': 'flv', '.mov': 'mjpeg', '.wmv': 'wmv2'}
"""Suffix -> codec of a container that has no MPEG-4, or where FFmpeg drops its times."""


def timed_video(path: Path, stamps: list[float]) -> None:
    """Write a video of gray images that become lighter by 10 from frame to frame."""
    images = [frame(10 * number % 250) for number in range(len(stamps))]
    write_timed_video(path, images, stamps, CODECS.get(path.suffix, 'mpeg4'))


def read(path: Path) -> list[tuple[int, float, int]]:
    """Return number, stamp and mean gray value of each frame."""
    with read_video(path) as frames:
        return [(number, stamp, int(image.mean())) for number, stamp, image in frames.frames]


@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv', '.avi', '.flv', '.ts', '.wmv'])
def test_stamps_are_the_times_of_the_container(tmp_path: Path, suffix: str) -> None:
    """A video of variable rate with a gap is whole, and the gap is as long as it was."""
    path = tmp_path / f'a{suffix}'
    timed_video(path, GAP)
    found = read(path)
    assert [each[0] for each in found] == list(range(len(GAP)))
    assert [each[1] for each in found] == pytest.approx(GAP, abs=0.002)


def test_a_slow_video_is_whole(tmp_path: Path) -> None:
    """Fewer frames than the rate of the container suggests, and none in the last second."""
    for suffix in ('.mp4', '.mkv', '.flv'):
        timed_video(tmp_path / f'a{suffix}', [0, 0.04, 1.5, 4.5, 6])
        assert len(read(tmp_path / f'a{suffix}')) == 5


@pytest.mark.parametrize('first', [0, 20])
def test_a_trimmed_video_is_whole(tmp_path: Path, first: int) -> None:
    """The edit list shows 10 of 50 frames; those before are decoded but not shown."""
    path = tmp_path / 'a.mp4'
    timed_video(path, [number / 25 for number in range(50)])
    trim_mp4(path, first / 25, 10 / 25)
    found = read(path)
    assert [each[1] for each in found] == pytest.approx([number / 25 for number in range(10)])
    gray = [10 * number % 250 for number in range(first, first + 10)]
    assert [each[2] for each in found] == pytest.approx(gray, abs=5)


@pytest.mark.parametrize('part', [0.4, 0.6, 0.8])
@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.avi', '.flv', '.wmv'])
def test_a_truncated_video_of_variable_rate_is_unreadable(
    tmp_path: Path, suffix: str, part: float
) -> None:
    """Its first frames are read, in any container that states how long it is."""
    path = tmp_path / f'a{suffix}'
    # Frames of the same size in bytes, so that the file has little else.
    noise = list(np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), np.uint8))
    stamps = [number / 25 + (number > 5) for number in range(100)]
    write_timed_video(path, noise, stamps, CODECS.get(suffix, 'mpeg4'))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    numbers = []
    with pytest.raises(UnreadableError) as caught, read_video(path) as frames:
        for each in frames.frames:
            numbers.append(each.number)
    assert caught.value.code == 'truncated'
    assert 5 < len(numbers) < 95


def test_a_video_that_lost_its_last_frame_is_unreadable(tmp_path: Path) -> None:
    """An MP4 that ends in the middle of it."""
    path = tmp_path / 'a.mp4'
    timed_video(path, [number / 25 for number in range(50)])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableError) as caught, read_video(path) as frames:
        list(frames.frames)
    assert caught.value.code == 'truncated'


@pytest.mark.parametrize('name', MATRICES)
def test_a_video_of_a_phone_is_upright(tmp_path: Path, name: str) -> None:
    """The container has a matrix that maps the corners of its images to those of a display."""
    image = np.zeros((48, 80, 3), np.uint8)
    image[:24, :40], image[:24, 40:], image[24:, :40] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    path = tmp_path / 'a.mp4'
    write_timed_video(path, [image] * 3, [0, 0.04, 0.08])
    rotate_mp4(path, MATRICES[name])
    expected = {
        'as it is': image,
        'turned right': cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
        'upside down': cv2.rotate(image, cv2.ROTATE_180),
        'turned left': cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
        'mirrored': image[:, ::-1],
        'mirrored and turned': image.transpose(1, 0, 2),
    }[name]
    with read_video(path) as frames:
        images = [each.image.copy() for each in frames.frames]
    assert len(images) == 3
    for found in images:
        assert found.shape == expected.shape
        assert np.abs(found.astype(int) - expected).mean() < 15


def test_joined_videos_have_increasing_stamps(tmp_path: Path) -> None:
    """The second part of a transport stream starts at its own time, which is that of the first."""
    path = tmp_path / 'a.ts'
    timed_video(path, [number / 25 for number in range(10)])
    path.write_bytes(2 * path.read_bytes())
    stamps = [each[1] for each in read(path)]
    assert len(stamps) == 20
    assert all(after > before for before, after in pairwise(stamps))


class FailingDisk(io.FileIO):
    """A file that cannot be read beyond its first half."""

    def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        """Read from the first half."""
        if self.tell() > os.fstat(self.fileno()).st_size // 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size) or b''


def test_an_error_of_the_disk_is_one_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames before it are read."""
    path = tmp_path / 'a.mp4'
    noise = list(np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), np.uint8))
    write_timed_video(path, noise, [number / 25 for number in range(100)])
    monkeypatch.setattr(Path, 'open', lambda path, _: FailingDisk(path))
    numbers = []
    with pytest.raises(UnreadableError) as caught, read_video(path) as frames:
        for each in frames.frames:
            numbers.append(each.number)
    assert caught.value.code == 'system'
    assert 5 < len(numbers) < 95


def test_without_pyav_a_video_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only videos need it, so the other files are processed."""
    monkeypatch.setitem(sys.modules, 'face_classification_ros.io.video_decoder', None)
    with pytest.raises(UnreadableError) as caught, read_video(tmp_path / 'a.mp4'):
        pass
    assert caught.value.code == 'package'

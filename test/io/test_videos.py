"""Videos are read and written frame by frame."""

from pathlib import Path

from command_process import write_video
import cv2
import numpy as np
import pytest

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

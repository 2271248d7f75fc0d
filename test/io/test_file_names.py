"""Files are read and written whatever the bytes of their names are."""

import os
from pathlib import Path
import shutil

from command_process import ASTRONAUT, run, write_video
import cv2
import numpy as np
import pytest

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.images import read_image, write_image
from face_classification_ros.io.videos import read_video, VideoFile

NAMES = [b'gr\xfcn', 'grün'.encode(), b'a?b#c%41:d %d', b'concat:a|b']


@pytest.fixture(params=NAMES, ids=['latin-1', 'utf-8', 'uri', 'protocol'])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder whose name is not ASCII."""
    folder = tmp_path / os.fsdecode(request.param)
    folder.mkdir()
    return folder


def test_images_of_any_name_are_read_and_written(folder: Path) -> None:
    """The name of the file has the same bytes as that of the folder."""
    path = folder / f'{folder.name}.png'
    image = np.full((4, 6, 3), 7, np.uint8)
    write_image(path, image)
    assert np.array_equal(read_image(path), image)


def test_videos_of_any_name_are_read_and_written(folder: Path) -> None:
    """Also the check of the number of frames at the end."""
    path = folder / f'{folder.name}.mp4'
    video = VideoFile(path, 5)
    for _ in range(3):
        video.write(np.full((48, 64, 3), 7, np.uint8))
    video.close()
    with read_video(path) as frames:
        assert len(list(frames.frames)) == 3


@pytest.mark.parametrize('storage', ['SQLITE3', 'MCAP'])
def test_recordings_of_any_name_are_read(folder: Path, storage: str) -> None:
    """As a folder and as a file."""
    pytest.importorskip('rosbags', reason='needs the extra [archive]')
    from face_classification_ros.io.bag_writer import write_sample
    from face_classification_ros.io.bags import open_bag

    images = [np.full((4, 6, 3), 7, np.uint8)] * 3
    bag = folder.parent / 'bag'
    write_sample(bag, images, 10, storage.lower(), compressed=False)
    (file,) = (each for each in bag.iterdir() if each.suffix != '.yaml')
    shutil.copy(file, folder / f'{folder.name}{file.suffix}')
    bag.rename(folder / folder.name)
    for path in (folder / folder.name, folder / f'{folder.name}{file.suffix}'):
        with open_bag(path) as frames:
            assert len(list(frames.frames)) == 3


def test_a_missing_video_is_unreadable(folder: Path) -> None:
    """The error has the path, and is an error of the system."""
    with pytest.raises(UnreadableError) as caught, read_video(folder / 'none.mp4'):
        pass
    assert (caught.value.path, caught.value.code) == (folder / 'none.mp4', 'system')


def test_files_of_any_name_are_classified_with_copies(folder: Path, tmp_path: Path) -> None:
    """An image and a video, with lines on a terminal and annotated copies."""
    shutil.copy(ASTRONAUT, folder / f'{folder.name}.png')
    write_video(tmp_path / 'a.mp4', 2)
    (tmp_path / 'a.mp4').rename(folder / f'{folder.name}.mp4')
    output = tmp_path / os.fsdecode(b'\xfcber')
    done = run('classify', folder, '--output', output)
    assert (done.returncode, done.stderr) == (0, '')
    assert len(done.stdout.splitlines()) == 3
    assert len(list(output.iterdir())) == 2
    assert all(each.stat().st_size for each in output.iterdir())
    assert cv2.imdecode(np.fromfile(output / f'{folder.name}.png', np.uint8), 1) is not None

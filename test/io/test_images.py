"""Image files are read whole or rejected, and written in the format of their suffix."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from face_classification_ros.io.errors import UnreadableError
from face_classification_ros.io.images import read_image, write_image

IMAGE = cv2.resize(
    np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8), (200, 160)
)


@pytest.mark.parametrize('progressive', [0, 1])
@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.webp', '.ppm'])
def test_a_truncated_image_is_unreadable(tmp_path: Path, suffix: str, progressive: int) -> None:
    """The decoder would fill the missing part of a JPEG file with gray."""
    path = tmp_path / f'half{suffix}'
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive] if suffix == '.jpg' else []
    content = cv2.imencode(suffix, IMAGE, options)[1].tobytes()
    path.write_bytes(content)
    assert read_image(path).shape == IMAGE.shape
    for size in (len(content) // 2, len(content) - 40, 40):
        path.write_bytes(content[:size])
        with pytest.raises(UnreadableError) as caught:
            read_image(path)
        assert caught.value.code == 'truncated'


@pytest.mark.parametrize(
    ('content', 'code'),
    [
        (b'', 'empty'),
        (b'no image', 'invalid'),
        (b'\0\0\0\x18ftypheic', 'unsupported'),
        (b'\x89PNG\r\n\x1a\n', 'truncated'),
    ],
)
def test_an_unreadable_image_has_the_one_reason_that_applies(
    tmp_path: Path, content: bytes, code: str
) -> None:
    """By its content, whatever its name, which may have bytes that are not UTF-8."""
    path = tmp_path / os.fsdecode(b'a\xff.png')
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        read_image(path)
    assert caught.value.code == code


def test_an_image_without_permission_is_unreadable(tmp_path: Path) -> None:
    """A link to itself is an error of the system, too, also for root."""
    (tmp_path / 'a.png').symlink_to(tmp_path / 'a.png')
    with pytest.raises(UnreadableError) as caught:
        read_image(tmp_path / 'a.png')
    assert caught.value.code == 'system'


def test_a_file_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    """A sparse file of a terabyte."""
    with (tmp_path / 'a.png').open('wb') as file:
        os.truncate(file.fileno(), 1 << 40)
    with pytest.raises(UnreadableError) as caught:
        read_image(tmp_path / 'a.png')
    assert caught.value.code == 'too_large'


@pytest.mark.parametrize('name', ['a', 'a.heic', 'a.txt'])
def test_an_image_without_a_format_is_not_written(tmp_path: Path, name: str) -> None:
    """The encoder would raise an error of its own."""
    with pytest.raises(OSError, match=name):
        write_image(tmp_path / name, IMAGE)

"""Open files of any name with C libraries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def portable_name(path: Path) -> Iterator[str]:
    """Provide a temporary name of a file that every C library can open.

    Names on Linux are bytes. OpenCV crashes if they are not UTF-8, and SQLite and FFmpeg
    interpret characters such as `?`, `#`, `%` and `:`.

    Args:
        path: path of a file or a folder; it may be missing, if its folder exists.

    Yields:
        Path of a symbolic link, ASCII with the suffix of the file. The link is removed after the
        block; a file that was opened by it stays open.

    Raises:
        OSError: no temporary file can be created.
    """
    suffix = path.suffix if path.suffix[1:].isalnum() and path.suffix.isascii() else ''
    with TemporaryDirectory(prefix='face_classification_') as folder:
        link = Path(folder) / f'file{suffix}'
        link.symlink_to(path.absolute())
        yield str(link)

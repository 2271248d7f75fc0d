"""Give files names that C libraries can open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def portable_name(path: Path) -> Iterator[str]:
    """Return another name of a file, whose characters no C library misunderstands.

    Names on Linux are bytes. OpenCV crashes where they are not UTF-8, and SQLite and FFmpeg
    interpret characters such as `?`, `#`, `%` and `:`.

    Args:
        path: of a file or a folder; it may be missing, if its folder exists.

    Yields:
        A symbolic link of ASCII letters with the suffix of the file, which is removed after the
        block; whoever has the file open can use it longer.

    Raises:
        OSError: no temporary file can be created.
    """
    suffix = path.suffix if path.suffix[1:].isalnum() and path.suffix.isascii() else ''
    with TemporaryDirectory(prefix='face_classification_') as folder:
        link = Path(folder) / f'file{suffix}'
        link.symlink_to(path.absolute())
        yield str(link)

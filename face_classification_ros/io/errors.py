"""Define errors about files: unreadable input, and system errors that name their file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UnreadableError(ValueError):
    """A file cannot be read; the message is one line with its path and the reason.

    Attributes:
        problem: the reason, without the path.
    """

    def __init__(self, path: Path, problem: str) -> None:
        """Set path and problem, for instance "is not a readable video"."""
        super().__init__(f'{path} {problem}')
        self.problem = problem


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Add the path to errors of the system that lack it, such as those of a full disk.

    Raises:
        OSError: the error raised in the block, with a file name.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error

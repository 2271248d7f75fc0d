"""Define errors about files: unreadable input, unwritable output, and errors of the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileError(ValueError):
    """A file cannot be read or written; the message is one line with its path and the reason.

    Attributes:
        path: path of the file.
        problem: the reason, without the path.
        code: the reason for programs, such as 'truncated'.
    """

    def __init__(self, path: Path, problem: str, code: str) -> None:
        """Set path, problem and code."""
        # `args` stay those of the class, as pickle needs them.
        self.path = path
        self.problem = problem
        self.code = code

    def __str__(self) -> str:
        """Return path and problem."""
        return f'{self.path} {self.problem}'


class UnreadableError(FileError):
    """A file cannot be read, or not to its end.

    Codes: 'invalid' (not a file of its kind), 'empty', 'truncated' (or damaged), 'unsupported' (a
    format that the installed library cannot read), 'incomplete' (it has less than it
    promises), 'topic', 'too_large', 'system' (an error of the system such as a missing
    permission), 'not_a_file' (such as a pipe or a broken link), 'invalid_images' (some images
    of a recording are invalid), 'memory' (it needs more than there is), 'frame_size' (the frames
    change their size), 'package' (a package that reads it is missing) and 'worker' (every process
    that reads it ends).
    """

    def __init__(self, path: Path, problem: str, code: str = 'invalid') -> None:
        """Set path and problem, for instance "is not a readable video"."""
        super().__init__(path, problem, code)


class UnwritableError(FileError):
    """The annotated copy of a file cannot be written."""

    def __init__(self, path: Path, problem: str, code: str = 'copy') -> None:
        """Set path and problem."""
        super().__init__(path, problem, code)


def system_error_text(error: OSError) -> str:
    """Return the file and the reason of an error of the system, without its number."""
    if error.filename is None or error.strerror is None:
        return error.strerror or str(error)
    return f'{error.filename}: {error.strerror}'


@contextmanager
def reading_file(path: Path) -> Iterator[None]:
    """Convert errors of the system, such as a missing permission, to an `UnreadableError`.

    Raises:
        UnreadableError: with the code 'system'.
    """
    try:
        yield
    except OSError as error:
        problem = f'cannot be read: {error.strerror or error}'
        raise UnreadableError(path, problem, 'system') from error


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

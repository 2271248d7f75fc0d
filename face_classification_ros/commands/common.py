"""Share exit codes, messages and hints at missing extras among the sub-commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import sys

DONE, NO, WRONG_USE = 0, 1, 2
"""Exit codes: done; it ran and the result is negative; wrong use or unreadable input."""


def print_problem(problem: object) -> None:
    """Print a problem to stderr, after the name of the command."""
    print(f'face_classification: {problem}', file=sys.stderr)


@contextmanager
def needs_extra(extra: str, task: str) -> Iterator[None]:
    """Add to an ImportError which extra of the package to install.

    Args:
        extra: of pyproject.toml.
        task: that needs it, for the message.

    Raises:
        ImportError: the one of the block, with the hint.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{error}; {task} needs: pip install 'face_classification_ros[{extra}]'"
        ) from error

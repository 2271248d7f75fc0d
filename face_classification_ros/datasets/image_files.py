"""Find the image files of a data set, and warn of what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import os
from pathlib import Path
from typing import NoReturn
import warnings

from face_classification_ros.io.sources import IMAGE_SUFFIXES

NAMES = 5
"""Number of files that one warning names."""


class OmissionWarning(UserWarning):
    """Some files or rows of a data set are left out."""


def warn_of_omissions(what: str, names: Iterable[object]) -> None:
    """Issue an `OmissionWarning` with the number of what is left out and the first names.

    Args:
        what: is left out and why, for the message.
        names: of all of it; nothing is issued if there are none.
    """
    listed = list(map(str, names))
    if listed:
        more = ', ...' if len(listed) > NAMES else ''
        text = f'left out {len(listed)} {what}: {", ".join(listed[:NAMES])}{more}'
        warnings.warn(text, OmissionWarning, stacklevel=2)


def is_image(path: Path) -> bool:
    """Return whether a path has the suffix of an image format."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def files_below(folder: Path) -> Sequence[Path]:
    """Return all files below a folder without hidden ones, also in linked folders, sorted.

    Raises:
        OSError: a folder cannot be read.
    """
    files: list[Path] = []
    visited: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        # Links may form a circle.
        if os.path.realpath(root) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(root))
        folders[:] = [name for name in folders if not name.startswith('.')]
        files += [Path(root, name) for name in names if not name.startswith('.')]
    return sorted(files)


def _raise(error: OSError) -> NoReturn:
    raise error

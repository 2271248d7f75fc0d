"""Write results and reports as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from face_classification_ros.io.errors import naming_file

if TYPE_CHECKING:
    from face_classification_ros.types import FrameFaces

JSON_LINES = '.jsonl'
"""Suffix of a file with one JSON object per line."""

WriteRecord = Callable[['FrameFaces'], None]


@contextmanager
def record_writer(path: Path) -> Iterator[WriteRecord]:
    """Write results to a file one by one, so that none has to be kept in memory.

    Creates the folder of the file. Records are those of `FrameFaces.to_dict`. A file `.jsonl` has
    one record per line and can be read at any time, also after the process was killed; any other
    is a JSON array, which is complete after the block, also if it ends with an exception.

    Yields:
        A function that writes a record.

    Raises:
        OSError: the file cannot be written.
    """
    is_array = path.suffix != JSON_LINES
    with naming_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open('w', encoding='utf-8')
    separator = '\n'
    if is_array:
        file.write('[')

    def write(record: FrameFaces) -> None:
        nonlocal separator
        text = json.dumps(record.to_dict())
        with naming_file(path):
            file.write(f'{separator}{text}' if is_array else f'{text}\n')
            file.flush()
        separator = ',\n'

    try:
        yield write
    finally:
        with naming_file(path), file:
            if is_array:
                file.write('\n]\n')


def write_json(path: Path, content: Any) -> None:
    """Write a report as JSON, and create its folder.

    Raises:
        OSError: the file cannot be written.
    """
    with naming_file(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1), encoding='utf-8')

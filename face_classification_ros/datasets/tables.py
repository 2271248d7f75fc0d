"""Tables of data sets, in any of the encodings in which spreadsheets save them."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
import csv
import itertools
from pathlib import Path

DELIMITERS = ',;\t'
"""Of spreadsheets: by default, in countries with a decimal comma, and for Unicode text."""


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8, UTF-16 with a byte order mark, or Windows-1252.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is in none of these encodings; the line names it.
    """
    return path.read_text(_encoding_of(path))


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the rows of a CSV file with at least these columns.

    Columns are separated by commas, semicolons or tabs; spaces around names and values do not
    count. A value that a row lacks is empty. Encodings are those of `read_text`.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a table, a column is missing, or a row has more values than
            there are columns; the line names the file.
    """
    rows: list[dict[str, str]] = []
    names: list[str] = []
    with open(path, encoding=_encoding_of(path), newline='') as file:
        header = file.readline()
        file.seek(0)
        # Of several the most frequent one, as a name may contain another.
        delimiter = max(DELIMITERS, key=header.count)
        lines = csv.reader(file, delimiter=delimiter, skipinitialspace=True)
        try:
            for values in lines:
                row = _stripped(values)
                if not names:
                    names = row
                    _check_columns(path, names, columns)
                elif row:
                    if len(row) > len(names):
                        raise ValueError(
                            f'{path}, line {lines.line_num}: {len(row)} values, '
                            f'but {len(names)} columns'
                        )
                    rows.append(dict(itertools.zip_longest(names, row, fillvalue='')))
        except csv.Error as error:
            raise ValueError(f'{path}, line {lines.line_num}: {error}') from error
    _check_columns(path, names, columns)
    return rows


def _encoding_of(path: Path) -> str:
    """Return the encoding of a text file, which is read line by line as it may be large."""
    with open(path, 'rb') as binary:
        utf16 = binary.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    for encoding in ('utf-16',) if utf16 else ('utf-8-sig', 'cp1252'):
        try:
            with open(path, encoding=encoding) as file:
                if not any('\0' in line for line in file):
                    return encoding
        except UnicodeDecodeError:
            continue
    raise ValueError(f'{path} is not a text file; save it as CSV UTF-8')


def _stripped(values: Sequence[str]) -> list[str]:
    """Return values without spaces around them, and without the empty ones at the end."""
    row = [value.strip() for value in values]
    while row and not row[-1]:
        row.pop()
    return row


def _check_columns(path: Path, names: Sequence[str], columns: Sequence[str]) -> None:
    for column in columns:
        if column not in names:
            raise ValueError(
                f'{path} has no column {column!r}; its columns are {", ".join(names)}'
            )

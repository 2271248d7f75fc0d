"""Write a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [header, ['---'] * len(header), *rows]
    escaped = ([cell.replace('|', '&#124;') for cell in line] for line in lines)
    return ''.join(f'| {" | ".join(line)} |\n' for line in escaped)

"""Generate the pages of messages, services and actions from their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re

from markdown_table import table

PARTS = {
    '.msg': [''],
    '.srv': ['Request', 'Response'],
    '.action': ['Goal', 'Result', 'Feedback'],
}
"""Suffix of a file -> names of its parts, which `---` separates."""

COMMENTED_FIELDS = re.compile(r'((?:#.*\n)*)((?:[^#\n].*\n)+)')
"""A comment, which may be empty, and the fields that it describes."""


def messages(folder: Path) -> str:
    """Return the page of all messages."""
    return f'# Messages\n\n{_interfaces(folder)}'


def services(folder: Path) -> str:
    """Return the page of all services."""
    text = 'What they do, and the codes of rejected requests: [the node](node.md#services).'
    return f'# Services\n\n{text}\n\n{_interfaces(folder)}'


def actions(folder: Path) -> str:
    """Return the page of all actions."""
    text = 'What it does, and its outcomes: [the node](node.md#action-observe).'
    return f'# Actions\n\n{text}\n\n{_interfaces(folder)}'


def _interfaces(folder: Path) -> str:
    return '\n'.join(_interface(path) for path in sorted(folder.iterdir()))


def _interface(path: Path) -> str:
    """Return the section of a message, a service or an action."""
    summary, _, definition = path.read_text().partition('\n\n')
    sections = [f'## {path.stem}\n\n{_text(summary)}\n']
    for name, part in zip(PARTS[path.suffix], definition.split('---\n'), strict=True):
        title = f'### {path.stem}: {name}\n\n' if name else ''
        sections.append(title + table(['field', 'type', ''], _rows(part)))
    return '\n'.join(sections)


def _rows(part: str) -> Iterator[list[str]]:
    """Yield a row for each group of fields that have a comment in common."""
    for comment, fields in COMMENTED_FIELDS.findall(part):
        declared = [line.split(maxsplit=1) for line in fields.splitlines()]
        names = [f'`{name.replace("=", " = ")}`' for _, name in declared]
        types = dict.fromkeys(_type(kind) for kind, _ in declared)
        yield [', '.join(names), ', '.join(types), _text(comment)]


def _type(name: str) -> str:
    """Return a type, with a link if it is one of the package."""
    element = name.removesuffix('[]')
    return f'[{name}](messages.md#{element.lower()})' if element[0].isupper() else f'`{name}`'


def _text(comment: str) -> str:
    """Return a comment as a line of text, with links to pages of the manual."""
    text = ' '.join(line.removeprefix('#').strip() for line in comment.splitlines())
    return re.sub(r'docs/reference/(\w+\.md)', r'[the reference](\1)', text)

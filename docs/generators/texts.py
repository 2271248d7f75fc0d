"""Generate the pages of the options, the model cards and the change log from their texts."""

from __future__ import annotations

from contextlib import redirect_stdout, suppress
import io
import os
from pathlib import Path
import re

from face_classification_ros.commands.main import create_parser
from face_classification_ros.commands.registry import COMMANDS

# The width of the help texts.
os.environ['COLUMNS'] = '96'


def options(_: Path) -> str:
    """Return the page with the help texts of all sub-commands."""
    text = 'What `--help` prints. [The command](command.md) explains more.'
    sections = [f'## {name}\n\n```text\n{_help(name)}```\n' for name in COMMANDS]
    return '\n'.join([f'# Options of the command\n\n{text}\n', *sections])


def _help(command: str) -> str:
    """Return the help text of a sub-command."""
    with redirect_stdout(io.StringIO()) as printed, suppress(SystemExit):
        create_parser().parse_args([command, '--help'])
    return printed.getvalue()


def model_cards(folder: Path) -> str:
    """Return the page that lists all model cards, with the first paragraph of each."""
    sections = ['# Model cards\n']
    for path in sorted(folder.glob('*.md')):
        title, paragraph, *_ = path.read_text().removeprefix('# ').split('\n\n')
        sections.append(f'## [{title}]({path.name})\n\n{paragraph}\n')
    return '\n'.join(sections)


def changelog(path: Path) -> str:
    """Return the change log, which is in reStructuredText as ROS requires."""
    _, *sections = re.split(r'^(\S.*)\n-+\n', path.read_text(), flags=re.MULTILINE)
    text = ''.join(
        f'## {title}\n\n{content}\n'
        for title, content in zip(sections[::2], sections[1::2], strict=True)
    )
    return f'# Changes\n\n{text.replace("``", "`")}'

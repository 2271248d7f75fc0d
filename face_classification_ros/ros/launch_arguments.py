"""Reject arguments of `ros2 launch` that a launch file does not have: launch ignores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
import sys


def check_launch_arguments(
    file: str, names: Iterable[str], command_line: Sequence[str] = sys.argv
) -> None:
    """Check the arguments on the command line if it names this launch file.

    A launch file that includes this one has arguments of its own.

    Args:
        file: path of the launch file.
        names: of its arguments.
        command_line: of the process.

    Raises:
        ValueError: an argument does not exist.
    """
    if Path(file).name not in (Path(each).name for each in command_line):
        return
    known = set(names)
    given = (each.partition(':=')[0] for each in command_line if ':=' in each)
    if unknown := [name for name in given if name not in known]:
        raise ValueError(
            f'{Path(file).name} has no argument {", ".join(unknown)}; it has '
            f'{", ".join(sorted(known))}'
        )

"""Run the command `face_classification`, which has one sub-command per task."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import importlib
import io
import sys
from typing import Any, NoReturn
import warnings
from xml.etree import ElementTree

from face_classification_ros.commands.common import exit_code, print_problem, PROGRAM, WRONG_USE
from face_classification_ros.commands.registry import COMMANDS
from face_classification_ros.datasets.image_files import OmissionWarning
from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.memory import check_address_space, COMMAND_SPACE


def main(args: list[str] | None = None) -> int:
    """Run a sub-command and return its exit code; a problem is reported in one line.

    Args:
        args: command line without the program, that of the process if it is None.
    """
    _print_any_character()
    return exit_code(lambda: _run(args))


def _run(args: list[str] | None) -> int:
    arguments = create_parser().parse_args(args)
    check_address_space(COMMAND_SPACE)
    with _omissions_as_problems():
        return int(arguments.run(arguments))


def _print_any_character() -> None:
    """Escape what the encoding of the terminal lacks, such as an umlaut in a file name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


@contextmanager
def _omissions_as_problems() -> Iterator[None]:
    """Print an `OmissionWarning` like a problem, without the line of code that issued it."""
    with warnings.catch_warnings():
        show_other = warnings.showwarning

        def show(
            message: Warning | str, category: type[Warning], *place: Any, **more: Any
        ) -> None:
            if issubclass(category, OmissionWarning):
                print_problem(message)
            else:
                show_other(message, category, *place, **more)

        warnings.showwarning = show
        yield


class _Parser(argparse.ArgumentParser):
    """Reports incorrect usage in one line, without the usage of all options."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f'{self.prog}: {message}; see {self.prog} --help\n')


class _PrintVersion(argparse.Action):
    """Prints the version in package.xml, which pip and colcon install."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        description = ElementTree.parse(share_folder() / 'package.xml')
        print(f'{parser.prog} {description.findtext("version")}')
        parser.exit()


def create_parser() -> argparse.ArgumentParser:
    """Return the parser of the command with all its sub-commands."""
    parser = _Parser(
        prog=PROGRAM,
        description='Detect faces and classify their attributes; train, evaluate and explain the '
        'networks that do it.',
        epilog='Exit codes: 0 done; 1 a negative result, or interrupted; 2 incorrect usage or '
        'unreadable input.',
    )
    parser.add_argument(
        '--version', action=_PrintVersion, nargs=0, help='print the version of the package'
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    for name, module_name in COMMANDS.items():
        module = importlib.import_module(f'{__package__}.{module_name}')
        summary, _, details = (module.__doc__ or '').partition('\n')
        summary = summary.rstrip('.')
        command = commands.add_parser(
            name,
            help=summary[:1].lower() + summary[1:],
            description=f'{summary}. {details}',
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser

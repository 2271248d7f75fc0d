"""What the sub-commands have in common: exit codes, messages, imports of optional packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from face_classification_ros.io.errors import system_error_text
from face_classification_ros.memory import is_out_of_memory, memory_error_text
from face_classification_ros.requirements import EXTRAS, needs_modules

if TYPE_CHECKING:
    from face_classification_ros.datasets.face_dataset import FaceDataset
    from face_classification_ros.io.sources import FoundSources

DONE, NO, WRONG_USE = 0, 1, 2
"""Exit codes: done; a negative result, or interrupted; incorrect usage or unreadable input."""

PROGRAM = 'face_classification'

NAMES = 5
"""Number of files that one message names."""


def exit_code(run: Callable[[], int | None], program: str = PROGRAM) -> int:
    """Return the exit code of a function; a problem is reported in one line.

    Args:
        run: returns its exit code, or None if it is done.
        program: name in the report of a problem.

    Raises:
        Exception: any other error than those of files, values, imports and memory.
    """
    try:
        try:
            return run() or DONE
        finally:
            # Otherwise a closed pipe is found only when the interpreter ends, which prints it.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has what it wants. What is still buffered goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO
    except OSError as error:
        print_problem(system_error_text(error), program)
        return WRONG_USE
    except (ValueError, ImportError) as error:
        is_interrupt = _is_interrupt(error)
        print_problem('interrupted' if is_interrupt else error, program)
        return NO if is_interrupt else WRONG_USE
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        print_problem(memory_error_text(error), program)
        return WRONG_USE
    except KeyboardInterrupt:
        print_problem('interrupted', program)
        return NO


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether Ctrl+C caused an error: libraries in C then raise an ImportError."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def print_problem(problem: object, program: str = PROGRAM) -> None:
    """Print a problem to stderr, after the name of the program."""
    print(f'{program}: {problem}', file=sys.stderr)


def print_single_label(dataset: FaceDataset) -> None:
    """Print that all faces of a data set have one label, of which accuracy alone says little."""
    indices = set(dataset.y_true.tolist())
    if len(indices) == 1:
        print_problem(
            f'{dataset.name}: all {len(dataset)} faces are labeled '
            f'{dataset.labels[indices.pop()]!r}, so the figures say nothing about other labels'
        )


def print_omissions(found: FoundSources) -> int:
    """Print what is unreadable or left out below the paths of a user, and return the exit code."""
    for error in found.unreadable:
        print_problem(error)
    if found.left_out:
        names = ', '.join(map(str, found.left_out[:NAMES]))
        more = ', ...' if len(found.left_out) > NAMES else ''
        print_problem(
            f'{len(found.left_out)} left out, unknown file name extension: {names}{more}'
        )
    return WRONG_USE if found.unreadable else DONE


@contextmanager
def needs_extra(extra: str, task: str) -> Iterator[None]:
    """Add to an ImportError how to install what an extra of the package needs.

    Args:
        extra: name of an extra in pyproject.toml.
        task: that needs it, for the message.

    Raises:
        ImportError: the one of the block, with the hint.
    """
    with needs_modules(EXTRAS[extra].modules, task):
        yield


@contextmanager
def loading_tensorflow(task: str) -> Iterator[None]:
    """Import TensorFlow in the block without what it prints about processors.

    Args:
        task: that needs it, for the message.

    Raises:
        ImportError: the one of the block, with the extra of the package to install.
    """
    # It prints before it knows its own level of logging, and not through Python.
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as printed, needs_extra('train', task):
        os.dup2(printed.fileno(), 2)
        try:
            yield
        except BaseException:
            printed.seek(0)
            os.write(stderr, printed.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)

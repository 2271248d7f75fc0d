"""Read an expectation from YAML, or report all that is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
import reprlib
from typing import Any, NamedTuple

from pydantic import Field, model_validator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import Self

from face_classification_ros.networks.settings import read_yaml
from face_classification_ros.ros.replay.expectation.entries import (
    Difference,
    Entry,
    FaceBox,
    FaceCount,
    FaceLabels,
    FaceRate,
    from_start,
    Latency,
    TrackCount,
)
from face_classification_ros.ros.replay.expectation.values import Model
from face_classification_ros.types import FrameFaces

MAX_NAME = 40
"""Characters of the longest name that a problem repeats in full."""

# Where pydantic's own words are those of Python.
_MESSAGES = {
    'missing': 'is missing',
    'too_short': 'is empty, expected at least one',
    **dict.fromkeys(('model_type', 'dict_type'), 'should be a mapping of names to values'),
}


class Problem(NamedTuple):
    """Something that is wrong with an expectation.

    Attributes:
        place: such as `faces[0].min`; "" for the expectation as a whole.
        code: the type of the error, such as `unknown_name`, or pydantic's own, such as `missing`.
        text: what is wrong, and what was expected.
    """

    place: str
    code: str
    text: str

    def __str__(self) -> str:
        return f'{self.place}: {self.text}' if self.place else self.text


class ExpectationError(ValueError):
    """An expectation is invalid; the text has one line per problem.

    Attributes:
        problems: all of them, in the order of the expectation.
    """

    def __init__(self, problems: Sequence[Problem], path: Path | None = None) -> None:
        self.problems = tuple(problems)
        file = f'{path}: ' if path else ''
        super().__init__('\n'.join(f'{file}{problem}' for problem in self.problems))


class Expectation(Model):
    """What a recording is expected to show."""

    faces: list[FaceCount] = Field(default=[])
    faces_per_second: list[FaceRate] = Field(default=[])
    tracks: list[TrackCount] = Field(default=[])
    labels: list[FaceLabels] = Field(default=[])
    boxes: list[FaceBox] = Field(default=[])
    latency: Latency | None = None

    @model_validator(mode='after')
    def _check_not_empty(self) -> Self:
        if not self.entries:
            names = ', '.join(type(self).model_fields)
            raise PydanticCustomError('no_entries', 'needs some of {names}', {'names': names})
        return self

    @property
    def entries(self) -> dict[str, Entry]:
        """All entries by their place, such as `labels[2]`."""
        lists = [name for name in type(self).model_fields if name != 'latency']
        entries: dict[str, Entry] = {
            f'{name}[{index}]': entry
            for name in lists
            for index, entry in enumerate(getattr(self, name))
        }
        return entries if self.latency is None else {**entries, 'latency': self.latency}

    def check_attributes(self, available: Collection[str], path: Path | None = None) -> None:
        """Check that models estimate every attribute of `labels`.

        Args:
            available: the attributes that are estimated.
            path: file of the expectation, for the error.

        Raises:
            ExpectationError: an attribute is not estimated; its code is `unknown_attribute`.
        """
        known = ', '.join(available) or 'none'
        problems = [
            Problem(
                f'labels[{index}].attributes',
                'unknown_attribute',
                f'no model estimates {reprlib.repr(name)}; available: {known}',
            )
            for index, entry in enumerate(self.labels)
            for name in entry.attributes
            if name not in available
        ]
        if problems:
            raise ExpectationError(problems, path)

    def differences(self, frames: Sequence[FrameFaces]) -> list[Difference]:
        """Return how the results of a recording, in its order, differ from what is expected."""
        frames = from_start(frames)
        return [
            difference
            for place, entry in self.entries.items()
            for difference in entry.differences(place, frames)
        ]


def read_expectation(path: Path) -> Expectation:
    """Read an expectation from a YAML file; docs/how_to/replay.md describes what it may contain.

    Raises:
        OSError: the file cannot be read.
        ExpectationError: the expectation is invalid.
        ValueError: the file is not YAML or too large.
    """
    return _validate(read_yaml(path), path)


def parse_expectation(content: Any) -> Expectation:
    """Return an expectation from its content, read from YAML or JSON.

    Raises:
        ExpectationError: the expectation is invalid.
    """
    return _validate(content, None)


def _validate(content: Any, path: Path | None) -> Expectation:
    try:
        return Expectation.model_validate(content)
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors(include_url=False)]
        raise ExpectationError(problems, path) from None


def _problem(error: ErrorDetails) -> Problem:
    text = _MESSAGES.get(error['type'], error['msg'].removeprefix('Input '))
    # The text alone says what is wrong with a mapping as a whole.
    value = '' if isinstance(error['input'], dict) else f', not {reprlib.repr(error["input"])}'
    return Problem(_place(error['loc']), error['type'], text + value)


def _place(parts: Sequence[int | str]) -> str:
    place = ''
    for part in parts:
        if isinstance(part, int):
            place += f'[{part}]'
        # pydantic's mark of a wrong key, which the place ends with already.
        elif part != '[key]':
            is_plain = len(part) <= MAX_NAME and part.isprintable()
            place += f'.{part if is_plain else reprlib.repr(part)}'
    return place.removeprefix('.')

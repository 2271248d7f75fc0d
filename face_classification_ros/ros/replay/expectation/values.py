"""Values that an expectation consists of, as YAML has them, checked by pydantic."""

from __future__ import annotations

import math
import reprlib
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
    ModelWrapValidatorHandler,
    NonNegativeFloat,
    PositiveFloat,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from typing_extensions import Self

from face_classification_ros.types import BoundingBox

_BOX = TypeAdapter(
    tuple[float, float, PositiveFloat, PositiveFloat], config=ConfigDict(allow_inf_nan=False)
)


def _parse_box(value: object) -> BoundingBox:
    try:
        return BoundingBox(*_BOX.validate_python(value))
    except ValidationError as error:
        raise PydanticCustomError(
            'invalid_box', 'should be [x, y, width, height] in pixels, with a size above 0'
        ) from error


def _parse_labels(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        return [value]
    raise PydanticCustomError('invalid_labels', 'should be a label or a list of labels')


def _parse_track(value: object) -> object:
    # YAML reads the track id 1 as a number.
    return str(value) if type(value) is int else value


BoxValue = Annotated[BoundingBox, BeforeValidator(_parse_box)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, MinLen(1)]
Labels = Annotated[list[Name], BeforeValidator(_parse_labels), MinLen(1)]
Track = Annotated[Name, BeforeValidator(_parse_track)]


def _unknown_name(name: object, known: list[str], values: object) -> InitErrorDetails:
    problem = PydanticCustomError(
        'unknown_name',
        'has the unknown name {name}, expected some of {known}',
        {'name': reprlib.repr(name), 'known': ', '.join(known)},
    )
    return InitErrorDetails(type=problem, input=values)


def _kept(error: ErrorDetails) -> InitErrorDetails:
    """Return an error in the form in which it can be raised again."""
    problem = PydanticCustomError(error['type'], '{text}', {'text': error['msg']})
    return InitErrorDetails(type=problem, loc=error['loc'], input=error['input'])


class Model(BaseModel):
    """A mapping of names to values without conversions between types."""

    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode='wrap')
    @classmethod
    def _check_names(cls, values: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        # Not extra='forbid', whose message does not list the known names.
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [name for name in values if name not in known] if type(values) is dict else []
        if not unknown:
            return check(values)
        problems = [_unknown_name(name, known, values) for name in unknown]
        try:
            check({name: value for name, value in values.items() if name in known})
        except ValidationError as error:
            # A name that is missing is probably the unknown one.
            problems += [_kept(each) for each in error.errors() if each['type'] != 'missing']
        raise ValidationError.from_exception_data(cls.__name__, problems)


class TimeSpan(Model):
    """The frames at `start` <= time < `end`, in seconds."""

    start: NonNegativeFloat = Field(default=0.0, alias='from')
    end: NonNegativeFloat = Field(default=math.inf, alias='to')

    @model_validator(mode='after')
    def _check_order(self) -> Self:
        if self.end <= self.start:
            raise PydanticCustomError(
                'empty_time_span',
                'ends at {end} s, expected later than its start at {start} s',
                {'start': f'{self.start:g}', 'end': f'{self.end:g}'},
            )
        return self

    @property
    def span_text(self) -> str:
        """The time span in words."""
        if self.end < math.inf:
            return f'from {self.start:g} to {self.end:g} s'
        return f'from {self.start:g} s to the end' if self.start else 'at all times'


class Limits(Model):
    """A number between `min` and `max`, of which one may be missing."""

    min: NonNegativeFloat | None = None
    max: NonNegativeFloat | None = None

    @model_validator(mode='after')
    def _check_limits(self) -> Self:
        if self.min is None and self.max is None:
            raise PydanticCustomError('no_limits', 'needs min, max or both')
        if self.min is not None and self.max is not None and self.max < self.min:
            raise PydanticCustomError(
                'contradictory_limits',
                'has a max of {max}, expected at least its min of {min}',
                {'min': f'{self.min:g}', 'max': f'{self.max:g}'},
            )
        return self

    def limits_text(self, noun: str) -> str:
        """Return the limits in words, for instance "at most 1 track".

        Args:
            noun: what is counted, in singular.
        """
        low = self.min or 0.0
        if self.max is None:
            text = f'at least {low:g}'
        elif low == self.max:
            text = f'{low:g}'
        else:
            text = f'{low:g} to {self.max:g}' if low else f'at most {self.max:g}'
        is_singular = (low if self.max is None else self.max) == 1
        return f'{text} {noun}' if is_singular else f'{text} {noun}s'

    def allows(self, value: float) -> bool:
        """Return whether a value is within the limits."""
        return (self.min is None or self.min <= value) and (self.max is None or value <= self.max)

"""Define every setting once: default, range, help text, and whether a change reloads models.

The ROS parameters, the options of the command, the default parameter file and the tables of the
manual come from these fields or are checked against them. This module imports only the standard
library, so that the command starts in a broken installation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, Field, field, fields
import math
from typing import Any

DETECTORS = {
    'libfacedetection': 'libfacedetection:LibFaceDetection',
    'own': 'own:Own',
    'haar': 'haar:Haar',
    'yunet': 'yunet:YuNet',
}
"""Registry of the detectors: name -> module in `detection` and `DetectorBackend` in it."""

ROTATIONS = (0, 90, 180, 270)
"""Degrees clockwise by which images can be rotated."""

AUTO = 'auto'
"""Stands for the first detector of the registry that works on this machine as it is."""


class SettingError(ValueError):
    """A setting has a value that it cannot have.

    Attributes:
        name: name of the setting.
        reason: what is wrong with its value.
    """

    def __init__(self, name: str, reason: str) -> None:
        """Name the setting and say what is wrong with its value."""
        super().__init__(f'{name}: {reason}')
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known about a setting beyond its name, type and default.

    Attributes:
        help: one phrase for help texts, parameter descriptions and tables.
        low: smallest value, None if there is no limit.
        high: largest value, None if there is no limit.
        choices: the possible values, empty if any is possible.
        reload: whether a change loads detector and models again.
        only_at_start: whether it can only be set at startup.
    """

    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    reload: bool = False
    only_at_start: bool = False


def setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[Any] = (),
    reload: bool = False,
    only_at_start: bool = False,
) -> Any:
    """Return a dataclass field for a setting; `text` is its help, for the others see `Setting`."""
    described = Setting(text, low, high, tuple(choices), reload, only_at_start)
    return field(default=default, metadata={'setting': described})


@dataclass(frozen=True)
class DetectorConfig:
    """Settings of face detection."""

    detector: str = setting(
        AUTO,
        'face detector; auto selects the first in this order that works on this machine',
        choices=(AUTO, *DETECTORS),
        reload=True,
    )
    detector_model: str = setting(
        '', 'model file of the detector: ONNX for own and yunet, a cascade for haar', reload=True
    )
    detection_threshold: float = setting(
        0.6, 'minimum confidence of a detection', low=0.0, high=1.0, reload=True
    )
    detection_size: int = setting(
        320,
        'longer side in pixels to which a larger image is resized for detection',
        low=32,
        high=4096,
        reload=True,
    )
    detection_interval: int = setting(
        3,
        'interval in images between searches of the full frame; in between, only the surroundings '
        'of known faces are searched; 1 searches the full frame of every image',
        low=1,
        high=1000,
        reload=True,
    )
    min_face_size: int = setting(
        0, 'minimum of the shorter side of a face in pixels', low=0, high=4096, reload=True
    )
    num_threads: int = setting(
        1, 'CPU threads for detection and networks', low=1, high=64, reload=True
    )


@dataclass(frozen=True)
class TrackingConfig:
    """Settings of tracking and of the filters of estimates."""

    smoothing_time: float = setting(
        1.0,
        'time constant in seconds of the temporal filter of a track; 0 switches it off',
        low=0.0,
        high=60.0,
    )
    track_timeout: float = setting(
        1.0, 'seconds after which a face that is no longer seen is dropped', low=0.0, high=60.0
    )


@dataclass(frozen=True)
class PipelineConfig(TrackingConfig, DetectorConfig):
    """Settings of a pipeline: all that decides which faces and estimates an image has.

    Attributes:
        unknown_threshold: attribute -> probability below which its label is "unknown", 0 to 1; an
            attribute that is not named has the threshold of its model file.
    """

    models: tuple[str, ...] = setting(
        ('multitask_mini_xception',),
        'shipped models or .onnx files; if two estimate the same attribute, the first takes '
        "precedence; [''] switches classification off",
        reload=True,
    )
    attributes: tuple[str, ...] = setting(
        (), "attributes to estimate; [''] means all attributes of the models", reload=True
    )
    follow: bool = setting(
        False,
        'between searches of the full frame, let the network that classifies faces follow them, '
        'instead of searching around them; needs a single model whose file can do that',
        reload=True,
    )
    rotation: int = setting(
        0,
        'degrees clockwise by which images must be rotated for people to be upright',
        choices=ROTATIONS,
    )
    unknown_threshold: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all values.

        Raises:
            SettingError: a value is of another type or out of range.
        """
        for name, described in settings_of(type(self)).items():
            # A float may be given as an integer, so the checked value replaces the given one.
            value = checked_value(described, getattr(self, name))
            object.__setattr__(self, name, value)
        for attribute, threshold in self.unknown_threshold.items():
            check_threshold(attribute, threshold)


def settings_of(config: type) -> dict[str, Field[Any]]:
    """Return name -> field of all settings of a configuration, in their order."""
    return {each.name: each for each in fields(config) if 'setting' in each.metadata}


def checked_value(described: Field[Any], value: Any) -> Any:
    """Return the value of a setting in its own type.

    Args:
        described: field of a configuration, see `settings_of`.
        value: has the type of the default; an integer counts as a float, and any sequence of
            text as a tuple. Empty text in a sequence is ignored, since ROS has no type for an
            empty list in a parameter file.

    Raises:
        SettingError: the value is of another type, out of range or none of the choices.
    """
    name, limits, default = described.name, described.metadata['setting'], described.default
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        if not all(isinstance(each, str) for each in value):
            raise SettingError(name, f'{list(value)!r} is not a list of text')
        value = tuple(each for each in value if each)
    if type(value) is not type(default):
        expected = 'list of text' if isinstance(default, tuple) else type(default).__name__
        raise SettingError(name, f'{value!r} is not of type {expected}')
    if limits.choices and value not in limits.choices:
        choices = ', '.join(map(str, limits.choices))
        raise SettingError(name, f'{value!r} is not one of {choices}')
    if limits.low is not None and not limits.low <= value <= limits.high:
        raise SettingError(name, f'{value!r} is not between {limits.low:g} and {limits.high:g}')
    return value


def check_threshold(attribute: str, threshold: float) -> None:
    """Raise a SettingError if a threshold for "unknown" is not a number from 0 to 1."""
    is_number = isinstance(threshold, (int, float)) and not isinstance(threshold, bool)
    if not (is_number and math.isfinite(threshold) and 0 <= threshold <= 1):
        raise SettingError(
            f'unknown_threshold.{attribute}', f'{threshold!r} is not a number from 0 to 1'
        )

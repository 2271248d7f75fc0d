"""Convert the settings in `config` to command options, and parsed options to configurations."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import Field
from functools import partial
import math
from pathlib import Path
from typing import Any, TypeVar

from face_classification_ros.config import (
    check_threshold,
    checked_value,
    DetectorConfig,
    PipelineConfig,
    SettingError,
    settings_of,
)

Config = TypeVar('Config')
Number = TypeVar('Number', int, float)

_METAVARS: dict[type, str] = {
    bool: 'true|false',
    int: 'N',
    float: 'X',
    str: 'VALUE',
    tuple: 'NAME[,NAME]',
}

_KINDS: dict[Any, str] = {bool: 'true or false', int: 'a whole number', float: 'a number'}

_FILES = ('detector_model',)
"""Settings whose value is the path of a file."""

FOR_STREAMS = ('detection_interval',)
"""Settings of a detector that have no effect on images that do not follow each other."""


def positive_float(text: str) -> float:
    """Return the value of an option that is a finite number above 0."""
    return _positive(float, text)


def positive_int(text: str) -> int:
    """Return the value of an option that is a whole number above 0."""
    return _positive(int, text)


def non_empty_path(text: str) -> Path:
    """Return the value of an option that is a path; `Path` alone takes "" for this folder."""
    if not text:
        raise argparse.ArgumentTypeError('the path is empty; is a variable of the shell not set?')
    return Path(text)


def option(name: str) -> str:
    """Return the command option of a setting, `--detection-size` for `detection_size`."""
    return f'--{name.replace("_", "-")}'


def add_settings(
    parser: argparse.ArgumentParser,
    config: type,
    *,
    without: Iterable[str] = (),
    several: Iterable[str] = (),
) -> None:
    """Add an option for each setting of a configuration, with its default, range and help.

    Args:
        parser: parser of the sub-command.
        config: class of the configuration.
        without: settings without an option.
        several: settings that take several values, each to be tried; the value is a list.
    """
    group = parser.add_argument_group(
        'settings', 'Names and defaults are those of the parameters of the node.'
    )
    for name, described in settings_of(config).items():
        if name in without:
            continue
        repeated: dict[str, Any] = {'nargs': '+'} if name in several else {}
        choices = described.metadata['setting'].choices
        group.add_argument(
            option(name),
            type=partial(_value, described),
            default=[described.default] if name in several else described.default,
            help=_help(described),
            **({'choices': choices} if choices else {'metavar': _metavar(described)}),
            **repeated,
        )


def add_node_parameter(parser: argparse.ArgumentParser) -> None:
    """Add the option `--parameter`, which may be repeated."""
    parser.add_argument(
        '--parameter',
        action='append',
        default=[],
        metavar='NAME:=VALUE',
        help='set a parameter of the node; may be repeated',
    )


def add_page_address(parser: argparse.ArgumentParser) -> None:
    """Add the options of the page in the browser: `--host`, `--port` and `--no-browser`."""
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        metavar='ADDRESS',
        help='serve the page on this address (default: 127.0.0.1, for this machine only); any '
        'other one has a random token in its URL',
    )
    parser.add_argument(
        '--port',
        type=_port,
        default=8850,
        metavar='N',
        help='serve the page on this port; 0 is any free one (default: 8850)',
    )
    parser.add_argument(
        '--no-browser',
        dest='opens_browser',
        action='store_false',
        help='print the URL of the page, but open no browser on the desktop of this machine',
    )


def add_unknown_threshold(parser: argparse.ArgumentParser) -> None:
    """Add the option `--unknown-threshold`, which may be repeated."""
    parser.add_argument(
        '--unknown-threshold',
        type=_threshold,
        action='append',
        default=[],
        metavar='ATTRIBUTE=X',
        help='report "unknown" if the probability is below it, 0 to 1; may be repeated (default: '
        'as in the model file)',
    )


def pipeline_config(arguments: argparse.Namespace) -> PipelineConfig:
    """Return the configuration of `add_settings(parser, PipelineConfig)` and thresholds."""
    return config_of(
        arguments, PipelineConfig, unknown_threshold=dict(arguments.unknown_threshold)
    )


def add_still_detector(parser: argparse.ArgumentParser) -> None:
    """Add the settings of a detector for images that do not follow each other."""
    add_settings(parser, DetectorConfig, without=FOR_STREAMS)


def still_detector_config(arguments: argparse.Namespace) -> DetectorConfig:
    """Return the configuration of `add_still_detector`: it searches every full image."""
    return config_of(arguments, DetectorConfig, detection_interval=1)


def config_of(arguments: argparse.Namespace, config: type[Config], **values: Any) -> Config:
    """Return a configuration with the values of the options.

    Args:
        arguments: parsed by a parser with `add_settings`.
        config: class of the configuration.
        **values: values that replace those of the options.

    Raises:
        SettingError: a value is out of range.
    """
    names = [name for name in settings_of(config) if hasattr(arguments, name)]
    return config(**{name: getattr(arguments, name) for name in names} | values)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f'{text!r} is not a port, 0 to {2**16 - 1}')
    return int(text)


def _positive(kind: Callable[[str], Number], text: str) -> Number:
    try:
        value = kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not {_KINDS[kind]}') from error
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is not a finite number above 0')
    return value


def _value(described: Field[Any], text: str) -> Any:
    """Parse the text of an option as a value of its setting."""
    kind: type = type(described.default)
    try:
        parsers: dict[Any, Callable[[str], Any]] = {tuple: _items, bool: _truth}
        parse = parsers.get(kind, kind)
        value = parse(text)
        return checked_value(described, value)
    except SettingError as error:
        raise argparse.ArgumentTypeError(error.reason) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not {_KINDS[kind]}') from error


def _items(text: str) -> list[str]:
    return text.split(',')


def _truth(text: str) -> bool:
    if text not in ('true', 'false'):
        raise ValueError(text)
    return text == 'true'


def _threshold(text: str) -> tuple[str, float]:
    attribute, _, value = text.partition('=')
    try:
        threshold = float(value)
        check_threshold(attribute, threshold)
    except SettingError as error:
        raise argparse.ArgumentTypeError(error.reason) from error
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form ATTRIBUTE=X') from error
    return attribute, threshold


def _metavar(described: Field[Any]) -> str:
    return 'FILE' if described.name in _FILES else _METAVARS[type(described.default)]


def _help(described: Field[Any]) -> str:
    """Return the help text of a setting with its range and default."""
    limits, default = described.metadata['setting'], described.default
    notes = []
    if limits.low is not None:
        notes.append(f'{limits.low:g} to {limits.high:g}')
    if isinstance(default, tuple):
        default = ','.join(default)
    elif isinstance(default, bool):
        default = str(default).lower()
    if default != '':
        notes.append(
            f'default: {default:g}' if isinstance(default, float) else f'default: {default}'
        )
    text = f'{limits.help} ({"; ".join(notes)})' if notes else limits.help
    # The empty list of a parameter is an empty text here.
    return text.replace("['']", "''").replace('%', '%%')

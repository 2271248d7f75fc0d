"""Read values of parameters from assignments and parameter files, as ROS does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
import re
from typing import Any

import yaml

from face_classification_ros.ros.node.parameters import is_parameter


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Parse `name:=value` as ROS does on its command line, where the value is YAML.

    Raises:
        ValueError: the text has another form, or names no parameter of the node.
    """
    values = {}
    for assignment in assignments:
        name, separator, text = assignment.partition(':=')
        if not (name and separator):
            raise ValueError(f'{assignment!r} is not NAME:=VALUE')
        if not is_parameter(name):
            raise ValueError(f'the node has no parameter {name!r}')
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f'{name}: {text!r} is not YAML') from error
    return values


def read_parameter_file(path: Path, node: str) -> dict[str, Any]:
    """Read the values of a ROS parameter file for a node; unknown names are ignored.

    Args:
        path: a YAML file; its keys are names of nodes with their namespaces, or nested in them,
            and may have the wildcards * and **.
        node: full name, with its namespace.

    Returns:
        Values by name, thresholds as `unknown_threshold.<attribute>`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a parameter file.
    """
    values: dict[str, Any] = {}
    try:
        content = yaml.safe_load(path.read_text())
        for name, parameters in _sections(content):
            if re.fullmatch(_pattern(name), node):
                values |= _flat(parameters)
    except (AttributeError, TypeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{path} is not a parameter file of ROS 2') from error
    return {name: value for name, value in values.items() if is_parameter(name)}


def _sections(
    content: Mapping[Any, Any], namespace: str = ''
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the full name and the parameters of each node in a parameter file."""
    for key, section in content.items():
        name = f'{namespace}/{str(key).strip("/")}'.rstrip('/')
        if 'ros__parameters' in section:
            yield name, section['ros__parameters']
        else:
            yield from _sections(section, name)


def _flat(section: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested values under names with dots, as ROS does."""
    values: dict[str, Any] = {}
    for name, value in section.items():
        if isinstance(value, Mapping):
            values |= _flat(value, f'{prefix}{name}.')
        else:
            values[f'{prefix}{name}'] = value
    return values


def _pattern(name: str) -> str:
    """Return the regular expression of a full name: * is one name, ** any number of them."""
    return re.escape(name).replace(r'/\*\*', '(/[^/]+)*').replace(r'\*', '[^/]+')

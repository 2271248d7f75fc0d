"""Read values of parameters from assignments and parameter files, as ROS does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
import re
from typing import Any

import yaml

from face_classification_ros.ros.node.parameters.node_config import (
    is_parameter,
    is_ros_parameter,
    UnknownParameterError,
)


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
            raise UnknownParameterError(name)
        try:
            values[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f'{name}: {text!r} is not YAML') from error
    return values


def read_parameter_file(path: Path, node: str) -> dict[str, Any]:
    """Read the values of a ROS parameter file for a node.

    Names of other parameters are ignored in sections that end with a wildcard, because they may
    belong to other nodes, and so are the parameters of ROS itself.

    Args:
        path: a YAML file; its keys are names of nodes with their namespaces, or nested in them,
            and may have the wildcards * and **.
        node: full name, with its namespace.

    Returns:
        Values by name, thresholds as `unknown_threshold.<attribute>`.

    Raises:
        OSError: the file cannot be read.
        UnknownParameterError: a section for this node has a parameter that the node has not.
        ValueError: it is not a parameter file.
    """
    values: dict[str, Any] = {}
    for section, parameters in _sections_for(path, node):
        for name, value in parameters.items():
            if is_parameter(name):
                values[name] = value
            elif not (is_ros_parameter(name) or _is_wildcard(section)):
                raise UnknownParameterError(name)
    return values


def addressed_parameters(arguments: Sequence[str], node: str) -> set[str]:
    """Return the names of parameters that a command line sets for this node in particular.

    These are all but those in sections of parameter files that end with a wildcard, which may
    belong to other nodes.

    Args:
        arguments: command line that ROS accepts.
        node: full name, with its namespace.

    Raises:
        see `read_parameter_file`.
    """
    names: set[str] = set()
    for option, value in pairwise(arguments):
        if option in ('-p', '--param'):
            names.add(value.partition(':=')[0].rpartition(':')[2])
        elif option == '--params-file':
            for section, parameters in _sections_for(Path(value), node):
                if not _is_wildcard(section):
                    names.update(parameters)
    return names


def _sections_for(path: Path, node: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the names and parameters of the sections of a file that apply to a node."""
    try:
        return [
            (name, _flat(parameters))
            for name, parameters in _sections(yaml.safe_load(path.read_text()))
            if re.fullmatch(_pattern(name), node)
        ]
    except (AttributeError, TypeError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{path} is not a parameter file of ROS 2') from error


def _is_wildcard(section: str) -> bool:
    return section.endswith('*')


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

"""Generate the default parameter file and the table of parameters in the manual.

`python -m face_classification_ros.ros.node.parameters.docs` prints the file, or with `table` the
table.
"""

from __future__ import annotations

from dataclasses import Field
import sys
import textwrap
from typing import Any

import yaml

from face_classification_ros.config import Setting
from face_classification_ros.ros.node.parameters.node_config import default_value, PARAMETERS

_HEADER = """\
# All parameters of the node face_classification with their defaults.
#
# Copy this file, change what you need, and start the node with `params_file:=<your file>`. The two
# stars stand for any namespace. Parameters can be changed while the node runs (`ros2 param set`).

/**/face_classification:
  ros__parameters:
"""

_THRESHOLDS = """
    # Probability below which the label of an attribute is "unknown", 0 to 1. The default of each
    # attribute of the models is in its model file.
    # unknown_threshold:
    #   gender: 0.7
"""

_TYPES = {bool: 'bool', int: 'int', float: 'double', str: 'string', tuple: 'string array'}


def parameter_file() -> str:
    """Return the content of the default parameter file."""
    parts = []
    for name, described in PARAMETERS.items():
        details = '; '.join(filter(None, [_range(described), _change(described)]))
        text = described.metadata['setting'].help
        text = f'{text[0].upper()}{text[1:]}' + (f' ({details}).' if details else '.')
        comment = textwrap.fill(
            text, 99, initial_indent='    # ', subsequent_indent='    # ', break_long_words=False
        )
        parts.append(f'{comment}\n    {name}: {_yaml(described)}\n')
    return _HEADER + ''.join(parts) + _THRESHOLDS


def parameter_table() -> str:
    """Return the Markdown table of all parameters."""
    rows = ['| parameter | type | default | values | |', '| --- | --- | --- | --- | --- |']
    for name, described in PARAMETERS.items():
        kind = _TYPES[type(described.default)]
        details = [described.metadata['setting'].help, _change(described)]
        text = '; '.join(filter(None, details)).replace('|', r'\|')
        rows.append(f'| `{name}` | {kind} | `{_yaml(described)}` | {_range(described)} | {text} |')
    return '\n'.join(rows)


def _range(described: Field[Any]) -> str:
    limits: Setting = described.metadata['setting']
    if limits.choices:
        *others, last = map(str, limits.choices)
        return f'{", ".join(others)} or {last}'
    if limits.low is not None:
        return f'{limits.low:g} to {limits.high:g}'
    return ''


def _change(described: Field[Any]) -> str:
    limits: Setting = described.metadata['setting']
    return 'only at startup' if limits.only_at_start else ''


def _yaml(described: Field[Any]) -> str:
    text = yaml.safe_dump(default_value(described), default_flow_style=True)
    return text.removesuffix('\n').removesuffix('\n...')


if __name__ == '__main__':
    print(parameter_table() if sys.argv[1:] == ['table'] else parameter_file(), end='')

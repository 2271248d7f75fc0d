"""Read settings from YAML files, checked before anything uses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
import reprlib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
import yaml

Settings = TypeVar('Settings', bound=BaseModel)

MAX_FILE_SIZE = 100_000
"""Bytes of the largest file that is read, ten times the longest description."""


def read_settings(path: Path, kind: type[Settings]) -> Settings:
    """Read a YAML file; a field that it does not name keeps its default.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is too large, not YAML, or a field is unknown, missing, of the wrong
            type or out of range; one line names file and field, and says why.
    """
    return check_settings(path, read_yaml(path), kind)


def check_settings(path: Path, content: Any, kind: type[Settings], place: str = '') -> Settings:
    """Return the settings in the content of a file.

    Args:
        path: of the file, for the error.
        content: what `read_yaml` returned, or a part of it.
        kind: of the settings.
        place: of this part in the file, such as `stages.0.`.

    Raises:
        ValueError: see `read_settings`.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = place + '.'.join(map(str, first['loc'])) or 'the file'
        if first['type'] == 'extra_forbidden':
            known = ', '.join(_known_fields(kind.model_json_schema(), first['loc'][:-1]))
            raise ValueError(f'{path}: {where}: unknown, expected one of {known}') from error
        given = reprlib.repr(first['input'])
        raise ValueError(f'{path}: {where}: {first["msg"]}, not {given}') from error


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of plain values.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is too large or not YAML; one line names it and says why.
    """
    with path.open('rb') as file:
        content = file.read(MAX_FILE_SIZE + 1)
    if len(content) > MAX_FILE_SIZE:
        raise ValueError(f'{path} has more than {MAX_FILE_SIZE // 1000} kB')
    try:
        text = content.decode()
        # Ten lines of aliases to aliases stand for a billion values.
        if any(isinstance(each, yaml.AliasToken) for each in yaml.scan(text)):
            raise ValueError('aliases (*name) are not supported')
        return yaml.safe_load(text)
    # Impossible dates and numbers are a ValueError of their own.
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f'{path} is not YAML: {" ".join(str(error).split())}') from error
    except RecursionError as error:
        raise ValueError(f'{path} is not YAML: it has too many nested lists') from error


def _known_fields(schema: Mapping[str, Any], place: Sequence[str | int]) -> list[str]:
    """Return the names of the fields at a place in a file.

    Args:
        schema: JSON schema of the file's settings.
        place: names of fields, numbers in lists and tags of unions, as in a `ValidationError`.
    """
    definitions, node = schema.get('$defs', {}), schema
    for step in place:
        if isinstance(step, int):
            node = node['items']
        elif 'discriminator' in node:
            node = {'$ref': node['discriminator']['mapping'][step]}
        else:
            node = node['properties'][step]
        # Earlier releases of pydantic wrap a reference with a default.
        node = node['allOf'][0] if 'allOf' in node else node
        if '$ref' in node:
            node = definitions[node['$ref'].rpartition('/')[2]]
    return list(node['properties'])

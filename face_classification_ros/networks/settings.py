"""Read settings from YAML files, checked before anything is done by them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
import yaml

Settings = TypeVar('Settings', bound=BaseModel)


def read_settings(path: Path, kind: type[Settings]) -> Settings:
    """Read a YAML file; a field that it does not name keeps its default.

    Raises:
        ValueError: the file is not YAML, or a field is unknown, missing, of the wrong type or out
            of range; the line names file and field, and says why.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc'])) or 'the file'
        raise ValueError(f'{path}: {where}: {first["msg"]}, not {first["input"]!r}') from error
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {" ".join(str(error).split())}') from error

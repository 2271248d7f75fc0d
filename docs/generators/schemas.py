"""Generate pages from JSON schemas: the fields of a recipe, and the results in JSON."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

from markdown_table import table

Schema = dict[str, Any]


def recipe(_: Path) -> str:
    """Return the page of all fields of a recipe."""
    from face_classification_ros.training.recipe import Recipe

    text = 'In YAML; see [how to train](../how_to/training.md#train).'
    return f'# Fields of a recipe\n\n{text}\n\n{_objects(Recipe.model_json_schema())}'


def results(path: Path) -> str:
    """Return the page of the results in JSON."""
    schema = json.loads(path.read_text())
    text = f'{schema["description"]} Its schema is [{path.name}]({path.name}).'
    return f'# Results in JSON\n\n{text}\n\n{_objects(schema)}'


def _objects(schema: Schema) -> str:
    """Return a section for each object of a schema, the outermost first."""
    described = {schema['title']: schema, **schema['$defs']}
    return '\n'.join(
        f'## {name}\n\n{each.get("description", "")}\n\n'
        + table(['field', 'type', 'default', ''], _rows(each))
        for name, each in described.items()
        if 'properties' in each
    )


def _rows(schema: Schema) -> Iterator[list[str]]:
    """Yield a row for each property of an object."""
    for name, each in schema['properties'].items():
        # The defaults of an object are those of its own table.
        has_default = 'default' in each and '$ref' not in each
        default = f'`{json.dumps(each["default"])}`' if has_default else ''
        yield [f'`{name}`', _kind(each), default, each.get('description', '')]


def _kind(schema: Schema) -> str:
    """Return the type and the range of a value in words."""
    if '$ref' in schema:
        name = schema['$ref'].rpartition('/')[2]
        return f'[{name}](#{name.lower()})' if name[0].isupper() else name
    if 'anyOf' in schema:
        return ' or '.join(map(_kind, schema['anyOf']))
    if 'enum' in schema:
        return ' or '.join(f'`{value}`' for value in schema['enum'])
    if 'items' in schema:
        return f'list of {_kind(schema["items"])}'
    if isinstance(schema.get('additionalProperties'), dict):
        return f'name -> {_kind(schema["additionalProperties"])}'
    return ', '.join(filter(None, [schema['type'], _range(schema)]))


def _range(schema: Schema) -> str:
    """Return the range of a number in words, "" if it has none."""
    words = {
        'minimum': 'at least',
        'exclusiveMinimum': 'above',
        'maximum': 'at most',
        'exclusiveMaximum': 'below',
    }
    return ', '.join(f'{word} {schema[key]}' for key, word in words.items() if key in schema)

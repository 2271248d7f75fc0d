"""Generate pages from JSON schemas: the fields of a recipe, and the results in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from markdown_table import table

from face_classification_ros.training.detector_recipe import DetectorRecipe
from face_classification_ros.training.follow_recipe import FollowRecipe
from face_classification_ros.training.recipe import Recipe

Schema = dict[str, Any]


def recipe(_: Path) -> str:
    """Return the page of all fields of recipes."""
    text = (
        'In YAML, for [classifiers and stages](../how_to/training.md#train), for '
        '[detectors](../how_to/training.md#detectors), and for '
        '[following](../how_to/training.md#following).'
    )
    schemas = [kind.model_json_schema() for kind in (Recipe, DetectorRecipe, FollowRecipe)]
    return '\n'.join([f'# Fields of a recipe\n\n{text}\n', *map(_objects, schemas)])


def results(path: Path) -> str:
    """Return the page of the results in JSON."""
    schema = json.loads(path.read_text())
    text = f'{schema["description"]} Its schema is [{path.name}]({path.name}).'
    return f'# Results in JSON\n\n{text}\n\n{_objects(schema)}'


def _objects(schema: Schema) -> str:
    """Return a section for each object of a schema, the outermost first."""
    described = {schema['title']: schema, **schema.get('$defs', {})}
    objects = {name: each for name, each in described.items() if 'properties' in each}
    return '\n'.join(
        f'## {name}\n\n{each.get("description", "")}\n\n{_properties(each, set(objects))}'
        for name, each in objects.items()
    )


def _properties(schema: Schema, objects: set[str]) -> str:
    """Return a table of the properties of an object."""
    rows = []
    for name, each in schema['properties'].items():
        # The defaults of an object are those of its own table.
        has_default = 'default' in each and '$ref' not in each
        default = f'`{json.dumps(each["default"])}`' if has_default else ''
        rows.append([f'`{name}`', _kind(each, objects), default, each.get('description', '')])
    if not any(default for _, _, default, _ in rows):
        return table(['field', 'type', ''], [[name, kind, text] for name, kind, _, text in rows])
    return table(['field', 'type', 'default', ''], rows)


def _kind(schema: Schema, objects: set[str]) -> str:
    """Return the type and the range of a value in words, with a link to an object."""
    if '$ref' in schema:
        name = schema['$ref'].rpartition('/')[2]
        return f'[{name}](#{name.lower()})' if name in objects else name
    if 'anyOf' in schema:
        return ' or '.join(_kind(each, objects) for each in schema['anyOf'])
    if 'enum' in schema:
        return ' or '.join(f'`{value}`' for value in schema['enum'])
    may_be_null = ' or null' if 'null' in schema['type'] and schema['type'] != 'null' else ''
    if 'items' in schema:
        return f'list of {_kind(schema["items"], objects)}{may_be_null}'
    if isinstance(schema.get('additionalProperties'), dict):
        return f'name -> {_kind(schema["additionalProperties"], objects)}'
    return ', '.join(filter(None, [schema['type'], _range(schema)]))


def _range(schema: Schema) -> str:
    """Return the range of a number in words, "" if it has none."""
    if 'minimum' in schema and 'maximum' in schema:
        return f'{schema["minimum"]} to {schema["maximum"]}'
    words = {
        'minimum': 'at least',
        'exclusiveMinimum': 'above',
        'maximum': 'at most',
        'exclusiveMaximum': 'below',
    }
    return ', '.join(f'{word} {schema[key]}' for key, word in words.items() if key in schema)

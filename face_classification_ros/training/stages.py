"""Read a recipe with several stages, such as teacher, student and finish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from face_classification_ros.inference.model_zoo import model_path
from face_classification_ros.networks.description import read_network
from face_classification_ros.networks.settings import check_settings, read_yaml
from face_classification_ros.training.recipe import Recipe, resolve_file, resolve_files

STAGES = 'stages'
"""Key of a recipe whose value is the list of its stages."""


class _StageSettings(BaseModel):
    """What a stage has in addition to the fields of a recipe."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    name: str = Field(
        pattern='^[a-z][a-z0-9_]*$', description='also of its folder and its model as a teacher'
    )
    init_from: str | None = Field(
        default=None,
        description='whose weights it starts with: an earlier stage, a shipped model or the path '
        'of a model file',
    )


class _StagedSettings(BaseModel):
    """The part of a recipe that lists its stages."""

    stages: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=16)]


@dataclass(frozen=True)
class Stage:
    """One training of a recipe.

    Attributes:
        name: of the stage; "" for a recipe without stages.
        recipe: a teacher may be named after an earlier stage.
        init_from: an earlier stage, a shipped model or a model file; None for random weights.
    """

    name: str
    recipe: Recipe
    init_from: str | None = None


def read_stages(path: Path) -> list[Stage]:
    """Read a recipe from a YAML file, with or without stages.

    Fields outside of `stages` apply to every stage that does not set them itself, also those of
    `augmentation`::

        attributes: [gender]
        stages:
          - {name: teacher, network: sequential_fully_cnn, epochs: 60}
          - {name: student, network: mini_xception, teachers: [{model: teacher}]}
          - {name: finish, network: mini_xception, init_from: student, epochs: 10}

    Raises:
        OSError: the file cannot be read, or there is no model of a name.
        ValueError: a field is unknown, missing, of the wrong type or out of range, names a file
            outside of the recipe's folder, or no network; or two stages have one name.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or STAGES not in content:
        return [Stage('', resolve_files(path, check_settings(path, content, Recipe)))]
    listed = check_settings(path, {STAGES: content[STAGES]}, _StagedSettings).stages
    common = {name: value for name, value in content.items() if name != STAGES}
    stages: list[Stage] = []
    for index, fields in enumerate(listed):
        stages.append(_stage(path, f'{STAGES}.{index}.', common, fields, stages))
    return stages


def _stage(
    path: Path,
    place: str,
    common: Mapping[str, Any],
    fields: Mapping[str, Any],
    earlier: list[Stage],
) -> Stage:
    own = {name: fields[name] for name in _StageSettings.model_fields if name in fields}
    settings = check_settings(path, own, _StageSettings, place)
    values = {**common, **{name: fields[name] for name in fields if name not in own}}
    augmentations = [each.get('augmentation', {}) for each in (common, fields)]
    if all(isinstance(each, dict) for each in augmentations):
        values['augmentation'] = {**augmentations[0], **augmentations[1]}
    recipe = resolve_files(path, check_settings(path, values, Recipe, place))
    names = [each.name for each in earlier]
    if settings.name in names:
        raise ValueError(f'{path}: {place}name: there are two stages {settings.name!r}')
    # A wrong name is reported now, not after hours in an earlier stage.
    read_network(recipe.network)
    init_from = settings.init_from
    if init_from is not None:
        init_from = resolve_file(path, init_from)
    for model in (*(each.model for each in recipe.teachers), init_from):
        if model is not None and model not in names:
            model_path(model)
    return Stage(settings.name, recipe, init_from)

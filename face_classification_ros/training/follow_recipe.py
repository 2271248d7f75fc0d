"""The recipe of a head that follows faces: all that its training depends on, in a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from face_classification_ros.networks.settings import read_settings
from face_classification_ros.training.recipe import resolve_file


class FollowRecipe(BaseModel):
    """How a classifier learns to follow faces; its own weights do not change."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    task: Literal['face_following']
    model: str = Field(
        description='classifier that gets the head: name of a shipped model, or path of a model '
        'file'
    )
    maps: str = Field(
        default='residual_module3.add',
        min_length=1,
        description='part of the name of the feature maps that the head uses; of several, the '
        'first',
    )
    channels: int = Field(
        default=6, ge=1, le=256, description='maps to which a convolution of 1x1 reduces these'
    )
    units: int = Field(default=16, ge=1, le=1024, description='of the hidden layer')
    epochs: int = Field(default=20, ge=1, le=100_000)
    batch_size: int = Field(default=512, ge=1, le=65_536)
    learning_rate: float = Field(
        default=0.003, gt=0, le=1, description='peak of a warm-up followed by a cosine decay'
    )
    weight_decay: float = Field(default=0.02, ge=0, le=1, description='of AdamW')
    face_weight: float = Field(
        default=0.3,
        ge=0,
        le=100,
        description='of the cross-entropy of the probability of a face; that of the movement is 1',
    )
    boxes_per_face: int = Field(
        default=6, ge=2, le=1000, description='moved boxes for each labeled face'
    )
    shift: float = Field(
        default=0.3, gt=0, le=0.5, description='largest movement in longer sides of the box'
    )
    scale: float = Field(default=1.3, gt=1, le=1.5, description='largest change of the size')
    min_face_size: float = Field(
        default=16.0, ge=1, description='minimum of the shorter side of a face in pixels'
    )
    threshold: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description='probability of a face below which it is lost; in the model file',
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description='of weights, order and boxes')


def read_follow_recipe(path: Path) -> FollowRecipe:
    """Read a recipe from a YAML file; missing fields keep their defaults.

    The path of a model file is relative to the recipe, and in its folder or below.

    Raises:
        OSError: the file cannot be read.
        ValueError: a field is unknown, missing, of the wrong type or out of range, or names a
            file outside of the recipe's folder.
    """
    recipe = read_settings(path, FollowRecipe)
    return recipe.model_copy(update={'model': resolve_file(path, recipe.model)})

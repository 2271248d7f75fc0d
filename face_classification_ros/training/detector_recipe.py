"""The recipe of a detector: everything that its training depends on, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from face_classification_ros.networks.settings import read_settings
from face_classification_ros.training.recipe import resolve_file
from face_classification_ros.training.scene_augmentation import SceneAugmentation


class DetectorRecipe(BaseModel):
    """How a detector is trained, by distillation from another detector."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    task: Literal['face_detection']
    network: str = Field(
        description='name of a network with a detection head, or path of its description'
    )
    size: int = Field(
        default=256,
        ge=64,
        le=1024,
        multiple_of=32,
        description='height and width of a training image in pixels',
    )
    epochs: int = Field(default=30, ge=1, le=100_000)
    images_per_epoch: int = Field(
        default=6400, ge=1, le=1_000_000, description='number of images composed in an epoch'
    )
    validation_images: int = Field(
        default=160,
        ge=1,
        le=100_000,
        description='number of images for the validation loss, the same in each epoch',
    )
    batch_size: int = Field(default=16, ge=1, le=4096)
    learning_rate: float = Field(
        default=0.003, gt=0, le=1, description='peak of a warm-up followed by a cosine decay'
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description='of AdamW')
    ema: float | None = Field(
        default=0.999,
        gt=0,
        lt=1,
        description='momentum of the moving average of the weights, which replaces them at the '
        'end',
    )
    score_exponent: float = Field(
        default=1.5, ge=0, le=5, description='exponent of the quality focal loss of the score'
    )
    box_weight: float = Field(default=1.0, ge=0, le=100, description='of the loss of the box')
    landmark_weight: float = Field(
        default=1.0, ge=0, le=100, description='of the loss of the landmarks'
    )
    min_missed_size: float = Field(
        default=12.0,
        ge=1,
        description='size in pixels from which a labeled face that the teacher misses becomes a '
        'target; smaller ones may be invisible after the augmentation',
    )
    threads: int = Field(default=2, ge=1, le=64, description='that compose images')
    seed: int = Field(default=1, ge=0, lt=2**31, description='of weights, order and augmentation')
    augmentation: SceneAugmentation = SceneAugmentation()


def read_detector_recipe(path: Path) -> DetectorRecipe:
    """Read a recipe from a YAML file; missing fields keep their defaults.

    The path of a network's description is relative to the recipe, and in its folder or below.

    Raises:
        OSError: the file cannot be read.
        ValueError: a field is unknown, missing, of the wrong type or out of range, or names a
            file outside of the recipe's folder.
    """
    recipe = read_settings(path, DetectorRecipe)
    return recipe.model_copy(update={'network': resolve_file(path, recipe.network)})

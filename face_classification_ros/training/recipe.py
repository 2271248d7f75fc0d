"""A recipe: everything that a training run depends on, read from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
import yaml

from face_classification_ros.training.augmentation import Augmentation


class Recipe(BaseModel):
    """How a classifier is trained."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    attribute: Literal['gender', 'emotion']
    network: str = Field(description='name of the network, see `networks`')
    side: int = Field(
        default=48, ge=32, le=512, description='height and width of a face in pixels'
    )
    colour: Literal['grey', 'bgr'] = 'grey'
    margin: float = Field(
        default=0.0,
        ge=-0.4,
        le=2,
        description="what a crop shows around the face's box on every side, as a share of the "
        "box's longer side, in training and in the node",
    )
    epochs: int = Field(default=30, ge=1, description='how often each face is shown')
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(
        default=0.002, gt=0, le=1, description='the peak, reached by warm-up and left by a cosine'
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description='of AdamW')
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description='share spread over all labels'
    )
    vote_share: float = Field(default=0.0, ge=0, le=1, description='weight of the FER+ votes')
    min_age: int = Field(
        default=13, ge=0, description='UTKFace faces of younger people are left out'
    )
    seed: int = Field(default=1, ge=0, description='of weights, order and augmentation')
    augmentation: Augmentation = Augmentation()

    @property
    def channels(self) -> int:
        """Channels of a face: 1 in grey, 3 in BGR."""
        return 1 if self.colour == 'grey' else 3


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file; a field that is not named keeps its default.

    Raises:
        ValueError: a field is unknown, missing, of the wrong type or out of range.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc'])) or 'the file'
        raise ValueError(f'{path}: {where}: {first["msg"]}, not {first["input"]!r}') from error
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not YAML: {error}') from error

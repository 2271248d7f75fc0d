"""A recipe: everything that a training run depends on, read from a YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.networks.settings import read_settings
from face_classification_ros.training.augmentation import Augmentation


class Teacher(BaseModel):
    """A trained model whose answers are learned from (knowledge distillation, Hinton 2015)."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    model: str = Field(description='name of a shipped model or path of a model file')
    share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="weight of its answers beside the data's; where the "
        'data has no answer, the teacher alone counts',
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        le=100,
        description='above 1 makes its answers softer before they are learned',
    )
    function_matching: bool = Field(
        default=False,
        description='whether it is asked about every changed face anew, as the network sees it '
        '(Beyer et al. 2022), instead of once about the face as it is; takes its time in every '
        'epoch, or in the first ones, see `views`',
    )


class Recipe(BaseModel):
    """How a classifier is trained."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    attributes: tuple[Literal['gender', 'emotion'], ...] = Field(
        min_length=1, max_length=2, description='what to tell; more than one: a blended network'
    )
    network: str = Field(description='name of a network or path of its description')
    side: int = Field(
        default=48, ge=32, le=512, description='height and width of a face in pixels'
    )
    color: Literal['gray', 'bgr'] = 'gray'
    margin: float = Field(
        default=0.0,
        ge=-0.4,
        le=2,
        description="what a crop shows around the face's box on every side, as a share of the "
        "box's longer side, in training and in the node",
    )
    initial_size: int | None = Field(
        default=None,
        ge=32,
        description='side of the faces in the first third of the epochs, which grows to `side` '
        'before the last third (progressive resizing, Tan and Le 2021); saves a third of the time',
    )
    epochs: int = Field(default=30, ge=1, le=100_000, description='how often each face is shown')
    augmentation_views: int | None = Field(
        default=None,
        ge=1,
        description='how many times each face is changed anew; after so many epochs the same '
        'changed faces come again, and what consistent teachers said of them is known; None '
        'changes it in every epoch',
    )
    batch_size: int = Field(default=64, ge=1, le=65_536)
    learning_rate: float = Field(
        default=0.002, gt=0, le=1, description='the peak, reached by warm-up and left by a cosine'
    )
    weight_decay: float = Field(
        default=0.01, ge=0, le=1, description='of AdamW; with 0 it is Adam'
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description='momentum of the moving average of the weights, which is what is kept',
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description='stop after so many epochs without a lower validation loss, and keep the best',
    )
    loss: Literal['cross_entropy', 'squared_hinge'] = 'cross_entropy'
    balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='how far the rare count more: (mean frequency / frequency)^balance',
    )
    balance_by: tuple[Literal['label', 'race', 'age'], ...] = Field(
        default=('label',), description='what is balanced; groups where the data tells them'
    )
    teachers: tuple[Teacher, ...] = ()
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description='share spread over all labels'
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description='how strongly every face is mixed with another one, and so are the answers: '
        'both parameters of the beta distribution of its share (Zhang et al. 2018); 0 for none',
    )
    ferplus_weight: float = Field(default=0.0, ge=0, le=1, description='weight of the FER+ votes')
    min_age: int = Field(
        default=13, ge=0, description='UTKFace faces of younger people are left out'
    )
    flip_tta: bool = Field(
        default=False,
        description='whether the model file averages the answers for a face and its mirror image, '
        'which takes twice the time',
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description='of weights, order and augmentation')
    augmentation: Augmentation = Augmentation()

    @model_validator(mode='after')
    def _faces_grow(self) -> Self:
        if self.initial_size is not None and self.initial_size > self.side:
            raise ValueError(f'initial_size {self.initial_size} is above side {self.side}')
        return self

    @property
    def channels(self) -> int:
        """Channels of a face: 1 in gray, 3 in BGR."""
        return 1 if self.color == 'gray' else 3

    @property
    def input_spec(self) -> InputSpec:
        """What crops the network is shown."""
        return InputSpec(self.side, self.margin, self.color)

    def without_folders(self) -> Self:
        """Give the recipe with the bare names of the files that it names.

        For a model file, which goes to others: where they lay on this machine is not theirs to
        know.
        """
        return self.model_copy(
            update={
                'network': Path(self.network).name,
                'teachers': tuple(
                    teacher.model_copy(update={'model': Path(teacher.model).name})
                    for teacher in self.teachers
                ),
            }
        )

    def side_in(self, epoch: int) -> int:
        """Give the side of the faces in an epoch, the first one being 0."""
        if self.initial_size is None:
            return self.side
        # Whole steps of 8 pixels: for every size TensorFlow traces the network anew.
        steps = (self.side - self.initial_size) // 8
        done = min(1.0, epoch / self.epochs * 1.5)
        return self.side - 8 * (steps - round(done * steps))


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file; a field that is not named keeps its default.

    Files that the recipe names (a network's description, a teacher's model) lie relative to it,
    in its folder or below: a recipe that comes from elsewhere reads nothing else.

    Raises:
        OSError: the file cannot be read.
        ValueError: a field is unknown, missing, of the wrong type or out of range, or names a
            file outside of the recipe's folder.
    """
    recipe = read_settings(path, Recipe)

    def beside(name: str) -> str:
        if not name.endswith(('.yaml', '.yml', '.onnx')):
            return name
        # By its name alone: where a link leads is the decision of whoever made it.
        folder = os.path.abspath(path.parent)
        if os.path.commonpath([folder, os.path.abspath(path.parent / name)]) != folder:
            raise ValueError(f'{path}: {name} is outside of the folder of the recipe')
        if not name.isprintable():
            raise ValueError(f'{path}: {name!r} is no name of a file')
        return str((path.parent / name).resolve())

    return recipe.model_copy(
        update={
            'network': beside(recipe.network),
            'teachers': tuple(
                teacher.model_copy(update={'model': beside(teacher.model)})
                for teacher in recipe.teachers
            ),
        }
    )

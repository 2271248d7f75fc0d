"""A recipe: everything that a training run depends on, read from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from face_classification_ros.classification.classifier import ATTRIBUTE_NAME, DEFAULT_THRESHOLD
from face_classification_ros.classification.crops import InputSpec
from face_classification_ros.networks.settings import read_settings, read_yaml
from face_classification_ros.training.augmentation import Augmentation

Attribute = Annotated[str, Field(pattern=f'^{ATTRIBUTE_NAME.pattern}$')]
Probability = Annotated[float, Field(ge=0, le=1)]


class Teacher(BaseModel):
    """A trained model that provides soft targets (knowledge distillation, Hinton 2015)."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    model: str = Field(description='name of a shipped model or path of a model file')
    weight: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description='weight of its predictions against the labels; faces without a label get its '
        'predictions alone',
    )
    temperature: float = Field(
        default=1.0, gt=0, le=100, description='above 1 softens its predictions'
    )
    function_matching: bool = Field(
        default=False,
        description='predict for every augmented face as the network gets it (Beyer et al. 2022) '
        'instead of once for the unchanged face; slows down each epoch, unless '
        '`augmentation_views` is set',
    )
    data: tuple[str, ...] = Field(
        default=(),
        description='data sets for whose faces it predicts; empty for all',
    )


class Recipe(BaseModel):
    """How a classifier is trained."""

    model_config = ConfigDict(extra='forbid', frozen=True)

    attributes: tuple[Attribute, ...] = Field(
        min_length=1, max_length=16, description='what to estimate; several: a multi-task network'
    )
    network: str = Field(description='name of a network or path of its description')
    size: int = Field(
        default=48, ge=32, le=512, description='height and width of a face in pixels'
    )
    color: Literal['gray', 'bgr'] = 'gray'
    margin: float = Field(
        default=0.0,
        ge=-0.4,
        le=2,
        description="margin of a crop around the face's box on each side, as a fraction of the "
        "box's longer side, in training and in the node",
    )
    unknown_thresholds: dict[str, Probability] = Field(
        default={},
        description='attribute -> probability below which the node publishes the label as '
        f'unknown, {DEFAULT_THRESHOLD} if not given',
    )
    initial_size: int | None = Field(
        default=None,
        ge=32,
        description='size of the faces in the first third of the epochs, which grows to `size` '
        'before the last third (progressive resizing, Tan and Le 2021); saves a third of the time',
    )
    epochs: int = Field(default=30, ge=1, le=100_000, description='passes over all faces')
    augmentation_views: int | None = Field(
        default=None,
        ge=1,
        description='number of augmented versions of each face; after as many epochs they repeat, '
        'and the predictions of function-matching teachers come from the cache; None makes '
        'new ones in every epoch',
    )
    batch_size: int = Field(default=64, ge=1, le=65_536)
    learning_rate: float = Field(
        default=0.002, gt=0, le=1, description='peak of a warm-up followed by a cosine decay'
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description='of AdamW; 0 makes it Adam')
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description='momentum of the moving average of the weights, which replaces them at the '
        'end',
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        description='epochs without a lower validation loss after which training stops; keeps the '
        'weights of the best epoch',
    )
    loss: Literal['cross_entropy', 'squared_hinge'] = 'cross_entropy'
    balance: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description='exponent of the weight of rare groups: (mean frequency / frequency)^balance',
    )
    balance_by: tuple[str, ...] = Field(
        default=('label',),
        description='what to balance: label, or columns such as race and age where the data has '
        'them',
    )
    sampling: dict[str, Annotated[float, Field(ge=0, le=100)]] = Field(
        default={},
        description='data set -> how often each of its faces is shown per epoch, on average; 1 if '
        'not given',
    )
    loss_weights: dict[str, Annotated[float, Field(gt=0, le=100)]] = Field(
        default={}, description='attribute -> weight of its loss, 1 if not given'
    )
    teachers: tuple[Teacher, ...] = ()
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description='weight of a uniform distribution over all labels'
    )
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description='both parameters of the beta distribution by which each face and its targets '
        'are mixed with another (Zhang et al. 2018); 0 switches it off',
    )
    ferplus_weight: float = Field(default=0.0, ge=0, le=1, description='weight of the FER+ votes')
    min_age: int = Field(
        default=13,
        ge=0,
        description='for gender, exclude younger people of UTKFace and IMDB-WIKI, where the '
        'labels of children are unreliable',
    )
    flip_tta: bool = Field(
        default=False,
        description='average the predictions for a face and its mirror image in the model file, '
        'which doubles its latency',
    )
    seed: int = Field(default=1, ge=0, lt=2**31, description='of weights, order and augmentation')
    augmentation: Augmentation = Augmentation()

    @model_validator(mode='after')
    def _is_consistent(self) -> Self:
        if self.initial_size is not None and self.initial_size > self.size:
            raise ValueError(f'initial_size {self.initial_size} is above size {self.size}')
        if len(set(self.attributes)) < len(self.attributes):
            raise ValueError(f'an attribute is listed twice in {", ".join(self.attributes)}')
        for name in ('unknown_thresholds', 'loss_weights'):
            for attribute in getattr(self, name):
                if attribute not in self.attributes:
                    raise ValueError(
                        f'{name}: {attribute} is none of {", ".join(self.attributes)}'
                    )
        return self

    @property
    def channels(self) -> int:
        """Channels of a face: 1 in gray, 3 in BGR."""
        return 1 if self.color == 'gray' else 3

    @property
    def input_spec(self) -> InputSpec:
        """Size, margin and color of the network's crops."""
        return InputSpec(self.size, self.margin, self.color)

    @property
    def thresholds(self) -> dict[str, float]:
        """Attribute -> probability below which a label is published as unknown."""
        return dict.fromkeys(self.attributes, DEFAULT_THRESHOLD) | self.unknown_thresholds

    def without_folders(self) -> Self:
        """Return the recipe with the bare names of its files.

        For a model file, which is given to others and must not reveal folders of this machine.
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

    def with_teachers(self, models: Mapping[str, Path]) -> Self:
        """Return the recipe with model files instead of the names of some teachers.

        Args:
            models: name of a teacher -> its model file.
        """
        return self.model_copy(
            update={
                'teachers': tuple(
                    teacher.model_copy(
                        update={'model': str(models.get(teacher.model, teacher.model))}
                    )
                    for teacher in self.teachers
                )
            }
        )

    def size_in(self, epoch: int) -> int:
        """Return the size of the faces in an epoch, counted from 0."""
        if self.initial_size is None:
            return self.size
        # Steps of 8 pixels: TensorFlow traces the network again for every size.
        steps = (self.size - self.initial_size) // 8
        done = min(1.0, epoch / self.epochs * 1.5)
        return self.size - 8 * (steps - round(done * steps))


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file; missing fields keep their defaults.

    Paths of a network's description or a teacher's model are relative to the recipe. They must be
    in its folder or below, so that a recipe from an untrusted source cannot read other files.

    Raises:
        OSError: the file cannot be read.
        ValueError: a field is unknown, missing, of the wrong type or out of range, or names a
            file outside of the recipe's folder.
    """
    return resolve_files(path, read_settings(path, Recipe))


def task_of(path: Path) -> str:
    """Return the task of a recipe, such as `face_detection`; "" for a classifier.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is too large or not YAML.
    """
    content = read_yaml(path)
    return str(content.get('task', '')) if isinstance(content, dict) else ''


def resolve_files(path: Path, recipe: Recipe) -> Recipe:
    """Return a recipe with the paths of the files that it names, see `resolve_file`."""
    return recipe.model_copy(
        update={
            'network': resolve_file(path, recipe.network),
            'teachers': tuple(
                teacher.model_copy(update={'model': resolve_file(path, teacher.model)})
                for teacher in recipe.teachers
            ),
        }
    )


def resolve_file(path: Path, name: str) -> str:
    """Return the path of a file that a recipe names, or the name of what is no file.

    Args:
        path: of the recipe.
        name: of a network or model, or a path relative to the recipe.

    Raises:
        ValueError: the file is outside of the recipe's folder, or its name is invalid.
    """
    if not name.endswith(('.yaml', '.yml', '.onnx')):
        return name
    # Links that lead out of the folder are allowed: the owner of the folder created them.
    folder = os.path.abspath(path.parent)
    if os.path.commonpath([folder, os.path.abspath(path.parent / name)]) != folder:
        raise ValueError(f'{path}: {name} is outside of the folder of the recipe')
    if not name.isprintable():
        raise ValueError(f'{path}: {name!r} is not a valid file name')
    return str((path.parent / name).resolve())

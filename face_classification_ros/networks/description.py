"""Descriptions of networks in YAML, validated before anything is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from face_classification_ros.inference.model_zoo import share_folder
from face_classification_ros.networks.settings import read_settings

MAX_FILTERS = 4096
"""Of one block."""

MAX_PARAMETERS = 100_000_000
"""Of a whole network, regardless of its limits; a thousand times those of the package."""


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Standardization(_Part):
    """Each face to mean 0 and deviation 1, see `blocks.FaceStandardization`."""

    block: Literal['standardization']


class Convolution(_Part):
    """Convolution, batch normalization, ReLU, see `blocks.convolution`."""

    block: Literal['convolution']
    filters: int = Field(ge=1, le=MAX_FILTERS)
    size: int = Field(default=3, ge=1, le=11)
    stride: Literal[1, 2] = 1
    padding: Literal['valid', 'same'] = 'same'


class SeparableConvolution(_Part):
    """Depth-wise separable convolution, see `blocks.separable_convolution`."""

    block: Literal['separable_convolution']
    filters: int = Field(ge=1, le=MAX_FILTERS)
    size: int = Field(default=3, ge=1, le=11)
    stride: Literal[1, 2] = 1


class ResidualModule(_Part):
    """The module of mini-Xception, see `blocks.residual_module`; halves the size."""

    block: Literal['residual_module']
    filters: int = Field(ge=1, le=MAX_FILTERS)


class Pooling(_Part):
    """Average or maximum over `size` x `size` pixels; divides height and width by `stride`."""

    block: Literal['average_pooling', 'max_pooling']
    size: int = Field(default=2, ge=2, le=64)
    stride: int = Field(default=2, ge=1, le=64)


class Dropout(_Part):
    """Whole maps set to zero at random in training (Tompson et al. 2015)."""

    block: Literal['dropout']
    rate: float = Field(ge=0, lt=1)


Block = Annotated[
    Standardization | Convolution | SeparableConvolution | ResidualModule | Pooling | Dropout,
    Field(discriminator='block'),
]


class PoolingHead(_Part):
    """One map per class, averaged, see `blocks.pooling_head`."""

    head: Literal['pooling'] = 'pooling'


class DenseHead(_Part):
    """Fully connected layers, see `blocks.dense_head`."""

    head: Literal['dense']
    units: int = Field(ge=1, le=65_536)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class DetectionHead(_Part):
    """Faces at the strides 8, 16 and 32, see `blocks.detection_head`.

    The last maps of each stride are used; they need the same number of filters.
    """

    head: Literal['detection']


class Limits(_Part):
    """Limits of a network; None for no limit."""

    max_parameters: int | None = Field(default=None, ge=1, le=MAX_PARAMETERS)
    max_latency_ms: float | None = Field(default=None, gt=0)


class NetworkDescription(_Part):
    """A network: the blocks of its trunk in order, and its kind of head.

    A classifier has one head for each attribute, a detector one for each stride.
    """

    name: str = Field(pattern=r'^[a-z][a-z0-9_]*$')
    summary: str = ''
    blocks: tuple[Block, ...] = Field(min_length=1, max_length=256)
    head: Annotated[PoolingHead | DenseHead | DetectionHead, Field(discriminator='head')] = (
        PoolingHead()
    )
    limits: Limits = Limits()

    @property
    def is_detector(self) -> bool:
        """Whether the network detects faces in images instead of classifying crops."""
        return isinstance(self.head, DetectionHead)

    @model_validator(mode='after')
    def _can_be_built(self) -> Self:
        """Refuse a too large trunk before its weights are allocated."""
        weights, channels = 0, 3
        for block in self.blocks:
            if isinstance(block, Convolution):
                weights += block.size**2 * channels * block.filters
            elif isinstance(block, SeparableConvolution):
                weights += (block.size**2 + block.filters) * channels
            elif isinstance(block, ResidualModule):
                weights += (2 * channels + block.filters) * block.filters
            channels = getattr(block, 'filters', channels)
        if weights > MAX_PARAMETERS:
            raise ValueError(f'the blocks have {weights:,} weights, limit {MAX_PARAMETERS:,}')
        return self


def network_names() -> list[str]:
    """Return the names of the networks of the package."""
    return sorted(path.stem for path in _folder().glob('*.yaml'))


def read_network(name: str) -> NetworkDescription:
    """Read the description of a network.

    Args:
        name: of a network of the package, or the path of a YAML file.

    Raises:
        ValueError: no such network exists, or its description is invalid.
    """
    path = Path(name) if name.endswith(('.yaml', '.yml')) else _folder() / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(network_names())
        raise ValueError(f'unknown network {name!r}, expected one of {known} or a .yaml file')
    return read_settings(path, NetworkDescription)


def _folder() -> Path:
    return share_folder() / 'config' / 'networks'

"""Build a Keras network from its description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
import math

import keras
from keras import layers

from face_classification_ros.networks import blocks
from face_classification_ros.networks.description import (
    Block,
    Convolution,
    DenseHead,
    DetectionHead,
    Dropout,
    MAX_PARAMETERS,
    NetworkDescription,
    Pooling,
    ResidualModule,
    SeparableConvolution,
)

DETECTION_STRIDES = (8, 16, 32)
"""Sizes in pixels of the cells for which a detector predicts faces."""


class LimitExceededError(ValueError):
    """The cost of a network exceeds a limit.

    Attributes:
        block: the first one above the limit.
        cost: total cost up to and including this block.
        limit: that is exceeded.
    """

    def __init__(self, network: str, block: str, cost: float, limit: float, unit: str) -> None:
        self.block, self.cost, self.limit = block, cost, limit
        super().__init__(
            f'{network}: {round(cost, 3):,} {unit} at {block} exceed the limit of {limit:,}'
        )


def build_network(
    description: NetworkDescription,
    input_shape: tuple[int | None, int | None, int],
    heads: Mapping[str, int],
) -> keras.Model:
    """Build a network with one trunk and a head for each attribute.

    Args:
        description: of its blocks.
        input_shape: height, width and channels of a face, or of an image for a detector; height
            and width may be None unless the head is dense.
        heads: attribute -> number of labels; more than one make a multi-task network. Empty for a
            detector.

    Returns:
        A model from float32 N x H x W x C in [-1, 1] to a dict of attribute -> logits float32
        N x labels; for a detector, of `stride8`, `stride16` and `stride32` -> values of the cells
        as in `blocks.detection_head`. Its layers are named after their block:
        `residual_module1.add`.

    Raises:
        ValueError: a face is too small for a block, or a detector lacks maps at a stride.
        LimitExceededError: the network has more parameters than allowed.
    """
    faces = x = keras.Input(input_shape, name='scaled_faces')
    numbers: Counter[str] = Counter()
    stride = 1
    last_of_stride: dict[int, keras.KerasTensor] = {}
    for block in description.blocks:
        numbers[block.block] += 1
        name = f'{block.block}{numbers[block.block]}'
        if isinstance(block, Convolution) and block.padding == 'valid':
            sizes = [size for size in x.shape[1:3] if size is not None]
            if min(sizes, default=block.size) < block.size:
                raise ValueError(
                    f'{description.name}: faces of {input_shape[0]}x{input_shape[1]} are too '
                    f'small, {name} ({block.size}x{block.size}) has {min(sizes)} pixels left'
                )
        x = _add_block(x, block, name)
        stride *= 2 if isinstance(block, ResidualModule) else getattr(block, 'stride', 1)
        last_of_stride[stride] = x
    head = description.head
    outputs = {}
    if isinstance(head, DetectionHead):
        outputs = _add_detection_heads(description.name, last_of_stride)
    for attribute, classes in heads.items():
        if isinstance(head, DenseHead):
            weights = math.prod(size or 1 for size in x.shape[1:]) * head.units
            check_limit(description.name, {attribute: weights}, MAX_PARAMETERS, 'weights')
            outputs[attribute] = blocks.dense_head(
                x, classes, units=head.units, dropout=head.dropout, name=attribute
            )
        else:
            outputs[attribute] = blocks.pooling_head(x, classes, name=attribute)
    network = keras.Model(faces, outputs, name=description.name)
    parameters = {
        block: sum(layer.count_params() for layer in block_layers)
        for block, block_layers in layers_of_blocks(network).items()
    }
    check_limit(description.name, parameters, description.limits.max_parameters, 'parameters')
    return network


def layers_of_blocks(network: keras.Model) -> dict[str, list[layers.Layer]]:
    """Return block -> its layers, both in the order of the forward pass, the heads last."""
    blocks_of_network: dict[str, list[layers.Layer]] = {}
    for layer in network.layers:
        if not isinstance(layer, layers.InputLayer):
            blocks_of_network.setdefault(layer.name.partition('.')[0], []).append(layer)
    # Heads are parallel; they get the order in which they were requested.
    heads = {head: blocks_of_network.pop(head) for head in network.output}
    return blocks_of_network | heads


def check_limit(
    network: str, cost_of_blocks: Mapping[str, float], limit: float | None, unit: str
) -> None:
    """Check that the total cost of a network does not exceed a limit.

    Raises:
        LimitExceededError: it does.
    """
    total: float = 0
    for block, cost in cost_of_blocks.items():
        total += cost
        if limit is not None and total > limit:
            raise LimitExceededError(network, block, total, limit, unit)


def _add_detection_heads(
    network: str, last_of_stride: Mapping[int, keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    levels = []
    for stride in DETECTION_STRIDES:
        if stride not in last_of_stride:
            raise ValueError(f'{network}: a detector needs a block with stride {stride}')
        levels.append(last_of_stride[stride])
    filters = {level.shape[-1] for level in levels}
    if len(filters) > 1:
        raise ValueError(
            f'{network}: the last blocks of the strides 8, 16 and 32 have different filters'
        )
    fine, middle, coarse = levels
    middle = blocks.add_upsampled(middle, coarse, name='neck16')
    fine = blocks.add_upsampled(fine, middle, name='neck8')
    return {
        f'stride{stride}': blocks.detection_head(x, name=f'stride{stride}')
        for stride, x in zip(DETECTION_STRIDES, (fine, middle, coarse), strict=True)
    }


def _add_block(x: keras.KerasTensor, block: Block, name: str) -> keras.KerasTensor:
    if isinstance(block, Convolution):
        return blocks.convolution(
            x,
            block.filters,
            size=block.size,
            stride=block.stride,
            padding=block.padding,
            name=name,
        )
    if isinstance(block, SeparableConvolution):
        return blocks.separable_convolution(
            x, block.filters, size=block.size, stride=block.stride, name=name
        )
    if isinstance(block, ResidualModule):
        return blocks.residual_module(x, block.filters, name=name)
    if isinstance(block, Pooling):
        kind = layers.AveragePooling2D if block.block == 'average_pooling' else layers.MaxPooling2D
        return kind(block.size, block.stride, padding='same', name=name)(x)
    if isinstance(block, Dropout):
        return layers.SpatialDropout2D(block.rate, name=name)(x)
    return blocks.FaceStandardization(name=name)(x)

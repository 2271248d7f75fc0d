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
    Dropout,
    MAX_PARAMETERS,
    NetworkDescription,
    Pooling,
    ResidualModule,
    SeparableConvolution,
)


def build_network(
    description: NetworkDescription,
    input_shape: tuple[int | None, int | None, int],
    heads: Mapping[str, int],
) -> keras.Model:
    """Build a network: one trunk, and a head for each attribute.

    Args:
        description: what it is made of.
        input_shape: height, width and channels of a face; height and width may be None where the
            head is a pooling one.
        heads: attribute -> number of labels. With more than one the network is a blended one.

    Returns:
        A model from float32 N x H x W x C in [-1, 1] to a dict of attribute -> logits float32
        N x labels. Its layers are named after their block: `residual_module1.add`.

    Raises:
        ValueError: a face is too small for the blocks: which one has no pixels left; or the
            network has more parameters than its limit: at which block it passes it.
    """
    faces = x = keras.Input(input_shape, name='scaled_faces')
    numbers: Counter[str] = Counter()
    for block in description.blocks:
        numbers[block.block] += 1
        name = f'{block.block}{numbers[block.block]}'
        if isinstance(block, Convolution) and block.padding == 'valid':
            sides = [side for side in x.shape[1:3] if side is not None]
            if min(sides, default=block.size) < block.size:
                raise ValueError(
                    f'{description.name}: faces of {input_shape[0]}x{input_shape[1]} are too '
                    f'small, {name} ({block.size}x{block.size}) has {min(sides)} pixels left'
                )
        x = _add_block(x, block, name)
    head = description.head
    outputs = {}
    for attribute, classes in heads.items():
        if isinstance(head, DenseHead):
            weights = math.prod(side or 1 for side in x.shape[1:]) * head.units
            keep_limit(description.name, {attribute: weights}, MAX_PARAMETERS, 'weights')
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
    keep_limit(description.name, parameters, description.limits.max_parameters, 'parameters')
    return network


def layers_of_blocks(network: keras.Model) -> dict[str, list[layers.Layer]]:
    """Give block -> its layers, both in the order in which a face goes through them."""
    blocks_of_network: dict[str, list[layers.Layer]] = {}
    for layer in network.layers:
        if not isinstance(layer, layers.InputLayer):
            blocks_of_network.setdefault(layer.name.partition('.')[0], []).append(layer)
    # Heads stand beside each other; theirs is the order in which they were asked for.
    heads = {head: blocks_of_network.pop(head) for head in network.output}
    return blocks_of_network | heads


def keep_limit(
    network: str, cost_of_blocks: Mapping[str, float], limit: float | None, unit: str
) -> None:
    """Refuse a network at the first block with which the sum of the costs passes the limit.

    Raises:
        ValueError: 'my_net: at residual_module3 there are 71,200 parameters, limit 60,000'.
    """
    total: float = 0
    for block, cost in cost_of_blocks.items():
        total += cost
        if limit is not None and total > limit:
            raise ValueError(
                f'{network}: at {block} there are {round(total, 3):,} {unit}, limit {limit:,}'
            )


def _add_block(x: keras.KerasTensor, block: Block, name: str) -> keras.KerasTensor:
    if isinstance(block, Convolution):
        return blocks.convolution(
            x, block.filters, size=block.size, padding=block.padding, name=name
        )
    if isinstance(block, SeparableConvolution):
        return blocks.separable_convolution(x, block.filters, size=block.size, name=name)
    if isinstance(block, ResidualModule):
        return blocks.residual_module(x, block.filters, name=name)
    if isinstance(block, Pooling):
        kind = layers.AveragePooling2D if block.block == 'average_pooling' else layers.MaxPooling2D
        return kind(block.size, block.stride, padding='same', name=name)(x)
    if isinstance(block, Dropout):
        return layers.SpatialDropout2D(block.rate, name=name)(x)
    return blocks.FaceStandardization(name=name)(x)

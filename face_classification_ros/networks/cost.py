"""Cost of a network before training: parameters, multiply-adds, file size, latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import itertools
import math
import time
from typing import Any

import keras
from keras import layers
import numpy as np
import onnx
import tensorflow as tf

from face_classification_ros.inference.session import load_network
from face_classification_ros.networks.builder import (
    build_network,
    check_limit,
    layers_of_blocks,
)
from face_classification_ros.networks.description import NetworkDescription
from face_classification_ros.networks.onnx_export import convert_to_onnx

WARM_UP = 2
ROUNDS, RUNS = 10, 10


@dataclass(frozen=True)
class BlockCost:
    """The part of a block in the cost of a network.

    Attributes:
        name: such as `residual_module1`; the attribute for a head.
        parameters: trained ones and moving averages: 4 per map for a batch normalization.
        multiply_adds: of the block's convolutions and fully connected layers for one face. Batch
            normalization is folded into the convolutions of a model file and not counted, nor are
            ReLU, pooling and averages.
        output_shape: height, width and maps; the number of labels for a classifier's head.
        receptive_field: size in pixels of the region of a face on which one value of the block's
            last maps depends, even if it exceeds the face. Layers that use the whole face do not
            count: standardization, the last averaging, fully connected layers.
        file_size: bytes of the model file, without metadata.
        latency_ms: milliseconds for one face; None if not measured.
    """

    name: str
    parameters: int
    multiply_adds: int
    output_shape: tuple[int, ...]
    receptive_field: int
    file_size: int
    latency_ms: float | None


@dataclass(frozen=True)
class NetworkCost:
    """The cost of a network; the properties are sums over its blocks.

    Attributes:
        network: its name.
        input_shape: height, width and channels of a face, or of an image for a detector.
        heads: attribute -> number of labels; empty for a detector.
        blocks: in the order of the forward pass, the heads last.
    """

    network: str
    input_shape: tuple[int, int, int]
    heads: dict[str, int]
    blocks: tuple[BlockCost, ...]

    @property
    def parameters(self) -> int:
        """Parameters of all blocks."""
        return sum(block.parameters for block in self.blocks)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of all blocks for one face."""
        return sum(block.multiply_adds for block in self.blocks)

    @property
    def receptive_field(self) -> int:
        """Size in pixels of the region on which one value of the last maps depends."""
        return max(block.receptive_field for block in self.blocks)

    @property
    def file_size(self) -> int:
        """Bytes of the model file, without metadata."""
        return sum(block.file_size for block in self.blocks)

    @property
    def latency_ms(self) -> float | None:
        """Milliseconds for one face, None if not measured."""
        times = [block.latency_ms for block in self.blocks if block.latency_ms is not None]
        return sum(times) if times else None


def measure_cost(
    description: NetworkDescription,
    input_shape: tuple[int, int, int],
    heads: Mapping[str, int],
    *,
    latency: bool = True,
) -> NetworkCost:
    """Measure the cost of an untrained network, block by block.

    Latency is the median of ONNX Runtime with one thread and one face, after a warm-up. That of a
    block is the difference between the network up to it and up to the previous one.

    Args:
        description: of the network.
        input_shape: height, width and channels of a face, or of an image for a detector.
        heads: attribute -> number of labels; empty for a detector.
        latency: whether to measure the latency, too.

    Raises:
        ValueError: the network cannot be built for such faces.
        LimitExceededError: the network has more parameters than allowed.
    """
    network = build_network(description, input_shape, heads)
    blocks = layers_of_blocks(network)
    fields = _receptive_fields(blocks)
    prefixes = _prefixes(network, blocks)
    sizes = _differences([prefix.ByteSize() for prefix in prefixes])
    times: Sequence[float | None] = [None] * len(blocks)
    if latency:
        times = _differences(_latencies(prefixes, input_shape))
    return NetworkCost(
        description.name,
        input_shape,
        dict(heads),
        tuple(
            BlockCost(
                name,
                sum(layer.count_params() for layer in block_layers),
                sum(_multiply_adds(layer) for layer in block_layers),
                tuple(block_layers[-1].output.shape[1:]),
                fields[block_layers[-1].name],
                file_size,
                latency_ms,
            )
            for (name, block_layers), file_size, latency_ms in zip(
                blocks.items(), sizes, times, strict=True
            )
        ),
    )


def check_limits(description: NetworkDescription, cost: NetworkCost) -> None:
    """Check that a network is within the limits of its description.

    A limit of the latency is ignored if the latency was not measured.

    Raises:
        LimitExceededError: a limit is exceeded.
    """
    name, limits = description.name, description.limits
    parameters = {block.name: block.parameters for block in cost.blocks}
    check_limit(name, parameters, limits.max_parameters, 'parameters')
    times = {block.name: block.latency_ms or 0.0 for block in cost.blocks}
    check_limit(name, times, limits.max_latency_ms, 'ms')


def check_latency(
    description: NetworkDescription, input_shape: tuple[int, int, int], heads: Mapping[str, int]
) -> None:
    """Measure a network if its description limits the latency, and check the limit.

    Raises:
        LimitExceededError: the limit is exceeded.
    """
    if description.limits.max_latency_ms is not None:
        check_limits(description, measure_cost(description, input_shape, heads))


def _multiply_adds(layer: layers.Layer) -> int:
    # Each value of a kernel is multiplied once per pixel of the layer's output.
    kernels = sum(math.prod(each.shape) for each in layer.weights if len(each.shape) > 1)
    return kernels * math.prod(layer.output.shape[1:-1])


def _receptive_fields(blocks: Mapping[str, list[layers.Layer]]) -> dict[str, int]:
    """Return layer -> size of its receptive field in pixels (Araujo et al. 2019, equation 2).

    Where branches join, the larger one counts.
    """
    fields: dict[str, int] = {}
    of_tensor: dict[int, tuple[int, int]] = {}
    for layer in itertools.chain(*blocks.values()):
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        field, stride = max(of_tensor.get(id(each), (1, 1)) for each in inputs)
        if isinstance(layer, layers.Conv2D | layers.SeparableConv2D | layers.DepthwiseConv2D):
            size, step = layer.kernel_size[0], layer.strides[0]
        elif isinstance(layer, layers.MaxPooling2D | layers.AveragePooling2D):
            size, step = layer.pool_size[0], layer.strides[0]
        else:
            size, step = 1, 1
        fields[layer.name] = field + (size - 1) * stride
        of_tensor[id(layer.output)] = fields[layer.name], stride * step
    return fields


def _prefixes(
    network: keras.Model, blocks: Mapping[str, list[layers.Layer]]
) -> list[onnx.ModelProto]:
    """Return the network up to each of its blocks in ONNX; the last one is the whole network."""
    ends = keras.Model(
        network.inputs, [block_layers[-1].output for block_layers in blocks.values()]
    )

    def outputs(faces: tf.Tensor) -> dict[str, tf.Tensor]:
        values = zip(blocks, ends(faces, training=False), strict=True)
        # Averaged, as transposing maps to the layout of an output is slower than some blocks.
        return {
            name: tf.reduce_mean(value, [1, 2]) if value.shape.rank == 4 else tf.nn.softmax(value)
            for name, value in values
        }

    extractor = onnx.utils.Extractor(convert_to_onnx(outputs, network.input_shape[1:]))
    names = list(blocks)
    first_head = len(names) - len(network.output)
    return [
        extractor.extract_model(['faces'], names[min(number, first_head) : number + 1])
        for number in range(len(names))
    ]


def _latencies(
    models: Sequence[onnx.ModelProto], input_shape: tuple[int, int, int]
) -> list[float]:
    """Return the milliseconds that each model takes for one face."""
    sessions = [load_network(model.SerializeToString()) for model in models]
    face = {'faces': np.random.default_rng(0).integers(0, 256, (1, *input_shape), np.uint8)}
    times: list[list[float]] = [[] for _ in sessions]
    # Interleaved, so that a temporarily slow machine affects all of them.
    for number in range(WARM_UP + ROUNDS):
        for session, session_times in zip(sessions, times, strict=True):
            for _ in range(RUNS):
                start = time.perf_counter()
                session.run(None, face)
                if number >= WARM_UP:
                    session_times.append(time.perf_counter() - start)
    return [1e3 * float(np.median(each)) for each in times]


def _differences(totals: Sequence[float]) -> list[Any]:
    """Return what each block adds to cumulative totals, as integers for integer totals."""
    # A longer network cannot cost less; where it seems to, this is noise, or the averaging that
    # only the shorter one needs. The last total, that of the whole network, is kept.
    increasing = np.minimum.accumulate(totals[::-1])[::-1]
    return np.diff(increasing, prepend=increasing.dtype.type(0)).tolist()

"""Initialize a network with the weights of another run or of a model file."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

from google.protobuf.message import DecodeError
import keras
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import numpy_helper

from face_classification_ros.inference.session import read_model
from face_classification_ros.networks.blocks import FusedBatchNormalization
from face_classification_ros.training.checkpoint import (
    CHECKPOINT,
    DamagedRunError,
    load_checkpoint,
)

Weights = dict[str, list[NDArray[Any]]]
"""Name of a layer -> its weights in the order of Keras."""


def take_weights(network: keras.Model, source: Path, images: NDArray[np.float32]) -> None:
    """Set the weights of all layers that a network has in common with another, by name and shape.

    Args:
        network: is changed in place.
        source: output folder of a run, or a model file.
        images: for training, in [-1, 1], N x H x W x C; a model file lacks the statistics of
            batch normalization, which are measured on them.

    Raises:
        ValueError: `source` is neither a run nor a model file, or they have no layer in common.
    """
    from_file = not source.is_dir()
    known = _weights_of_file(source) if from_file else _weights_of_run(source)
    shared = [
        layer
        for layer in network.layers
        if layer.weights
        and [each.shape for each in layer.weights]
        == [each.shape for each in known.get(layer.name, [])]
    ]
    if not shared:
        raise ValueError(f'the network of {source} has no layer in common with {network.name}')
    for layer in shared:
        layer.set_weights(known[layer.name])
    if from_file:
        norms = [layer for layer in shared if isinstance(layer, FusedBatchNormalization)]
        _measure_norms(network, norms, images)


def _weights_of_run(run: Path) -> Weights:
    if not (run / CHECKPOINT).exists():
        raise ValueError(
            f'{run} contains no {CHECKPOINT}, so it is not the output folder of a run'
        )
    try:
        layers = load_checkpoint(run).layers
    except DamagedRunError as error:
        # It may be somebody else's run.
        raise ValueError(f'{error.path} is damaged') from error
    return {layer.name: layer.get_weights() for layer in layers}


def _weights_of_file(path: Path) -> Weights:
    """Return the weights in a model file, where batch normalization is folded into convolutions.

    Its layers get what is left: a mean of 0, a variance of 1 and the offset.
    """
    try:
        graph = onnx.load_model_from_string(read_model(path)).graph
    except (ValueError, DecodeError) as error:
        raise ValueError(f'{path} is not a valid model file: {error}') from error
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    weights: Weights = {}
    for node in graph.node:
        if node.op_type != 'Conv' or len(node.input) < 3:
            continue
        kernel, offset = (constants.get(name) for name in node.input[1:3])
        if kernel is None or offset is None:
            continue
        # ONNX has filters first, Keras last.
        parts = [kernel.transpose(2, 3, 1, 0)]
        depthwise = producers.get(node.input[0])
        layer, owner = (_layer(name) for name in node.input[1:3])
        if layer.endswith('.separable') and depthwise is not None:
            parts.insert(0, constants[depthwise.input[1]].transpose(2, 3, 0, 1))
        if owner == layer:
            weights[layer] = [*parts, offset]
        else:
            weights[layer] = parts
            one, zero = np.ones_like(offset), np.zeros_like(offset)
            weights[owner] = [one, offset, zero, one]
    return weights


def _layer(name: str) -> str:
    """Return the layer of a constant: convolution1.maps of 'tiny_1/convolution1.maps_1/...'."""
    return re.sub(r'_\d+$', '', name.split('/')[1]) if name.count('/') > 1 else name


def _measure_norms(
    network: keras.Model, norms: list[FusedBatchNormalization], images: NDArray[np.float32]
) -> None:
    """Set the statistics of batch normalization layers to those of their inputs.

    Scale and offset are adapted, so that the predictions do not change. In training, the
    statistics of a batch then replace the measured ones.
    """
    for norm in norms:
        gamma, beta, mean, variance = norm.get_weights()
        norm.set_weights([gamma, beta, mean, variance - norm.epsilon])
    inputs = keras.Model(network.inputs, [norm.input for norm in norms])
    for norm, values in zip(norms, inputs.predict(images, verbose=0), strict=True):
        mean, variance = values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))
        beta = norm.get_weights()[1]
        norm.set_weights([np.sqrt(variance + norm.epsilon), beta + mean, mean, variance])

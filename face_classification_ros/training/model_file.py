"""Check a model file against the network that it was made of, and write it."""

from __future__ import annotations

from collections.abc import Mapping
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import onnx

from face_classification_ros.inference.session import load_network

TOLERANCE = 1e-4
"""Largest difference of an output, relative to its value where that is above 1."""


def check_equal(
    model: onnx.ModelProto,
    inputs: Mapping[str, NDArray[np.generic]],
    expected: Mapping[str, NDArray[np.generic]],
) -> None:
    """Check that ONNX Runtime computes the same outputs as Keras.

    Args:
        model: the model file.
        inputs: name -> values.
        expected: output -> values that Keras computes for these inputs.

    Raises:
        RuntimeError: an output differs by more than `TOLERANCE`, or is not finite.
    """
    outputs = load_network(model.SerializeToString()).run([*expected], dict(inputs))
    for (name, values), output in zip(expected.items(), outputs, strict=True):
        difference = float((abs(output - values) / np.maximum(1, abs(values))).max())
        # Also for nan.
        if not difference <= TOLERANCE:
            raise RuntimeError(
                f'{name} of the model file differs from the network by {difference:.1e}, '
                f'more than {TOLERANCE}'
            )


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Write a model file, which is complete, also if the training is killed meanwhile."""
    unfinished = path.with_suffix('.unfinished')
    onnx.save(model, unfinished)
    os.replace(unfinished, path)

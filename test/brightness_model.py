"""Write model files with known predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

INPUT_SHAPE = ('faces_count', 16, 16, 1)


def write_brightness_model(
    path: Path,
    labels: Mapping[str, Sequence[str]],
    *,
    shape: Sequence[int | str] = INPUT_SHAPE,
    kind: int = TensorProto.UINT8,
    thresholds: Mapping[str, float] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a model file that estimates attributes by the brightness of the crop.

    The probability of the first label is the mean brightness, 0 to 1; the others have equal parts
    of the rest.

    Args:
        path: of the file.
        labels: attribute -> its labels.
        shape: of the input.
        kind: type of the input.
        thresholds: attribute -> probability below which its label is "unknown", by default 0.5.
        metadata: all metadata instead of that of a valid model file.
    """
    operators = [
        helper.make_node('Cast', ['faces'], ['values'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['values'], ['mean'], axes=[1, 2, 3], keepdims=0),
        helper.make_node('Div', ['mean', 'white'], ['brightness']),
        helper.make_node('Reshape', ['brightness', 'column'], ['first']),
    ]
    constants = {'white': np.array(255, np.float32), 'column': np.array([-1, 1])}
    for attribute, names in labels.items():
        operators += _distribution(attribute, len(names), constants)
    graph = helper.make_graph(
        operators,
        'brightness',
        [helper.make_tensor_value_info('faces', kind, list(shape))],
        [
            helper.make_tensor_value_info(attribute, TensorProto.FLOAT, [None, len(names)])
            for attribute, names in labels.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
    if metadata is None:
        metadata = {
            'labels': json.dumps({attribute: list(names) for attribute, names in labels.items()}),
            'color': 'gray',
            'margin': '0.0',
            'thresholds': json.dumps(dict.fromkeys(labels, 0.5) | dict(thresholds or {})),
        }
    helper.set_model_props(model, dict(metadata))
    onnx.save(model, str(path))


def _distribution(attribute: str, size: int, constants: dict[str, Any]) -> list[onnx.NodeProto]:
    """Return the operators of a distribution over `size` labels, and add their constants."""
    rest = 1 / max(1, size - 1)
    factors, offsets = f'{attribute}_factors', f'{attribute}_offsets'
    constants[factors] = np.array([[1] + [-rest] * (size - 1)], np.float32)
    constants[offsets] = np.array([0] + [rest] * (size - 1), np.float32)
    return [
        helper.make_node('MatMul', ['first', factors], [f'{attribute}_product']),
        helper.make_node('Add', [f'{attribute}_product', offsets], [attribute]),
    ]

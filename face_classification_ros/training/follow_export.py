"""The model file of a classifier as a graph: its feature maps, and the head that follows faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto

from face_classification_ros.classification.classifier import MOVEMENT

MAPS = f'{MOVEMENT}/maps'
"""Name of the maps of the unmirrored faces."""

_PREFIX = f'{MOVEMENT}/'


@dataclass(frozen=True)
class Head:
    """The weights of a head: a convolution of 1x1 and two fully connected layers.

    Attributes:
        kernel: of the convolution, channels x maps.
        bias: of the convolution.
        hidden: of the hidden layer, (channels x height x width) x units.
        hidden_bias: of the hidden layer.
        last: of the last layer, units x 4.
        last_bias: of the last layer.
    """

    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    last: NDArray[np.float32]
    last_bias: NDArray[np.float32]

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(each.size for each in vars(self).values())


def without_head(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model without the head of an earlier training."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    for parts in (graph.node, graph.initializer):
        kept = [each for each in parts if not each.name.startswith(_PREFIX)]
        del parts[:]
        parts.extend(kept)
    outputs = [each for each in graph.output if each.name != MOVEMENT]
    del graph.output[:]
    graph.output.extend(outputs)
    return copy


def with_maps(model: onnx.ModelProto, part: str, *, are_mirrored: bool) -> onnx.ModelProto:
    """Return a copy of a model with feature maps of the faces as one more output, `MAPS`.

    Args:
        model: a classifier without a head.
        part: of the name of the maps; of several, the first.
        are_mirrored: whether the second half of the maps is that of mirrored faces.

    Raises:
        ValueError: the model has no such maps.
    """
    names = [name for node in model.graph.node for name in node.output if part in name]
    if not names:
        raise ValueError(f'maps: the model has no feature maps {part!r}')
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    if are_mirrored:
        outputs = [MAPS, f'{_PREFIX}mirrored']
        node = helper.make_node('Split', names[:1], outputs, name=f'{_PREFIX}split', axis=0)
    else:
        node = helper.make_node('Identity', names[:1], [MAPS], name=f'{_PREFIX}split')
    copy.graph.node.append(node)
    copy.graph.output.append(helper.make_tensor_value_info(MAPS, TensorProto.FLOAT, None))
    return copy


def with_head(model: onnx.ModelProto, head: Head) -> onnx.ModelProto:
    """Return a copy of a model of `with_maps` with a head: the output `movement` replaces them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    kernel = head.kernel[:, :, None, None]
    weights = {**vars(head), 'kernel': kernel, 'sizes': np.array([3, 1], np.int64)}
    graph.initializer.extend(
        numpy_helper.from_array(each, f'{_PREFIX}{name}') for name, each in weights.items()
    )
    nodes: list[tuple[str, Sequence[str], Sequence[str], dict[str, Any]]] = [
        ('Conv', ('maps', 'kernel', 'bias'), ('few',), {}),
        ('Flatten', ('few',), ('flat',), {}),
        ('Gemm', ('flat', 'hidden', 'hidden_bias'), ('values',), {}),
        ('Relu', ('values',), ('active',), {}),
        ('Gemm', ('active', 'last', 'last_bias'), ('rows',), {}),
        ('Split', ('rows', 'sizes'), ('distances', 'logit'), {'axis': 1}),
        ('Sigmoid', ('logit',), ('probability',), {}),
    ]
    for number, (kind, inputs, outputs, attributes) in enumerate(nodes):
        graph.node.append(
            helper.make_node(
                kind,
                [f'{_PREFIX}{each}' for each in inputs],
                [f'{_PREFIX}{each}' for each in outputs],
                name=f'{_PREFIX}{number}',
                **attributes,
            )
        )
    parts = [f'{_PREFIX}distances', f'{_PREFIX}probability']
    graph.node.append(
        helper.make_node('Concat', parts, [MOVEMENT], name=f'{_PREFIX}concat', axis=1)
    )
    outputs = [each for each in graph.output if each.name != MAPS]
    del graph.output[:]
    rows = helper.make_tensor_value_info(MOVEMENT, TensorProto.FLOAT, ['faces_followed', 4])
    graph.output.extend([*outputs, rows])
    return copy

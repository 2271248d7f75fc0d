"""Read, build and write ONNX graphs with numpy alone.

The Python package onnx is not an option on a robot: with its dependency ml_dtypes, pip replaces
the numpy 1.26 of Ubuntu 24.04 by numpy 2, and breaks what was built for the former: OpenCV,
cv_bridge and other nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
import math

import numpy as np
from numpy.typing import NDArray

from face_classification_ros.inference.wire_format import (
    Encoded,
    read_fields,
    read_integers,
    write_fields,
)


class ModelField(IntEnum):
    """Field numbers of `ModelProto` in onnx.proto."""

    IR_VERSION = 1
    GRAPH = 7
    OPSET_IMPORT = 8
    FUNCTIONS = 25


class GraphField(IntEnum):
    """Field numbers of `GraphProto` in onnx.proto."""

    NODE = 1
    NAME = 2
    INITIALIZER = 5
    INPUT = 11
    OUTPUT = 12
    SPARSE_INITIALIZER = 15


class NodeField(IntEnum):
    """Field numbers of `NodeProto` in onnx.proto."""

    INPUT = 1
    OUTPUT = 2
    OP_TYPE = 4
    ATTRIBUTE = 5
    DOMAIN = 7


class AttributeField(IntEnum):
    """Field numbers of `AttributeProto` in onnx.proto."""

    NAME = 1
    INTEGER = 3
    STRING = 4
    TENSOR = 5
    GRAPH = 6
    INTEGERS = 8
    TENSORS = 10
    GRAPHS = 11
    TYPE = 20
    SPARSE_TENSOR = 22
    SPARSE_TENSORS = 23


class TensorField(IntEnum):
    """Field numbers of `TensorProto` in onnx.proto."""

    DIMENSIONS = 1
    DATA_TYPE = 2
    FLOAT_DATA = 4
    NAME = 8
    RAW_DATA = 9
    EXTERNAL_DATA = 13
    DATA_LOCATION = 14


FLOAT, INT64 = 1, 7
"""Element types of tensors, `TensorProto.DataType` in onnx.proto."""

_ELEMENT_TYPES = {'float32': FLOAT, 'int64': INT64}

# `AttributeProto.AttributeType`.
_INTEGER, _STRING, _TENSOR, _INTEGERS = 2, 3, 4, 7

AttributeValue = int | str | Sequence[int] | NDArray[np.generic]
"""What `encode_attribute` can write."""


class _Message:
    """The fields of an encoded protocol-buffers message, by number."""

    def __init__(self, encoded: Encoded) -> None:
        self._values: defaultdict[int, list[int | memoryview]] = defaultdict(list)
        for number, value in read_fields(encoded):
            self._values[number].append(value)

    def parts(self, number: int) -> list[Encoded]:
        """Return the messages, texts or bytes of a repeated field."""
        return [value for value in self._values[number] if isinstance(value, memoryview)]

    def texts(self, number: int) -> list[str]:
        """Return the texts of a repeated field."""
        return [str(value, 'utf-8') for value in self.parts(number)]

    def text(self, number: int) -> str:
        """Return the text of a field; "" where it is not set."""
        return (self.texts(number) or [''])[-1]

    def integers(self, number: int) -> list[int]:
        """Return the int64 values of a repeated field, packed or not."""
        values: list[int] = []
        for value in self._values[number]:
            values += [value] if isinstance(value, int) else read_integers(value)
        return [(value + 2**63) % 2**64 - 2**63 for value in values]


@dataclass
class Node:
    """One operation of a graph.

    Attributes:
        op_type: name of the operator.
        inputs: names of the tensors that it takes; "" for an optional one that is not given.
        outputs: names of the tensors that it computes.
        attributes: encoded `AttributeProto` by name.
        domain: domain of the operator; "" for ONNX's own.
    """

    op_type: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Encoded] = field(default_factory=dict)
    domain: str = ''

    @classmethod
    def decode(cls, encoded: Encoded) -> Node:
        """Return the node of an encoded `NodeProto`."""
        message = _Message(encoded)
        return cls(
            message.text(NodeField.OP_TYPE),
            message.texts(NodeField.INPUT),
            message.texts(NodeField.OUTPUT),
            {
                _Message(each).text(AttributeField.NAME): each
                for each in message.parts(NodeField.ATTRIBUTE)
            },
            message.text(NodeField.DOMAIN),
        )

    def encode(self) -> bytes:
        """Return the node as an encoded `NodeProto`."""
        return write_fields(
            *((NodeField.INPUT, each) for each in self.inputs),
            *((NodeField.OUTPUT, each) for each in self.outputs),
            (NodeField.OP_TYPE, self.op_type),
            *((NodeField.ATTRIBUTE, each) for each in self.attributes.values()),
            (NodeField.DOMAIN, self.domain),
        )

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        """Return an attribute that is a list of integers.

        Raises:
            KeyError: it is not set, and there is no default.
        """
        if name not in self.attributes and default is not None:
            return list(default)
        return _Message(self.attributes[name]).integers(AttributeField.INTEGERS)

    def integer(self, name: str, default: int) -> int:
        """Return an attribute that is an integer."""
        if name not in self.attributes:
            return default
        return _Message(self.attributes[name]).integers(AttributeField.INTEGER)[-1]


@dataclass
class Graph:
    """The part of an ONNX model that computes something.

    Attributes:
        nodes: in an order in which they can run.
        initializers: encoded `TensorProto` by name: weights and other constants.
        inputs: encoded `ValueInfoProto` by name.
        outputs: encoded `ValueInfoProto` by name.
        ir_version: version of the file format.
        opset_imports: encoded `OperatorSetIdProto`: versions of the operators.
    """

    nodes: list[Node]
    initializers: dict[str, Encoded]
    inputs: dict[str, Encoded]
    outputs: dict[str, Encoded]
    ir_version: int
    opset_imports: list[Encoded]

    @classmethod
    def decode(cls, content: Encoded) -> Graph:
        """Return the graph of a model.

        Args:
            content: content of an ONNX file that ONNX Runtime can load.

        Raises:
            ValueError: it is not an ONNX file.
        """
        model = _Message(content)
        # The parts of a message that comes in several are merged.
        graph = _Message(b''.join(model.parts(ModelField.GRAPH)))
        return cls(
            [Node.decode(each) for each in graph.parts(GraphField.NODE)],
            {
                _Message(each).text(TensorField.NAME): each
                for each in graph.parts(GraphField.INITIALIZER)
            },
            _by_name(graph.parts(GraphField.INPUT)),
            _by_name(graph.parts(GraphField.OUTPUT)),
            (model.integers(ModelField.IR_VERSION) or [0])[-1],
            model.parts(ModelField.OPSET_IMPORT),
        )

    def encode(self) -> bytes:
        """Return the content of an ONNX file."""
        graph = write_fields(
            *((GraphField.NODE, each.encode()) for each in self.nodes),
            (GraphField.NAME, 'graph'),
            *((GraphField.INITIALIZER, each) for each in self.initializers.values()),
            *((GraphField.INPUT, each) for each in self.inputs.values()),
            *((GraphField.OUTPUT, each) for each in self.outputs.values()),
        )
        return write_fields(
            (ModelField.IR_VERSION, self.ir_version),
            (ModelField.GRAPH, graph),
            *((ModelField.OPSET_IMPORT, each) for each in self.opset_imports),
        )


def encode_attribute(name: str, value: AttributeValue) -> bytes:
    """Return an encoded `AttributeProto`."""
    fields: list[tuple[int, int | str | Encoded]]
    if isinstance(value, int):
        fields = [(AttributeField.INTEGER, value), (AttributeField.TYPE, _INTEGER)]
    elif isinstance(value, str):
        fields = [(AttributeField.STRING, value), (AttributeField.TYPE, _STRING)]
    elif isinstance(value, np.ndarray):
        tensor = encode_tensor('', value)
        fields = [(AttributeField.TENSOR, tensor), (AttributeField.TYPE, _TENSOR)]
    else:
        fields = [(AttributeField.INTEGERS, each) for each in value]
        fields.append((AttributeField.TYPE, _INTEGERS))
    return write_fields((AttributeField.NAME, name), *fields)


def encode_tensor(name: str, values: NDArray[np.generic]) -> bytes:
    """Return an array of float32 or int64 as an encoded `TensorProto`."""
    return write_fields(
        *((TensorField.DIMENSIONS, each) for each in values.shape),
        (TensorField.DATA_TYPE, _ELEMENT_TYPES[values.dtype.name]),
        (TensorField.NAME, name),
        (TensorField.RAW_DATA, values.astype(values.dtype.newbyteorder('<')).tobytes()),
    )


def decode_tensor(encoded: Encoded) -> NDArray[np.float32]:
    """Return an encoded `TensorProto` as an array.

    Raises:
        ValueError: its elements are not float32, or are not as many as its shape says.
    """
    message = _Message(encoded)
    if message.integers(TensorField.DATA_TYPE) != [FLOAT]:
        raise ValueError('its weights are not of type float32')
    data = message.parts(TensorField.RAW_DATA) or message.parts(TensorField.FLOAT_DATA)
    shape = message.integers(TensorField.DIMENSIONS)
    values = np.frombuffer(b''.join(data), '<f4')
    if values.size != math.prod(shape):
        raise ValueError(f'a tensor of shape {shape} has {values.size} elements')
    return values.astype(np.float32).reshape(shape)


def encode_value_info(name: str, element_type: int | None = None, rank: int = 0) -> bytes:
    """Return the description of an input or output as an encoded `ValueInfoProto`.

    Args:
        name: name of the tensor.
        element_type: `FLOAT` or `INT64`; None leaves type and shape to ONNX Runtime.
        rank: number of dimensions, all of free size.
    """
    if element_type is None:
        return write_fields((1, name))
    shape = write_fields(*((1, b'') for _ in range(rank)))
    tensor_type = write_fields((1, element_type), (2, shape))
    return write_fields((1, name), (2, write_fields((1, tensor_type))))


def _by_name(values: Sequence[Encoded]) -> dict[str, Encoded]:
    return {_Message(each).text(1): each for each in values}

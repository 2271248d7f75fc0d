"""Load networks into ONNX Runtime, with limits on what a model file may contain and use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnxruntime

MAX_FILE_SIZE = 256 * 2**20
"""Size limit of a model file in bytes: a hundred times the largest model of the package."""

MAX_MEMORY = 2 * 2**30
"""Limit in bytes for the weights and intermediate results of all networks of a process."""


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


_SPARSE_TENSOR_PARTS = (1, 2)
"""Field numbers of values and indices in `SparseTensorProto`."""

Encoded = bytes | memoryview
"""A message in the wire format of protocol buffers, or a part of one."""

# Wire types of protocol buffers.
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def read_model(path: Path) -> bytes:
    """Return the content of a self-contained model file.

    Raises:
        OSError: the file cannot be read.
        ValueError: `require_self_contained` rejects it.
    """
    with path.open('rb') as file:
        content = file.read(MAX_FILE_SIZE + 1)
    require_self_contained(content)
    return content


def require_self_contained(content: bytes) -> None:
    """Reject a model that refers to other files, or whose work has no bound.

    ONNX Runtime would read weights from any file that a model names ("external data"), and run
    loops as often as the model demands. No network of this package needs either. The check walks
    through the encoded file and allocates nothing for it.

    Args:
        content: of an ONNX file.

    Raises:
        ValueError: the model is too large, is not an ONNX file, or contains external data, a
            loop, a branch or model-local functions.
    """
    if len(content) > MAX_FILE_SIZE:
        raise ValueError(f'it is larger than {MAX_FILE_SIZE // 2**20} MiB')
    for number, graph in _parts(content):
        if number == ModelField.FUNCTIONS:
            raise ValueError('it contains model-local functions, which are not supported')
        if number == ModelField.GRAPH:
            _check_graph(graph)


def _check_graph(graph: memoryview) -> None:
    for number, part in _parts(graph):
        if number == GraphField.INITIALIZER:
            _check_tensor(part)
        elif number == GraphField.SPARSE_INITIALIZER:
            _check_sparse_tensor(part)
        elif number == GraphField.NODE:
            for field, attribute in _parts(part):
                if field == NodeField.ATTRIBUTE:
                    _check_attribute(attribute)


def _check_attribute(attribute: memoryview) -> None:
    for number, part in _parts(attribute):
        if number in (AttributeField.GRAPH, AttributeField.GRAPHS):
            raise ValueError('it contains a loop or a branch, which is not supported')
        if number in (AttributeField.TENSOR, AttributeField.TENSORS):
            _check_tensor(part)
        elif number in (AttributeField.SPARSE_TENSOR, AttributeField.SPARSE_TENSORS):
            _check_sparse_tensor(part)


def _check_sparse_tensor(tensor: memoryview) -> None:
    for number, part in _parts(tensor):
        if number in _SPARSE_TENSOR_PARTS:
            _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    for number, value in read_fields(tensor):
        if number == TensorField.EXTERNAL_DATA or (
            number == TensorField.DATA_LOCATION and value != 0
        ):
            raise ValueError(
                'its weights are stored in other files (external data), which are not read'
            )


def _parts(message: Encoded) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of the fields that contain bytes, text or messages."""
    for number, value in read_fields(message):
        if isinstance(value, memoryview):
            yield number, value


def read_fields(message: Encoded) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of an encoded protocol-buffers message.

    Source: https://protobuf.dev/programming-guides/encoding

    Raises:
        ValueError: this is no such message.
    """
    message = memoryview(message)
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        value: int | memoryview
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
        else:
            if wire_type == _LENGTH:
                size, position = _read_varint(message, position)
            elif wire_type in (_EIGHT_BYTES, _FOUR_BYTES):
                size = 8 if wire_type == _EIGHT_BYTES else 4
            else:
                # Groups, which ONNX never used.
                raise ValueError('it is not an ONNX file')
            if size > len(message) - position:
                raise ValueError('it is not an ONNX file, or it is truncated')
            value, position = message[position : position + size], position + size
        yield number, value


def read_integers(values: memoryview) -> Iterator[int]:
    """Yield the integers of a packed field, each 0 to 2**64 - 1."""
    position = 0
    while position < len(values):
        value, position = _read_varint(values, position)
        yield value


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return an integer, stored as 7 bits per byte in at most 10 bytes, and where it ends."""
    value = 0
    for index, byte in enumerate(message[position : position + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError('it is not an ONNX file, or it is truncated')


def write_fields(*fields: tuple[int, int | str | Encoded]) -> bytes:
    """Return an encoded protocol-buffers message: the inverse of `read_fields`.

    Args:
        fields: number and value of each; a message or a text is stored with its length, an
            integer as int64.
    """
    message = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            message += _write_varint(number << 3 | _VARINT) + _write_varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            message += _write_varint(number << 3 | _LENGTH) + _write_varint(len(content)) + content
    return bytes(message)


def _write_varint(value: int) -> bytes:
    value %= 2**64  # Negative integers are stored as their two's complement.
    content = bytearray()
    while value >= 0x80:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    content.append(value)
    return bytes(content)


@functools.cache
def _limit_memory() -> None:
    """Make all sessions of this process allocate from one arena, limited to `MAX_MEMORY`.

    A model file of a few hundred bytes can ask for any amount, while it is loaded or when it runs.
    """
    info = onnxruntime.OrtMemoryInfo(
        'Cpu',
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    onnxruntime.create_and_register_allocator(
        info, onnxruntime.OrtArenaCfg({'max_mem': MAX_MEMORY})
    )


def load_network(model: Path | bytes, *, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session that runs a network on the CPU.

    Args:
        model: path of an ONNX file, or its content.
        threads: number of CPU threads per call.

    Raises:
        OSError: the file cannot be read.
        ValueError: `require_self_contained` rejects the model, or ONNX Runtime cannot run it; the
            text is the first line of its error message.
    """
    if isinstance(model, bytes):
        require_self_contained(model)
    else:
        model = read_model(model)
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait for the next call would keep whole cores busy: with two
    # threads the CPU time per face triples.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.add_session_config_entry('session.use_env_allocators', '1')
    # The check above does not cover ONNX Runtime's other file format.
    options.add_session_config_entry('session.load_model_format', 'ONNX')
    # Errors are raised; what is merely logged (unused initializers and the like) does not help
    # the user of a robot.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            model,
            options,
            providers=['CPUExecutionProvider'],
            # The fallback prints to the screen and tries the same again.
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower base class.
        raise ValueError(_first_line(error)) from error


def try_out(
    session: onnxruntime.InferenceSession,
    outputs: Sequence[str],
    inputs: Mapping[str, NDArray[np.generic]],
) -> list[NDArray[Any]]:
    """Run a network for the first time and return its outputs.

    Raises:
        ValueError: it does not run; the text is the first line of ONNX Runtime's error message.
    """
    try:
        return list(session.run(outputs, inputs))
    except Exception as error:  # As in `load_network`.
        raise ValueError(f'it does not run: {_first_line(error)}') from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Load networks into ONNX Runtime, all in the same way, and trust no file more than it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnxruntime

MAX_FILE_SIZE = 256 * 2**20
"""Bytes of the largest model file that is read: a hundred times the largest of the package."""

MAX_MEMORY = 2 * 2**30
"""Bytes that all networks of a process may have together for weights and intermediate results."""

# Numbers of fields in onnx.proto, and of the wire formats of protocol buffers.
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE = 1, 5, 15
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_EXTERNAL_DATA, _TENSOR_LOCATION = 13, 14
_SPARSE_TENSORS = (1, 2)
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5


def read_model(path: Path) -> bytes:
    """Read a model file that stands for itself.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, no ONNX file, or one that `require_self_contained` refuses.
    """
    with path.open('rb') as file:
        content = file.read(MAX_FILE_SIZE + 1)
    require_self_contained(content)
    return content


def require_self_contained(content: bytes) -> None:
    """Refuse a model that reaches beyond its own file, or whose work has no bound.

    ONNX Runtime would read weights from other files that a model names ("external data"), and
    run its loops as often as it says. No network of this package needs either, so none is handed
    on to it. The check reads the bytes themselves: the Python package onnx takes 12 MB, and where
    it loads a file it reads the other files, too.

    Args:
        content: of an ONNX file.

    Raises:
        ValueError: it is too large or no ONNX file, or holds external data, a loop or branch, or
            functions of its own.
    """
    if len(content) > MAX_FILE_SIZE:
        raise ValueError(f'it has more than {MAX_FILE_SIZE // 2**20} MiB')
    for number, graph in _parts(memoryview(content)):
        if number == _MODEL_FUNCTIONS:
            raise ValueError('it holds functions of its own, which are not run')
        if number == _MODEL_GRAPH:
            _check_graph(graph)


def _check_graph(graph: memoryview) -> None:
    for number, part in _parts(graph):
        if number == _GRAPH_INITIALIZER:
            _check_tensor(part)
        elif number == _GRAPH_SPARSE:
            _check_sparse_tensor(part)
        elif number == _GRAPH_NODE:
            for field, attribute in _parts(part):
                if field == _NODE_ATTRIBUTE:
                    _check_attribute(attribute)


def _check_attribute(attribute: memoryview) -> None:
    for number, part in _parts(attribute):
        if number in _ATTRIBUTE_GRAPHS:
            raise ValueError('it holds a loop or a branch, which is not run')
        if number in _ATTRIBUTE_TENSORS:
            _check_tensor(part)
        elif number in _ATTRIBUTE_SPARSE:
            _check_sparse_tensor(part)


def _check_sparse_tensor(tensor: memoryview) -> None:
    for number, part in _parts(tensor):
        if number in _SPARSE_TENSORS:
            _check_tensor(part)


def _check_tensor(tensor: memoryview) -> None:
    for number, value in _fields(tensor):
        if number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_LOCATION and value != 0):
            raise ValueError('its weights are in other files (external data), which are not read')


def _parts(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Give number and content of the fields that hold bytes or messages."""
    for number, value in _fields(message):
        if isinstance(value, memoryview):
            yield number, value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Give number and value of each field of a message in protocol buffers' wire format.

    Source: https://protobuf.dev/programming-guides/encoding
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        value: int | memoryview
        if wire == _VARINT:
            value, at = _varint(message, at)
        else:
            if wire == _LENGTH:
                size, at = _varint(message, at)
            elif wire in (_EIGHT_BYTES, _FOUR_BYTES):
                size = 8 if wire == _EIGHT_BYTES else 4
            else:
                # Groups, which ONNX never had.
                raise ValueError('it is no ONNX file')
            if size > len(message) - at:
                raise ValueError('it is no ONNX file, or cut short')
            value, at = message[at : at + size], at + size
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Give an integer of seven bits a byte, at most ten bytes, and where it ends."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError('it is no ONNX file, or cut short')


@functools.cache
def _limit_memory() -> None:
    """Give all sessions of this process one pool of memory, of `MAX_MEMORY` at most.

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


def load_network(model: Path | bytes, *, num_threads: int = 1) -> onnxruntime.InferenceSession:
    """Load a network, to be run on the processor.

    Args:
        model: path of an ONNX file, or its content.
        num_threads: processor threads for one call.

    Raises:
        OSError: the file cannot be read.
        ValueError: `require_self_contained` refuses it, or ONNX Runtime cannot run it; the text
            is the first line of what it says.
    """
    if isinstance(model, bytes):
        require_self_contained(model)
    else:
        model = read_model(model)
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next call would keep whole cores busy: with two threads the
    # processor time of a face triples.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    options.add_session_config_entry('session.use_env_allocators', '1')
    # ONNX Runtime's other format was not looked at.
    options.add_session_config_entry('session.load_model_format', 'ONNX')
    # Errors are raised; what is merely logged (unused initializers and the like) says nothing to
    # a user of the robot.
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            # Its fallback prints to the screen and tries the same again.
            model,
            options,
            providers=['CPUExecutionProvider'],
            enable_fallback=0,
        )
    except Exception as error:  # ONNX Runtime's errors share no narrower base class.
        raise ValueError(_first_line(error)) from error


def try_out(
    session: onnxruntime.InferenceSession,
    outputs: Sequence[str],
    inputs: Mapping[str, NDArray[np.generic]],
) -> list[NDArray[Any]]:
    """Run a network that nobody has run yet, and give its outputs.

    Raises:
        ValueError: it does not run; the text is the first line of what ONNX Runtime says.
    """
    try:
        return list(session.run(outputs, inputs))
    except Exception as error:  # As in `load_network`.
        raise ValueError(f'it does not run: {_first_line(error)}') from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

"""Load networks into ONNX Runtime, with limits on what a model file may contain and use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import functools
from pathlib import Path
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnxruntime

from face_classification_ros.inference.onnx_graph import (
    AttributeField,
    GraphField,
    ModelField,
    NodeField,
    TensorField,
)
from face_classification_ros.inference.wire_format import Encoded, read_fields

MAX_FILE_SIZE = 256 * 2**20
"""Size limit of a model file in bytes: a hundred times the largest model of the package."""

MAX_MEMORY = 2 * 2**30
"""Limit in bytes for the weights and intermediate results of all networks of a process."""

_SPARSE_TENSOR_PARTS = (1, 2)
"""Field numbers of values and indices in `SparseTensorProto`."""


def read_model(path: Path) -> bytes:
    """Return the content of a self-contained model file.

    Raises:
        ValueError: the file cannot be read, or `require_self_contained` rejects it.
    """
    try:
        with path.open('rb') as file:
            # Not of the maximum size at once, which would be allocated.
            size = min(path.stat().st_size, MAX_FILE_SIZE)
            content = file.read(size + 1)
    except OSError as error:
        raise ValueError(f'it cannot be read: {error.strerror}') from error
    require_self_contained(content)
    return content


def require_self_contained(content: bytes) -> None:
    """Reject a model that refers to other files, or whose work has no bound.

    ONNX Runtime would read weights from any file that a model names ("external data"), and run
    loops as often as the model demands. No network of this package needs either. The check walks
    through the encoded file and allocates nothing for it.

    Args:
        content: content of an ONNX file.

    Raises:
        ValueError: the model is empty or too large, is not an ONNX file, or contains no network,
            external data, a loop, a branch or model-local functions.
    """
    if not content:
        raise ValueError('it is empty')
    if len(content) > MAX_FILE_SIZE:
        raise ValueError(f'it is larger than {MAX_FILE_SIZE // 2**20} MiB')
    has_graph = False
    for number, part in _parts(content):
        if number == ModelField.FUNCTIONS:
            raise ValueError('it contains model-local functions, which are not supported')
        if number == ModelField.GRAPH:
            _check_graph(part)
            has_graph = True
    if not has_graph:
        raise ValueError('it contains no network')


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


def load_network(model: Path | bytes, *, num_threads: int = 1) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session that runs a network on the CPU.

    Args:
        model: path of an ONNX file, or its content.
        num_threads: number of CPU threads per call.

    Raises:
        ValueError: the file cannot be read, `require_self_contained` rejects the model, or ONNX
            Runtime cannot run it; then the text is the first line of its error message, without
            the prefix.
    """
    if isinstance(model, bytes):
        require_self_contained(model)
    else:
        model = read_model(model)
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
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
        raise ValueError(_reason(error)) from error


def try_out(
    session: onnxruntime.InferenceSession,
    outputs: Sequence[str],
    inputs: Mapping[str, NDArray[np.generic]],
) -> list[NDArray[Any]]:
    """Run a network for the first time and return its outputs.

    Raises:
        ValueError: it does not run; the text has the first line of ONNX Runtime's error message,
            without the prefix.
    """
    try:
        return list(session.run(outputs, inputs))
    except Exception as error:  # As in `load_network`.
        raise ValueError(f'it does not run: {_reason(error)}') from error


def _reason(error: Exception) -> str:
    """Return the first line of an error of ONNX Runtime, without its prefix and code."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r'^\[ONNXRuntimeError\] : \d+ : \w+ : ', '', line)

"""Recognize a lack of memory, which libraries report in different ways or by a crash."""

from __future__ import annotations

import resource

COMMAND_SPACE = 700_000_000
"""Bytes of address space without which the command ends while it loads its libraries."""

NODE_SPACE = 1_200_000_000
"""The same of the node, whose DDS has many threads."""

_NO_MEMORY = -4
"""Error code of OpenCV."""

_TEXTS = ('bad_alloc', 'Failed to allocate memory', "can't start new thread")
"""What ONNX Runtime and the threads of Python report."""


def check_address_space(minimum: int) -> None:
    """Check the limit that `ulimit -v` sets before libraries crash because of it.

    OpenBLAS, a part of numpy and OpenCV, ends the process if it gets no memory.

    Args:
        minimum: number of bytes.

    Raises:
        MemoryError: this process may have less.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < minimum:
        raise MemoryError(
            f'the limit of {limit / 1e6:.0f} MB (ulimit -v) is below {minimum / 1e6:.0f} MB'
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python, numpy, OpenCV or ONNX Runtime is a lack of memory."""
    if isinstance(error, MemoryError):
        return True
    if type(error).__module__ == 'cv2':
        return getattr(error, 'code', 0) == _NO_MEMORY
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)


def memory_error_text(error: BaseException) -> str:
    """Return one line about a lack of memory."""
    first = (str(error).splitlines() or [''])[0]
    return f'not enough memory: {first}' if first else 'not enough memory'

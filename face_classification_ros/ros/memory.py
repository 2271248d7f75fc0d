"""Memory that the process has freed, given back to the system."""

from __future__ import annotations

import ctypes


def give_back_memory() -> None:
    """Give back what is free; glibc keeps most of it, in case that it is needed again.

    With another C library nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(ctypes.c_size_t(0))

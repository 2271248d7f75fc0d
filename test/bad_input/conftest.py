"""Bound the memory of every test of bad input, and the work of its property tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings
import pytest

settings.register_profile(
    'bounded',
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile('bounded')

MEMORY = 700_000_000
"""Bytes that an input may take: an image of `MAX_PIXELS`, decoded, in 16 bits and resized."""


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """Limit a test to `MEMORY` above what the process had before it."""
    # Linux resets the peak here.
    Path('/proc/self/clear_refs').write_text('5')
    before = _status('VmRSS')
    yield
    assert _status('VmHWM') - before < MEMORY


def _status(name: str) -> int:
    lines = Path('/proc/self/status').read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f'{name}:'))
    return 1024 * int(line.split()[1])

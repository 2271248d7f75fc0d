"""Whatever bytes come from outside, they are accepted or rejected with one line."""

from __future__ import annotations

from collections.abc import Callable
import struct

from fuzz_targets import FUZZ_TARGETS, FuzzTarget
from hypothesis import given, settings, strategies
import pytest

# Values that numbers in files and messages often have if they are wrong.
NUMBERS = (
    b'\xff\xff\xff\xff',
    b'\x00\x00\x00\x00',
    b'\x7f\xff\xff\xff',
    b'\xff\xff\xff\x7f',
    struct.pack('>I', 100_000),
    struct.pack('<I', 100_000),
)


@strategies.composite
def changed(draw: Callable, samples: list[bytes]) -> bytes:
    """Return a valid sample with some bytes changed, removed or inserted, or truncated."""
    data = bytearray(draw(strategies.sampled_from(samples)))
    for _ in range(draw(strategies.integers(1, 4))):
        at = draw(strategies.integers(0, max(0, len(data) - 1)))
        how = draw(strategies.sampled_from(['byte', 'number', 'insert', 'delete', 'cut']))
        if how == 'byte':
            data[at : at + 1] = bytes([draw(strategies.integers(0, 255))])
        elif how == 'number':
            data[at : at + 4] = draw(strategies.sampled_from(NUMBERS))
        elif how == 'insert':
            data[at:at] = draw(strategies.binary(min_size=1, max_size=40))
        elif how == 'delete':
            del data[at : at + draw(strategies.integers(1, 40))]
        else:
            del data[at:]
    return bytes(data)


@pytest.fixture(params=FUZZ_TARGETS)
def target(request: pytest.FixtureRequest) -> FuzzTarget:
    """Return every target whose extra is installed."""
    if request.param in ('recipe', 'network', 'expectation'):
        pytest.importorskip('pydantic', reason='needs the extra [train] or [replay]')
    if request.param in ('mcap', 'sqlite'):
        pytest.importorskip('rosbags', reason='needs the extra [archive]')
    return FUZZ_TARGETS[request.param]


def test_valid_samples_are_accepted(target: FuzzTarget) -> None:
    """The other tests start from valid samples."""
    for sample in target.samples():
        target.read(sample)


def test_changed_bytes_are_accepted_or_rejected_with_one_line(target: FuzzTarget) -> None:
    """Messages, images, videos, models, settings, labels and recordings with random changes."""

    @given(changed(target.samples()))
    def check(data: bytes) -> None:
        target.accepts(data)

    check()


def test_random_bytes_are_rejected_with_one_line(target: FuzzTarget) -> None:
    """Noise, and an empty file."""
    assert not target.accepts(b'')

    @settings(max_examples=30)
    @given(strategies.binary(max_size=300))
    def check(data: bytes) -> None:
        target.accepts(data)

    check()

"""Messages of protocol buffers are read and written, and broken ones rejected."""

from hypothesis import given, strategies
import pytest

from face_classification_ros.inference.wire_format import (
    read_fields,
    read_integers,
    write_fields,
)

NUMBERS = strategies.integers(1, 2**29 - 1)


@given(strategies.lists(strategies.tuples(NUMBERS, strategies.binary(max_size=300))))
def test_bytes_come_back_as_written(fields: list[tuple[int, bytes]]) -> None:
    """With their numbers, in their order; sizes of one byte and of two."""
    read = [(number, bytes(value)) for number, value in read_fields(write_fields(*fields))]
    assert read == fields


@given(strategies.lists(strategies.tuples(NUMBERS, strategies.integers(-(2**63), 2**63 - 1))))
def test_integers_come_back_as_written(fields: list[tuple[int, int]]) -> None:
    """Negative ones as their two's complement."""
    expected = [(number, value % 2**64) for number, value in fields]
    assert list(read_fields(write_fields(*fields))) == expected


def test_a_message_is_encoded_as_the_specification_shows() -> None:
    """The examples of protobuf.dev: field 1 is 150, field 2 is "testing"."""
    assert write_fields((1, 150), (2, 'testing')) == bytes.fromhex('0896011207') + b'testing'


def test_packed_integers_are_read() -> None:
    """The example of protobuf.dev: 3, 270, 86942."""
    assert list(read_integers(memoryview(bytes.fromhex('038e029ea705')))) == [3, 270, 86942]


def test_fields_of_fixed_size_are_skipped_as_bytes() -> None:
    """Eight bytes of field 1, four bytes of field 2, then field 3."""
    message = b'\x09' + bytes(range(8)) + b'\x15' + bytes(range(4)) + b'\x18\x07'
    read = [
        (number, value if isinstance(value, int) else bytes(value))
        for number, value in read_fields(message)
    ]
    assert read == [(1, bytes(range(8))), (2, bytes(range(4))), (3, 7)]


@pytest.mark.parametrize(
    'message',
    [
        pytest.param(b'\x08', id='no value'),
        pytest.param(b'\x08\x96', id='half an integer'),
        pytest.param(b'\x08' + b'\xff' * 10 + b'\x01', id='an integer of 11 bytes'),
        pytest.param(b'\x12\x07test', id='fewer bytes than its size'),
        pytest.param(b'\x12' + b'\xff' * 9 + b'\x01', id='size of 2**64'),
        pytest.param(b'\x0b\x0c', id='a group'),
        pytest.param(b'\x0f', id='an unknown wire type'),
        pytest.param(b'\xba\x80\x80\x80\x10\x00', id='a key of more than 32 bits'),
    ],
)
def test_a_broken_message_is_rejected(message: bytes) -> None:
    """Even if ONNX Runtime would accept it."""
    with pytest.raises(ValueError, match='not an ONNX file'):
        list(read_fields(message))

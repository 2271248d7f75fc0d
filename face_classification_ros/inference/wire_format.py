"""Read and write messages in the wire format of protocol buffers, which ONNX files use.

Source: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator

Encoded = bytes | memoryview
"""A message in the wire format of protocol buffers, or a part of one."""

# Wire types of protocol buffers.
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5

_KEY_LIMIT = 2**32
"""Parsers disagree about a larger key: ONNX Runtime reads its lower 32 bits."""


def read_fields(message: Encoded) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of an encoded protocol-buffers message.

    Raises:
        ValueError: this is no such message.
    """
    message = memoryview(message)
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        if key >= _KEY_LIMIT:
            raise ValueError('it is not an ONNX file')
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

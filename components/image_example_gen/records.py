"""The TFRecord and Example formats, without TensorFlow: to look at data in a moment."""

import gzip
import struct
from collections.abc import Iterator
from typing import IO

from components.errors import DataError
from components.image_example_gen.listing import display

_MAX_RECORD = 1 << 29


def read_records(location: str) -> Iterator[bytes]:
    """Yields the records of one TFRecord file. Lengths are checked against their checksums;
    contents are not: gzip has its own checksum, and every picture is decoded in full later.

    Raises:
      DataError: it is no TFRecord, or is cut off.
    """
    with open(location, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        file: IO[bytes] = gzip.GzipFile(fileobj=raw) if zipped else raw  # type: ignore[assignment]
        index = 0
        try:
            while header := file.read(12):
                length, checksum = struct.unpack("<QI", header)
                if checksum != _masked_crc(header[:8]) or length > _MAX_RECORD:
                    raise DataError(
                        f"{display(location)}: record {index} has no valid length; write it again "
                        "with tf.io.TFRecordWriter"
                    )
                data = file.read(length)
                if len(data) < length or len(file.read(4)) < 4:
                    raise EOFError
                yield data
                index += 1
        except (EOFError, OSError, struct.error) as e:
            raise DataError(
                f"{display(location)}: is cut off or damaged at record {index} "
                f"({type(e).__name__}); copy or write it again"
            ) from None


def parse_example(data: bytes) -> dict[str, list]:
    """Parses a tf.train.Example in protocol buffer wire format.

    Returns:
      The values of each feature: memoryviews into `data`, floats, or ints.

    Raises:
      ValueError: it is not one.
    """
    try:
        return _parse(data)
    except (IndexError, TypeError, struct.error) as e:
        raise ValueError(str(e)) from None


def _parse(data: bytes) -> dict[str, list]:
    result: dict[str, list] = {}
    for _, features in _fields(memoryview(data), wanted=1):
        for _, item in _fields(features, wanted=1):
            key, values = "", []
            for field, value in _fields(item):
                if field == 1:
                    key = bytes(value).decode()
                elif field == 2:
                    values = [v for kind, inner in _fields(value) for v in _values(kind, inner)]
            result[key] = values
    return result


def _values(kind: int, data: memoryview) -> Iterator:
    """The values of a BytesList (kind 1), FloatList (2) or Int64List (3)."""
    for _, value in _fields(data, wanted=1):
        if kind == 1:
            yield value
        elif kind == 2:
            yield from struct.unpack(f"<{len(value) // 4}f", value)
        elif isinstance(value, int):
            yield _signed(value)
        else:
            position = 0
            while position < len(value):
                number, position = _varint(value, position)
                yield _signed(number)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _fields(data: memoryview, wanted: int | None = None) -> Iterator[tuple[int, memoryview]]:
    """The fields of one message: (number, content); a varint's content is an int."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, wire = tag >> 3, tag & 7
        content: memoryview | int
        if wire == 0:
            content, position = _varint(data, position)
        elif wire in (1, 2, 5):
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, position = _varint(data, position)
            if position + size > len(data):
                raise ValueError("a field is longer than its message")
            content, position = data[position : position + size], position + size
        else:
            raise ValueError(f"wire type {wire}")
        if wanted in (None, number):
            yield number, content  # type: ignore[misc]


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC = _crc_table()


def _masked_crc(data: bytes) -> int:
    """CRC-32C as TFRecords write it (tensorflow/core/lib/hash/crc32c.h)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

"""Reads TFRecords of Examples without TensorFlow, whose import alone takes four seconds.

A TFRecord file is a row of [length: uint64][its CRC: 4 bytes][record][its CRC: 4 bytes], all
little-endian (tensorflow/core/lib/io/record_writer.h); ours are gzipped. The checksums are
TensorFlow's business and not looked at here.
"""

import gzip
import io
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from components.files import reading, split_files

_PACKAGE = "graft_records"
_BUFFER = 1 << 20


def read_examples(folder: str, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yields the Examples of one split, file by file.

    Args:
      folder: a split's folder, such as <uri>/Split-test; one that is not there has no Examples.
      names: the features that are wanted.

    Yields:
      The first value of each wanted feature that the Example has as bytes or as a whole number, by
      the feature's name.

    Raises:
      OSError, EOFError, struct.error, google.protobuf.message.DecodeError: a file is damaged.
    """
    wanted = {name.encode(): name for name in names}
    for record in read_records(folder):
        yield _parsed(record, wanted)


def read_records(folder: str) -> Iterator[bytes]:
    """Yields the Examples of one split as they lie there; see `read_examples`."""
    for path in split_files(folder):
        # Buffered, for a read of gzip's own takes longer than a small record is worth.
        with reading(path) as packed, io.BufferedReader(gzip.open(packed), _BUFFER) as f:
            while head := f.read(12):
                (length,) = struct.unpack_from("<Q", head)
                yield f.read(length + 4)[:length]


def parse_example(record: bytes, names: Iterable[str]) -> dict[str, Any]:
    """Returns what `read_examples` yields of one Example."""
    return _parsed(record, {name.encode(): name for name in names})


def _parsed(record: bytes, wanted: Mapping[bytes, str]) -> dict[str, Any]:
    found = {}
    for entry in _Example.FromString(record).features.feature:
        name = wanted.get(entry.key)
        if name and (values := entry.value.bytes_list.value or entry.value.int64_list.value):
            found[name] = values[0]
    return found


def _example_class() -> Any:
    """The part of tf.train.Example that we read (tensorflow/core/example/feature.proto).

    It lives in a pool of its own, so that it never meets TensorFlow's; a map is, on the wire, a
    repeated (key, value), and what is not named here is skipped.
    """
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package=_PACKAGE)
    bytes_, int64 = field.TYPE_BYTES, field.TYPE_INT64
    messages: dict[str, list[tuple[str, int, bool, int | str]]] = {
        "BytesList": [("value", 1, True, bytes_)],
        "Int64List": [("value", 1, True, int64)],
        "Feature": [("bytes_list", 1, False, "BytesList"), ("int64_list", 3, False, "Int64List")],
        "Entry": [("key", 1, False, bytes_), ("value", 2, False, "Feature")],
        "Features": [("feature", 1, True, "Entry")],
        "Example": [("features", 1, False, "Features")],
    }
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field_name, number, repeated, kind in fields:
            message.field.add(
                name=field_name,
                number=number,
                label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
                type=field.TYPE_MESSAGE if isinstance(kind, str) else kind,
                type_name=f".{_PACKAGE}.{kind}" if isinstance(kind, str) else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


_Example = _example_class()

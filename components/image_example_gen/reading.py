"""The bytes of a source's pictures, a bounded batch at a time, each read once."""

import functools
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from components.ahead import ahead
from components.image_example_gen.listing import Entry
from components.image_example_gen.remote import is_remote, read_remote
from components.image_example_gen.samples import PREFIX, read_digit
from components.image_example_gen.tfrecords import read_images

MAX_BYTES = 256 << 20
"""Largest file that is taken for a picture."""

_BATCH_BYTES = 8 << 20
_BATCH_IMAGES = 64
_UNKNOWN_BYTES = 1 << 20
_READERS = 8  # for the sake of a network's delays
_LOCAL_READERS = 2  # for the sake of memory
_UNIT_BYTES = 512 << 20
_UNIT_IMAGES = 20_000


class Read(NamedTuple):
    """An entry with its bytes, or with why they cannot be had."""

    entry: Entry
    data: bytes
    content: str = ""
    """SHA-256 of the bytes, as text."""
    checksum: int = 0
    """Their CRC-32: quicker than the hash, and enough to see that a file has changed."""
    error: str = ""


def units(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Cuts a listing into units of work, each written into files of its own: by a bound on bytes
    and number, and never two TFRecord files in one."""
    result: list[list[Entry]] = []
    size = 0
    for entry in entries:
        fits = result and len(result[-1]) < _UNIT_IMAGES and size + entry.size <= _UNIT_BYTES
        if not fits or (entry.record is not None and result[-1][-1].location != entry.location):
            result.append([])
            size = 0
        result[-1].append(entry)
        size += entry.size
    return result


def read_unit(unit: Sequence[Entry], hashed: bool = True) -> Iterator[list[Read]]:
    """Yields the pictures of a unit in its order: batches of at most 64 and 8 MB, or of one.

    Args:
      unit: its entries.
      hashed: whether their hashes are wanted; without, `content` is "".
    """
    if unit and unit[0].record is not None:
        images = read_images(unit[0].location, [e.record for e in unit if e.record is not None])
        for batch in _batches(unit):
            yield [_read_of(entry, next(images), hashed) for entry in batch]
        return
    # A batch a task: to hand over one by one costs more than reading.
    readers = _READERS if any(is_remote(entry.location) for entry in unit) else _LOCAL_READERS
    for _, reads in ahead(functools.partial(_read_all, hashed=hashed), _batches(unit), readers):
        yield reads


def _batches(unit: Sequence[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    size = 0
    for entry in unit:
        bytes_ = min(entry.size or _UNKNOWN_BYTES, MAX_BYTES)
        if batch and (size + bytes_ > _BATCH_BYTES or len(batch) == _BATCH_IMAGES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += bytes_
    if batch:
        yield batch


def _read_all(entries: Sequence[Entry], hashed: bool) -> list[Read]:
    return [_read(entry, hashed) for entry in entries]


def _read(entry: Entry, hashed: bool) -> Read:
    location = entry.location
    try:
        if location.startswith(PREFIX):
            data = read_digit(location)
        elif is_remote(location):
            data = read_remote(location, MAX_BYTES + 1)
        else:
            with open(location, "rb") as file:
                # By its size, since a buffer for the largest takes longer than most pictures.
                data = file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)
    except (OSError, ValueError) as e:
        reason = getattr(e, "strerror", None) or str(e) or type(e).__name__
        return Read(entry, b"", error=f"cannot be read ({reason})")
    return _read_of(entry, data, hashed)


def _read_of(entry: Entry, data: bytes, hashed: bool) -> Read:
    if len(data) > MAX_BYTES:
        return Read(entry, b"", error=f"is larger than {MAX_BYTES >> 20} MB")
    content = hashlib.sha256(data).hexdigest() if hashed else ""
    return Read(entry, data, content, zlib.crc32(data))

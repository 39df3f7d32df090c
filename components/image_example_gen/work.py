"""What is done to a unit of pictures: read, verify, place, write. One function a pass."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from components.image_example_gen.decoder import decoded_size
from components.image_example_gen.grouping import Grouping, Seen, group_key
from components.image_example_gen.listing import Entry, Reject
from components.image_example_gen.normalising import to_png
from components.image_example_gen.pictures import (
    FOREIGN,
    Header,
    Unusable,
    is_cut_off,
    read_header,
)
from components.image_example_gen.reading import Read, read_unit
from components.image_example_gen.writer import SplitWriter, Value, example

_AT_ONCE = min(os.cpu_count() or 1, 8)
_LARGE_PIXELS = 1 << 24
_LARGE = threading.Lock()
"""Larger pictures are decoded one after the other, for the sake of memory."""


class Written(NamedTuple):
    """What is known of a written picture afterwards; all but the format is in the fingerprint."""

    id: str
    label: str
    content: str
    split: str
    format: str


def look(unit: Sequence[Entry], group_by: str, max_pixels: int) -> Iterator[Seen]:
    """Yields what decides the place of each picture that looks usable."""
    for batch in read_unit(unit):
        for read in batch:
            if not isinstance(_header(read, max_pixels), str):
                group = group_key(read.entry, group_by)
                yield Seen(read.entry.path, read.content[:32], group, read.entry.split or "")


def write(
    unit: Sequence[Entry],
    examples: SplitWriter,
    facts: SplitWriter,
    grouping: Grouping,
    group_by: str,
    max_pixels: int,
    progress: Callable[[int], None],
) -> tuple[list[Written], list[Reject]]:
    """Reads each picture of a unit once, checks it in full, and writes it or rejects it.

    Args:
      unit: its entries.
      examples, facts: where the pictures, and what is known of them, go.
      grouping: decides group and split.
      group_by: "content", or the column that names the group.
      max_pixels: see `read_header`.
      progress: told the number of pictures done since it was last told.

    Returns:
      What was written, in order, and what was rejected.
    """
    written: list[Written] = []
    rejects: list[Reject] = []
    for read, checked in _checked(unit, max_pixels):
        progress(1)
        entry = read.entry
        if isinstance(checked, str):
            rejects.append(Reject(entry.path, checked))
            continue
        own_group = group_key(entry, group_by)
        group, split = grouping.place(read.content[:32], own_group, entry.split)
        said: dict[str, Value] = {
            "label": entry.label.encode(),
            "path": entry.path.encode(),
            "group": group.encode(),
            "id": entry.id.encode(),
            **{f"column/{name}": value.encode() for name, value in entry.columns.items()},
        }
        known: dict[str, Value] = {
            "split": split.encode(),
            "format": checked.header.format.encode(),
            "width": checked.width,
            "height": checked.height,
            "channels": checked.header.channels,
            "bytes": len(read.data),
        }
        examples.write(split, example({**said, "image": checked.image}))
        facts.write(split, example({**said, **known}))
        written.append(Written(entry.id, entry.label, read.content, split, checked.header.format))
    return written, rejects


class Checked(NamedTuple):
    """A picture that can be used: its header, its size upright, and bytes that TensorFlow reads."""

    header: Header
    height: int
    width: int
    image: bytes


def _checked(unit: Sequence[Entry], max_pixels: int) -> Iterator[tuple[Read, Checked | str]]:
    """The pictures of a unit in its order, decoded ahead on several threads."""
    check = functools.partial(_check, max_pixels=max_pixels)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for batch in read_unit(unit):
            yield from zip(batch, pool.map(check, batch), strict=True)


def _check(read: Read, max_pixels: int) -> Checked | str:
    """A picture decoded once in full, or why it cannot be used."""
    header = _header(read, max_pixels)
    if isinstance(header, str):
        return header
    try:
        with _LARGE if header.pixels > _LARGE_PIXELS else contextlib.nullcontext():
            image = to_png(read.data, header.format) if header.format in FOREIGN else read.data
            return Checked(header, *decoded_size(image), image)
    except Unusable as e:
        ill = "cut off" if is_cut_off(read.data, header.format) else "damaged"
        return f"is {ill}: it cannot be decoded ({e})"


def _header(read: Read, max_pixels: int) -> Header | str:
    if read.error:
        return read.error
    try:
        return read_header(read.data, max_pixels)
    except Unusable as e:
        return str(e)

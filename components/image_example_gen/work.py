"""What is done to a unit of pictures: first each is read and checked, then, all being placed,
written. One function a pass."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from components.errors import DataError
from components.image_example_gen.decoder import decode_small
from components.image_example_gen.listing import Entry
from components.image_example_gen.near_copies import near_mark
from components.image_example_gen.normalising import to_png
from components.image_example_gen.pictures import FOREIGN, Unusable, is_cut_off, read_header
from components.image_example_gen.reading import Read, read_unit
from components.image_example_gen.writer import SplitWriter, Value, example

_AT_ONCE = min(os.cpu_count() or 1, 8)
_LARGE_PIXELS = 1 << 24
_LARGE = threading.Lock()
"""Larger pictures are decoded one after the other, for the sake of memory."""


class Found(NamedTuple):
    """A picture that can be used."""

    content: str
    """32 hexadecimal characters of the hash of its bytes."""
    near: str
    """By what near-copies are known, or "": see `near_copies.near_mark`."""
    format: str
    """See `pictures.Header`."""
    width: int
    """Pixels, upright."""
    height: int
    """Pixels, upright."""
    channels: int
    """See `pictures.Header`."""
    bytes: int
    """Of the file."""


class Place(NamedTuple):
    """A picture that is to be written: where to, and what is known of it."""

    entry: Entry
    found: Found
    group: str
    split: str


def check(
    unit: Sequence[Entry], max_pixels: int, marked: bool, progress: Callable[[int], None]
) -> Iterator[Found | str]:
    """Reads and decodes each picture of a unit, on several threads.

    Args:
      unit: its entries.
      max_pixels: see `read_header`.
      marked: whether near-copies are looked for.
      progress: told the number of pictures done since it was last told.

    Yields:
      In the unit's order: what was found, or why the picture cannot be used.
    """
    one = functools.partial(_check, max_pixels=max_pixels, marked=marked)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for batch in read_unit(unit):
            for checked in pool.map(one, batch):
                progress(1)
                yield checked


def write(unit: Sequence[Place], examples: SplitWriter, facts: SplitWriter) -> None:
    """Writes the pictures of a unit, and what is known of them.

    Raises:
      DataError: a picture is no longer the one that was checked.
    """
    places = iter(unit)
    for batch in read_unit([place.entry for place in unit]):
        for read, place in zip(batch, places, strict=False):
            _write(read, place, examples, facts)


def _write(read: Read, place: Place, examples: SplitWriter, facts: SplitWriter) -> None:
    entry, found, group, split = place
    if read.error or read.content[:32] != found.content:
        raise DataError(f"{entry.path}: changed while it was read; run again")
    said: dict[str, Value] = {
        "label": entry.label.encode(),
        "path": entry.path.encode(),
        "group": group.encode(),
        "id": entry.id.encode(),
        **{f"column/{name}": value.encode() for name, value in entry.columns.items()},
    }
    known: dict[str, Value] = {
        "split": split.encode(),
        "format": found.format.encode(),
        "width": found.width,
        "height": found.height,
        "channels": found.channels,
        "bytes": found.bytes,
    }
    image = to_png(read.data, found.format) if found.format in FOREIGN else read.data
    examples.write(split, example({**said, "image": image}))
    facts.write(split, example({**said, **known}))


def _check(read: Read, max_pixels: int, marked: bool) -> Found | str:
    if read.error:
        return read.error
    try:
        header = read_header(read.data, max_pixels)
    except Unusable as e:
        return str(e)
    try:
        with _LARGE if header.pixels > _LARGE_PIXELS else contextlib.nullcontext():
            image = to_png(read.data, header.format) if header.format in FOREIGN else read.data
            height, width, small = decode_small(image)
    except Unusable as e:
        ill = "cut off" if is_cut_off(read.data, header.format) else "damaged"
        return f"is {ill}: it cannot be decoded ({e})"
    near = near_mark(small) if marked else ""
    size = len(read.data)
    return Found(read.content[:32], near, header.format, width, height, header.channels, size)

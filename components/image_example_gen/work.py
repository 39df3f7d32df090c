"""What is done to a unit of pictures: first each is read and checked, then, all being placed,
written. One function a pass."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from components.ahead import CORES, ahead
from components.errors import DataError
from components.image_example_gen.decoder import Decoded, decode_all
from components.image_example_gen.listing import Entry
from components.image_example_gen.near_copies import near_marks
from components.image_example_gen.normalising import to_png
from components.image_example_gen.pictures import FOREIGN, Header, Unusable, is_cut_off, read_header
from components.image_example_gen.reading import Read, read_unit
from components.image_example_gen.writer import SplitWriter, Value, example

_LARGE_PIXELS = 1 << 24
_LARGE_IN_TURN = threading.Lock()  # for the sake of memory


class Found(NamedTuple):
    """A picture that can be used."""

    content: str
    """32 hexadecimal characters of the hash of its bytes."""
    near: str
    """By what near-copies are known, or "": see `near_copies.near_marks`."""
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
    checksum: int
    """See `reading.Read`."""


class Place(NamedTuple):
    """A picture that is to be written: where to, and what is known of it."""

    entry: Entry
    found: Found
    group: str
    split: str


def check(
    unit: Sequence[Entry], max_pixels: int, marked: bool, progress: Callable[[int], None]
) -> Iterator[Found | str]:
    """Reads and decodes each picture of a unit, on all cores.

    Args:
      unit: its entries.
      max_pixels: see `read_header`.
      marked: whether near-copies are looked for.
      progress: told the number of pictures done since it was last told.

    Yields:
      In the unit's order: what was found, or why the picture cannot be used.
    """
    check_all = functools.partial(_check, max_pixels=max_pixels, marked=marked)
    for batch, found in ahead(check_all, read_unit(unit), CORES):
        yield from found
        progress(len(batch))


def write(unit: Sequence[Place], examples: SplitWriter, facts: SplitWriter) -> None:
    """Writes the pictures of a unit, and what is known of them.

    Raises:
      DataError: a picture is no longer the one that was checked.
    """
    places = iter(unit)
    batches = read_unit([place.entry for place in unit], hashed=False)
    placed = (list(zip(batch, places, strict=False)) for batch in batches)
    for _, records in ahead(_records, placed, CORES):
        for split, image, known in records:
            examples.write(split, image)
            facts.write(split, known)


def _records(batch: Sequence[tuple[Read, Place]]) -> list[tuple[str, bytes, bytes]]:
    """The split of each picture, and its two Examples."""
    return [(place.split, *_examples(read, place)) for read, place in batch]


def _examples(read: Read, place: Place) -> tuple[bytes, bytes]:
    entry, found, group, split = place
    if read.error or read.checksum != found.checksum:
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
    return example({**said, "image": image}), example({**said, **known})


def _check(batch: Sequence[Read], max_pixels: int, marked: bool) -> list[Found | str]:
    looked_at = [_look(read, max_pixels) for read in batch]
    usable = [one for one in looked_at if not isinstance(one, str)]
    decoded = _decode(usable)
    small = [one.small for one in decoded if not isinstance(one, str)]
    marks = iter(near_marks(np.stack(small)) if small and marked else [""] * len(small))
    outcomes = zip(usable, decoded, strict=True)
    results: list[Found | str] = []
    for read, one in zip(batch, looked_at, strict=True):
        if isinstance(one, str):
            results.append(one)
            continue
        (header, _), outcome = next(outcomes)
        if isinstance(outcome, str):
            results.append(_damaged(read, header, outcome))
        else:
            results.append(_found(read, header, outcome, next(marks)))
    return results


def _decode(pictures: Sequence[tuple[Header, bytes]]) -> list[Decoded | str]:
    others = iter(decode_all([image for header, image in pictures if not _is_large(header)]))
    decoded = []
    for header, image in pictures:
        if _is_large(header):
            with _LARGE_IN_TURN:
                decoded += decode_all([image])
        else:
            decoded.append(next(others))
    return decoded


def _is_large(header: Header) -> bool:
    return header.pixels > _LARGE_PIXELS


def _found(read: Read, header: Header, decoded: Decoded, mark: str) -> Found:
    return Found(
        read.content[:32],
        mark,
        header.format,
        decoded.width,
        decoded.height,
        header.channels,
        len(read.data),
        read.checksum,
    )


def _look(read: Read, max_pixels: int) -> tuple[Header, bytes] | str:
    """A picture's header, and its bytes as TensorFlow reads them; or why it cannot be used."""
    if read.error:
        return read.error
    try:
        header = read_header(read.data, max_pixels)
    except Unusable as e:
        return str(e)
    if header.format not in FOREIGN:
        return header, read.data
    try:
        return header, to_png(read.data, header.format)
    except Unusable as e:
        return _damaged(read, header, str(e))


def _damaged(read: Read, header: Header, reason: str) -> str:
    ill = "cut off" if is_cut_off(read.data, header.format) else "damaged"
    return f"is {ill}: it cannot be decoded ({reason})"

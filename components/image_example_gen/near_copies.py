"""Near-copies: the same picture saved again, smaller, a little lighter.

A perceptual hash of 64 bits finds pictures that may be copies. It also finds thousands of pairs
among different handwritten digits and solar cells, so shades of 16 x 16 decide.
"""

import base64
import itertools
from collections.abc import Sequence

import numpy as np
import PIL.Image

DIFFERENCE = 0.1
"""Most copies stored anew as JPEG of quality 60, at half the size, or 15 % lighter differ by less;
no two of scikit-learn's 1,797 digits do, and about 150 of 3.4 million pairs of ELPV's solar
cells."""

_SIDE = 16
_BITS, _BAND_COUNT = 64, 7
_DISTANCE = _BAND_COUNT - 1
_TRIES = 32
_CELLS, _WIDTH, _MOST_OF_A_SIDE = 1 << 22, 256, 1000
_FLAT = 1.0
_ONES = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


def near_mark(small: np.ndarray) -> str:
    """By what near-copies of a picture are known.

    Args:
      small: uint8 [32, 32, 3], the whole picture reduced.

    Returns:
      16 hexadecimal characters of the hash, then the shades in base64; "" for a picture of one
      shade, which would be like any other.

    Source: imagehash's phash, the signs of the lowest frequencies against their median.
    """
    import imagehash  # brings SciPy's transforms: only where pictures are read

    grey = PIL.Image.fromarray(small).convert("L")
    if np.asarray(grey).std() < _FLAT:
        return ""
    shades = np.asarray(grey.resize((_SIDE, _SIDE), PIL.Image.Resampling.BOX))
    return f"{imagehash.phash(grey)}{base64.b64encode(shades.tobytes()).decode()}"


def earliest_near(
    marks: Sequence[str], difference: float, apart: Sequence[str] | None = None
) -> list[int | None]:
    """Finds of each picture the first before it that is a near-copy.

    Args:
      marks: of the pictures, the earliest first; "" is near none.
      difference: root mean square of the shades' differences, in units of their own spread, up to
        which two pictures are near-copies.
      apart: where it is given, only pictures that differ in it count.

    Returns:
      A place in `marks` for each, or None. Where many pictures have almost the same hash, only
      some of them are looked at.
    """
    found: list[int | None] = [None] * len(marks)
    which = np.array([i for i, mark in enumerate(marks) if mark], np.int64)
    if not len(which):
        return found
    hashes = np.array([int(marks[i][:16], 16) for i in which], np.uint64)
    shades = np.stack([_shades(marks[i]) for i in which])
    sides = None if apart is None else np.array([apart[i] for i in which])
    first = np.full(len(which), len(which))
    # Hashes that differ in at most d bits agree in one of d + 1 bands of bits (Norouzi et al.
    # 2012, multi-index hashing): only those that share a band are compared.
    edges = [np.uint64(_BITS * i // _BAND_COUNT) for i in range(_BAND_COUNT + 1)]
    for low, high in itertools.pairwise(edges):
        band = (hashes >> low) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            _look_through(members, hashes, shades, sides, difference, first)
    for place, earlier in zip(which, first, strict=True):
        if earlier < len(which):
            found[int(place)] = int(which[earlier])
    return found


def _look_through(
    members: np.ndarray,
    hashes: np.ndarray,
    shades: np.ndarray,
    sides: np.ndarray | None,
    difference: float,
    first: np.ndarray,
) -> None:
    """Lowers `first` of members, ascending places that share a band, to near-copies among them."""
    known = members if sides is None else _some_of_each(members, sides)
    start, width = 0, max(1, min(_WIDTH, _CELLS // len(members)))
    while start < len(known):
        others = known[start : start + width]
        # A copy that was found among the first few is the first: no need to look at the rest.
        mine = members[members > others[0]]
        mine = mine[first[mine] > others[0]]
        differing = (hashes[mine, None] ^ hashes[others]).view(np.uint16)
        bits = _ONES[differing].reshape(len(mine), len(others), 4).sum(-1)
        maybe = (bits <= _DISTANCE) & (others < np.minimum(mine, first[mine])[:, None])
        if sides is not None:
            maybe &= sides[mine, None] != sides[others]
        for _ in range(_TRIES):
            open_rows = np.flatnonzero(maybe.any(1))
            if not len(open_rows):
                break
            columns = maybe[open_rows].argmax(1)
            ours, theirs = mine[open_rows], others[columns]
            apart = np.sqrt(((shades[ours] - shades[theirs]) ** 2).mean(1))
            near = apart <= difference
            first[ours[near]] = theirs[near]
            maybe[open_rows[near]] = False
            maybe[open_rows, columns] = False
        start += len(others)


def _some_of_each(members: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The first thousand of each side, where there is more than one side."""
    values, which = np.unique(sides[members], return_inverse=True)
    if len(values) == 1:
        return members[:0]
    kept = [np.flatnonzero(which == side)[:_MOST_OF_A_SIDE] for side in range(len(values))]
    return members[np.sort(np.concatenate(kept))]


def _shades(mark: str) -> np.ndarray:
    """The shades about their mean, in units of their spread."""
    shades = np.frombuffer(base64.b64decode(mark[16:]), np.uint8).astype(np.float32)
    shades -= shades.mean()
    return shades / max(float(shades.std()), 1e-3)

"""Near-copies: the same picture saved again, smaller, a little lighter.

A perceptual hash of 64 bits finds pictures that may be copies. It also finds thousands of pairs
among different handwritten digits and solar cells, so shades of 16 x 16 decide.
"""

import base64
import itertools
from collections.abc import Sequence

import numpy as np

DIFFERENCE = 0.1
"""Most copies stored anew as JPEG of quality 60, at half the size, or 15 % lighter differ by less;
no two of scikit-learn's 1,797 digits do, and about 150 of 3.4 million pairs of ELPV's solar
cells."""

_SIDE = 16
_LOWEST, _BITS, _BAND_COUNT = 8, 64, 7
_DISTANCE = _BAND_COUNT - 1
_CELLS, _WIDTH, _MOST_OF_A_SIDE = 1 << 20, 256, 1000
_FLAT = 1.0


def near_marks(small: np.ndarray) -> list[str]:
    """By what near-copies of pictures are known.

    Args:
      small: uint8 [N, 32, 32], each a whole picture in grey, reduced.

    Returns:
      For each 16 hexadecimal characters of the hash, then the shades in base64; "" for a picture
      of one shade, which would be like any other.

    Source: imagehash's phash, the signs of the lowest frequencies against their median.
    """
    from scipy import fft  # only where pictures are read

    count, side, _ = small.shape
    frequencies = fft.dctn(small.astype(np.float64), axes=(1, 2))[:, :_LOWEST, :_LOWEST]
    lowest = frequencies.reshape(count, _BITS)
    hashes = np.packbits(lowest > np.median(lowest, axis=1, keepdims=True), axis=1)
    cells = small.reshape(count, _SIDE, side // _SIDE, _SIDE, side // _SIDE)
    shades = np.round(cells.mean((2, 4))).astype(np.uint8)
    return [
        f"{bits.tobytes().hex()}{base64.b64encode(of.tobytes()).decode()}"
        if spread >= _FLAT
        else ""
        for bits, of, spread in zip(hashes, shades, small.std((1, 2)), strict=True)
    ]


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
      A place in `marks` for each, or None. With `apart`, where very many pictures have almost the
      same hash, only some of them are looked at.
    """
    found: list[int | None] = [None] * len(marks)
    which = np.array([i for i, mark in enumerate(marks) if mark], np.int64)
    if not len(which):
        return found
    hashes = np.array([int(marks[i][:16], 16) for i in which], np.uint64)
    signs, shades = _signs(hashes), _shades(marks, which)
    sides = None if apart is None else np.array([apart[i] for i in which])
    first = np.full(len(which), len(which))
    # Hashes that differ in at most d bits agree in one of d + 1 bands of bits (Norouzi et al.
    # 2012, multi-index hashing): only those that share a band are compared.
    edges = [np.uint64(_BITS * i // _BAND_COUNT) for i in range(_BAND_COUNT + 1)]
    for low, high in itertools.pairwise(edges):
        band = (hashes >> low) & np.uint64((1 << int(high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            _look_through(members, signs, shades, sides, difference, first)
    for place, earlier in zip(which, first, strict=True):
        if earlier < len(which):
            found[int(place)] = int(which[earlier])
    return found


def all_near(mark: str, marks: Sequence[str], difference: float) -> list[int]:
    """The places in `marks` of all near-copies of one picture; see `earliest_near`."""
    which = np.array([i for i, other in enumerate(marks) if mark and other], np.int64)
    if not len(which):
        return []
    hashes = np.array([int(marks[i][:16], 16) for i in which], np.uint64)
    own = np.array([int(mark[:16], 16)], np.uint64)
    which = which[_near_hashes(_signs(hashes), _signs(own))[:, 0]]
    near = _near_shades(_shades(marks, which), _shades([mark], np.zeros(1, np.int64)), difference)
    return which[near[:, 0]].tolist()


def _look_through(
    members: np.ndarray,
    signs: np.ndarray,
    shades: np.ndarray,
    sides: np.ndarray | None,
    difference: float,
    first: np.ndarray,
) -> None:
    """Lowers `first` of members, ascending places that share a band, to near-copies among them."""
    known = members if sides is None else _some_of_each(members, sides)
    width = max(1, min(_WIDTH, _CELLS // len(members)))
    for start in range(0, len(known), width):
        others = known[start : start + width]
        # A copy that was found among the first few is the first: no need to look at the rest.
        mine = members[(members > others[0]) & (first[members] > others[0])]
        near = _near_hashes(signs[mine], signs[others])
        near &= _near_shades(shades[mine], shades[others], difference)
        near &= others < mine[:, None]
        if sides is not None:
            near &= sides[mine, None] != sides[others]
        found = near.any(1)
        ours, theirs = mine[found], others[near[found].argmax(1)]
        first[ours] = np.minimum(first[ours], theirs)


def _some_of_each(members: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The first thousand of each side, where there is more than one side."""
    values, which = np.unique(sides[members], return_inverse=True)
    if len(values) == 1:
        return members[:0]
    kept = [np.flatnonzero(which == side)[:_MOST_OF_A_SIDE] for side in range(len(values))]
    return members[np.sort(np.concatenate(kept))]


# Of vectors of one length, the product says the distance.


def _near_hashes(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """bool [N, M], of hashes as `_signs` gives them."""
    return ours @ theirs.T >= _BITS - 2 * _DISTANCE


def _near_shades(ours: np.ndarray, theirs: np.ndarray, difference: float) -> np.ndarray:
    """bool [N, M], of uint8 [N, 256] and [M, 256]."""
    return _scaled(ours) @ _scaled(theirs).T >= 1 - difference**2 / 2


def _signs(hashes: np.ndarray) -> np.ndarray:
    """float32 [N, 64], the bits of uint64 [N] as 1 and -1."""
    bits = np.unpackbits(hashes.view(np.uint8).reshape(-1, 8), axis=1)
    return bits.astype(np.float32) * 2 - 1


def _shades(marks: Sequence[str], which: np.ndarray) -> np.ndarray:
    """uint8 [N, 256], the shades of some of the marks."""
    shades = np.empty((len(which), _SIDE * _SIDE), np.uint8)
    for row, i in zip(shades, which, strict=True):
        row[:] = np.frombuffer(base64.b64decode(marks[i][16:]), np.uint8)
    return shades


def _scaled(shades: np.ndarray) -> np.ndarray:
    """float32, shades about their mean, as vectors of length 1; of a few pictures, since those of
    all would take four times the memory of the bytes."""
    scaled = shades - shades.mean(1, dtype=np.float32, keepdims=True)
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-3)
    return scaled

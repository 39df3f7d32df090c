"""What somebody who trains on these pictures should know of them, a sentence each."""

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from components.image_example_gen.near_copies import earliest_near
from components.image_example_gen.pictures import FOREIGN

_SHOWN = 5
_CROWD, _CROWDED = 20, 0.05


class Placed(NamedTuple):
    """A picture with what was decided of it."""

    path: str
    label: str
    content: str
    near: str
    split: str


def converted(formats: Mapping[str, int]) -> Iterator[str]:
    """Says that pictures were stored in another format than they came in.

    Args:
      formats: pictures by format.
    """
    counts = {kind: formats[kind] for kind in FOREIGN if formats.get(kind)}
    if counts:
        which = " and ".join(f"{count:,} {kind}" for kind, count in counts.items())
        yield (
            f"{which} pictures were stored as PNG; the served model reads JPEG, PNG, GIF and BMP, "
            "so convert others before you ask it, as `graft predict` does"
        )


def under_two_labels(pictures: Iterable[Placed]) -> Iterator[str]:
    """Names identical pictures with different labels."""
    first: dict[str, Placed] = {}
    pairs = []
    for one in pictures:
        other = first.setdefault(one.content, one)
        if other.label != one.label:
            pairs.append(f"{other.path} ({other.label}) and {one.path} ({one.label})")
    if pairs:
        yield (
            f"{_count(pairs, 'picture')} under two labels, identical to the byte: {_list(pairs)}; "
            "keep the right one"
        )


def torn_apart(pictures: Sequence[Placed], difference: float) -> Iterator[str]:
    """Names near-copies in different splits: the source's own splits or groups, or an earlier run,
    put them there.

    Args:
      pictures: the earliest first.
      difference: see `earliest_near`.
    """
    splits = [one.split for one in pictures]
    earlier = earliest_near([one.near for one in pictures], difference, apart=splits)
    pairs = [
        f"{pictures[near].path} ({splits[near]}) and {one.path} ({one.split})"
        for one, near in zip(pictures, earlier, strict=True)
        if near is not None
    ]
    if pairs:
        yield (
            f"{_count(pairs, 'near-copy', 'near-copies')} in another split, so a score may "
            f"flatter: {_list(pairs)}; give both the same split or group"
        )


def crowded(groups: Mapping[str, str], distinct: int) -> Iterator[str]:
    """Says that very many different pictures count as near-copies of one.

    Where a camera that stands still shows parts that differ in a detail, that is wrong.

    Args:
      groups: of each picture that was put into a near-copy's group: by content, the group.
      distinct: how many different pictures there are.
    """
    for group, count in collections.Counter(groups.values()).most_common(1):
        if count + 1 > max(_CROWD, distinct * _CROWDED):
            yield (
                f"{count + 1:,} of {distinct:,} pictures count as near-copies of one another, and "
                f"share a split (group {group}); if they are different things, set "
                "data.near_copies to null or lower"
            )


def _count(pairs: list[str], one: str, several: str = "") -> str:
    if len(pairs) == 1:
        return f"1 {one} stands"
    return f"{len(pairs):,} {several or one + 's'} stand"


def _list(pairs: list[str]) -> str:
    more = f", and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return ", ".join(pairs[:_SHOWN]) + more

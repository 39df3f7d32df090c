"""Which split a picture belongs to: a pure function of its group, so it stays as data grows."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from components.errors import DataError
from components.image_example_gen.listing import Entry

_SHOWN = 10


def group_key(entry: Entry, group_by: str) -> str:
    """Returns what an entry says of its group, "" where that is nothing: its content decides."""
    return "" if group_by == "content" else entry.columns.get(group_by, "")


def split_of(group: str, shares: Mapping[str, float]) -> str:
    """Returns the split of a group.

    Args:
      group: any text.
      shares: the share of each of train, eval and test; they add up to 1.

    A group is drawn to a fixed place in [0, 1): test from 0, then eval, train the rest. So other
    groups do not matter, and a change of one share moves as few groups as can be.
    """
    drawn = hashlib.sha256(group.encode()).digest()[:8]
    place = int.from_bytes(drawn, "big") / 2**64
    if place < shares["test"]:
        return "test"
    return "eval" if place < shares["test"] + shares["eval"] else "train"


class Seen(NamedTuple):
    """What decides a picture's place: its path (for messages), content hash, group and split."""

    path: str
    content: str
    group: str
    split: str


@dataclasses.dataclass(frozen=True)
class Grouping:
    """Places pictures into groups and splits.

    Attributes:
      shares: see `split_of`.
      joined: for a group or content hash that is part of another group, that group.
      fixed: the split of groups that a manifest decides for some of their pictures only.
    """

    shares: Mapping[str, float]
    joined: Mapping[str, str] = dataclasses.field(default_factory=dict)
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def place(self, content: str, group: str = "", split: str | None = None) -> tuple[str, str]:
        """Returns a picture's (group, split).

        Args:
          content: the hash of its bytes; its group where it is given no other.
          group: its group by `group_key`, or "".
          split: its own split, which wins, or None.
        """
        key = group or content
        group = self.joined.get(key, key)
        return group, split or self.fixed.get(group) or split_of(group, self.shares)


def join(seen: Iterable[Seen], shares: Mapping[str, float]) -> Grouping:
    """Joins groups that share a picture, under the first of their names in sorted order.

    Raises:
      DataError: identical pictures, or pictures of one group, have two different splits.
    """
    rows = list(seen)
    parent: dict[str, str] = {}
    for row in rows:
        if row.group:
            _unite(parent, row.group, "\0" + row.content)
        else:
            _root(parent, "\0" + row.content)  # alone, until a twin with a group unites it
    names: dict[str, str] = {}
    for key in parent:
        root = _root(parent, key)
        # Contents are marked by \0; a name wins wherever there is one.
        if root not in names or _rank(key) < _rank(names[root]):
            names[root] = key
    joined = {}
    for key in parent:
        name = names[_root(parent, key)]
        if name != key:
            joined[key.removeprefix("\0")] = name.removeprefix("\0")
    grouping = Grouping(shares, joined)
    _check_twins(rows)
    return dataclasses.replace(grouping, fixed=_fixed(rows, grouping))


def _check_twins(rows: list[Seen]) -> None:
    first: dict[str, Seen] = {}
    clashes = []
    for row in rows:
        if row.split:
            other = first.setdefault(row.content, row)
            if other.split != row.split:
                clashes.append(f"{other.path} ({other.split}) and {row.path} ({row.split})")
    if clashes:
        raise DataError(
            f"identical pictures stand in two splits, so a score would flatter:\n  "
            f"{_list(clashes)}\nGive both the same split, or remove one"
        )


def _fixed(rows: list[Seen], grouping: Grouping) -> dict[str, str]:
    """The splits that pictures without one take over from others of their group."""
    said: dict[str, Seen] = {}
    clashes: dict[str, str] = {}
    for row in rows:
        if row.split:
            group, _ = grouping.place(row.content, row.group)
            other = said.setdefault(group, row)
            if other.split != row.split:
                clashes.setdefault(
                    group, f"{group}: {other.path} ({other.split}), {row.path} ({row.split})"
                )
    if clashes:
        raise DataError(
            "the source's own splits tear groups of data.group_by apart:\n  "
            f"{_list(list(clashes.values()))}\nGive each group one split, or group by content"
        )
    without = {grouping.place(row.content, row.group)[0] for row in rows if not row.split}
    return {group: row.split for group, row in said.items() if group in without}


def _list(clashes: list[str]) -> str:
    more = f"\n  and {len(clashes) - _SHOWN} more" if len(clashes) > _SHOWN else ""
    return "\n  ".join(clashes[:_SHOWN]) + more


def _rank(key: str) -> tuple[bool, str]:
    return key.startswith("\0"), key


def _root(parent: dict[str, str], key: str) -> str:
    root = key
    while parent.setdefault(root, root) != root:
        root = parent[root]
    while parent[key] != root:  # shortens the way for the next call
        parent[key], key = root, parent[key]
    return root


def _unite(parent: dict[str, str], a: str, b: str) -> None:
    parent[_root(parent, b)] = _root(parent, a)

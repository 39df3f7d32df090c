"""Which split a picture belongs to: a pure function of its group, so it stays as data grows."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from components.errors import DataError
from components.image_example_gen.listing import Entry
from components.image_example_gen.near_copies import earliest_near

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
    """What decides a picture's place: its content hash, its group and split where the source says
    them, the mark of its near-copies; and for messages its path and label."""

    path: str
    content: str
    group: str = ""
    split: str = ""
    near: str = ""
    label: str = ""


class Earlier(NamedTuple):
    """A picture of an earlier run, with the group that it was given."""

    path: str
    content: str
    near: str
    group: str


@dataclasses.dataclass(frozen=True)
class Grouping:
    """Places pictures into groups and splits.

    Attributes:
      shares: see `split_of`.
      joined: for a group or content hash that is part of another group, that group.
      near: of `joined`, the pictures that joined a near-copy, by content.
      fixed: the split of groups that a manifest decides for some of their pictures only.
    """

    shares: Mapping[str, float]
    joined: Mapping[str, str] = dataclasses.field(default_factory=dict)
    near: Mapping[str, str] = dataclasses.field(default_factory=dict)
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


def join(
    seen: Iterable[Seen],
    shares: Mapping[str, float],
    difference: float | None = None,
    history: Sequence[Earlier] = (),
) -> Grouping:
    """Puts copies, and what the source says belongs together, into one group.

    Groups that share an identical picture are one, under the first of their names in sorted order.
    A picture that the source gives neither a group nor a split joins the group of its earliest
    near-copy. What an earlier run has placed keeps its group: no later picture moves it.

    Args:
      seen: the pictures, the earliest first.
      shares: see `split_of`.
      difference: see `earliest_near`; None: only identical pictures are copies.
      history: pictures of earlier runs, the earliest first.

    Raises:
      DataError: identical pictures, or pictures of one group, have two different splits.
    """
    rows = list(seen)
    grouping = Grouping(shares, _joined(rows, history))
    _check_twins(rows)
    if difference is not None:
        near = _near_groups(rows, grouping, difference, history)
        grouping = dataclasses.replace(grouping, joined={**grouping.joined, **near}, near=near)
    return dataclasses.replace(grouping, fixed=_fixed(rows, grouping))


def _joined(rows: list[Seen], history: Sequence[Earlier]) -> dict[str, str]:
    parent: dict[str, str] = {}
    for row in rows:
        if row.group:
            _unite(parent, row.group, "\0" + row.content)
        else:
            _root(parent, "\0" + row.content)  # alone, until a twin with a group unites it
    names: dict[str, str] = {}
    for one in reversed(history):  # so that the earliest has the last word
        if (key := "\0" + one.content) in parent:
            names[_root(parent, key)] = one.group
    placed = set(names)
    for key in parent:
        root = _root(parent, key)
        # Contents are marked by \0; a name wins wherever there is one.
        if root not in placed and (root not in names or _rank(key) < _rank(names[root])):
            names[root] = key
    joined = {}
    for key in parent:
        name = names[_root(parent, key)].removeprefix("\0")
        if name != key.removeprefix("\0"):
            joined[key.removeprefix("\0")] = name
    return joined


def _near_groups(
    rows: list[Seen], grouping: Grouping, difference: float, history: Sequence[Earlier]
) -> dict[str, str]:
    """The group of each picture's earliest near-copy, by content, where it has one to join."""
    earlier = earliest_near([*(x.near for x in history), *(x.near for x in rows)], difference)
    groups = [one.group for one in history]
    placed = {one.content for one in history}
    found: dict[str, str] = {}
    for row, near in zip(rows, earlier[len(history) :], strict=True):
        group, _ = grouping.place(row.content, row.group)
        alone = group == row.content and not row.split and row.content not in placed
        if alone and near is not None:
            found[row.content] = group = groups[near]
        groups.append(group)
    return found


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

"""What a run found in its source, for the report: counts, changes, rejects, copies, sizes."""

import collections
import dataclasses
import itertools
import json
import logging
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from components.files import exists, names, reading
from pipeline.lineage import Run
from pipeline.records import read_examples
from pipeline.report import pictures, plots

MOST_REJECTS = 50
MOST_REASONS = 8
MOST_ROWS = 100  # of tables with one row a class
MOST_PAIRS = 12  # of pictures under two labels
LARGEST_REJECT = 20_000_000
"""Bytes of a rejected file of which a thumbnail is tried."""

_SPLITS = ("train", "eval", "test")
_NUMBERS = re.compile(r"(\d+)")


@dataclasses.dataclass(frozen=True)
class Fact:
    """What is known of a picture that a run took.

    Attributes:
      id: of its Example.
      path, label: as the source has them.
      split: where it fell.
      size: width and height in pixels.
      content: a hash of its bytes; "" where nobody wrote it down.
    """

    id: str
    path: str
    label: str
    split: str
    size: tuple[int, int]
    content: str = ""


def read_facts(run: Run) -> list[Fact]:
    """What is known of each picture that a run took; nothing where ImageExampleGen did not end."""
    artifact = run.output("ImageExampleGen", "facts")
    if artifact is None:
        return []
    contents = artifact.json("contents.json") or {}
    wanted = ("id", "path", "label", "width", "height")
    facts = []
    for folder in (name for name in names(artifact.uri) if name.startswith("Split-")):
        split = folder.removeprefix("Split-")
        known = iter(contents.get(split, ()))  # in the order of the records
        for it in read_examples(artifact.path(folder), wanted):
            size = it.get("width", 0), it.get("height", 0)
            id, path, label = (_text(it.get(key)) for key in wanted[:3])
            facts.append(Fact(id, path, label, split, size, next(known, "")))
    return facts


def counts(facts: Iterable[Fact]) -> dict[str, Any]:
    """How many pictures each label has in each split, largest label first."""
    by_split: dict[str, collections.Counter[str]] = {}
    for fact in facts:
        by_split.setdefault(fact.split, collections.Counter())[fact.label] += 1
    splits = sorted(by_split, key=lambda s: (_SPLITS.index(s) if s in _SPLITS else len(_SPLITS), s))
    whole = sum(by_split.values(), collections.Counter[str]())
    rows = [
        {
            "label": label,
            "counts": [by_split[name][label] for name in splits],
            "total": total,
            "share": total / max(whole.values()),
        }
        for label, total in sorted(whole.items(), key=lambda item: (-item[1], item[0]))
    ]
    totals = [by_split[name].total() for name in splits]
    return {
        "splits": splits,
        "totals": totals,
        "sum": sum(totals),
        "classes": len(rows),
        "rows": rows[:MOST_ROWS],
    }


def changes(facts: list[Fact], earlier: Run | None) -> dict[str, Any] | None:
    """What is new, gone or under another label since a run on other data.

    Args:
      facts: of the run that the report is about.
      earlier: the last run before it that took another set of pictures; None: there is none.

    Returns:
      What `compared` says, and {run, span} of the earlier one; None where nothing is known.
    """
    before = read_facts(earlier) if earlier else []
    if earlier is None or not before or not facts:
        return None
    examples = earlier.output("ImageExampleGen", "examples")
    span = examples.properties.get("span") if examples else None
    return {"run": earlier.id, "span": span, **compared(before, facts)}


def compared(before: Iterable[Fact], now: Iterable[Fact]) -> dict[str, Any]:
    """Compares two sets of pictures by their ids.

    Returns:
      {new, gone, moved (to another split), relabelled, total, labels}: how many pictures; of the
      `total` labels whose count changed, (label, before, now), the largest change first.
    """
    old, new = ({fact.id: fact for fact in of_one} for of_one in (before, now))
    both = [(old[id], new[id]) for id in old.keys() & new.keys()]
    then, today = (collections.Counter(fact.label for fact in it.values()) for it in (old, new))
    changed = [
        (label, then[label], today[label])
        for label in then.keys() | today.keys()
        if then[label] != today[label]
    ]
    changed.sort(key=lambda row: (-abs(row[2] - row[1]), row[0]))
    return {
        "new": len(new.keys() - old.keys()),
        "gone": len(old.keys() - new.keys()),
        "moved": sum(one.split != other.split for one, other in both),
        "relabelled": sum(one.label != other.label for one, other in both),
        "total": len(changed),
        "labels": changed[:MOST_ROWS],
    }


def sizes(facts: Iterable[Fact]) -> dict[str, Any] | None:
    """How large the pictures are: {sizes, smallest, middle, largest, plot}, by their area."""
    counted = collections.Counter(fact.size for fact in facts if min(fact.size) > 0)
    if not counted:
        return None
    ordered = sorted(counted.elements(), key=lambda size: (size[0] * size[1], size))
    return {
        "sizes": len(counted),
        "smallest": ordered[0],
        "middle": ordered[len(ordered) // 2],
        "largest": ordered[-1],
        "plot": plots.sizes(counted),
    }


def copies(run: Run, facts: list[Fact]) -> dict[str, Any] | None:
    """Pictures that are equal to the byte or nearly so, and those of them under two labels.

    Returns:
      {equal, near, total, pairs}: how many pictures equal another one, how many more share a split
      with another because they are nearly the same, and how many have two labels, the first of
      them as pairs {first, second (Fact), picture}; None where nothing is known.
    """
    artifact = run.output("ImageExampleGen", "facts")
    by_content: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.content:
            by_content.setdefault(fact.content, []).append(fact)
    if artifact is None or not by_content:
        return None
    torn = [of_one for of_one in by_content.values() if len({fact.label for fact in of_one}) > 1]
    pairs = [(one[0], next(it for it in one if it.label != one[0].label)) for one in torn]
    images = _images(run, [one for one, _ in pairs[:MOST_PAIRS]])
    return {
        "equal": sum(len(of_one) - 1 for of_one in by_content.values()),
        "near": _near(artifact.path("groups.jsonl"), by_content.keys()),
        "total": len(pairs),
        "pairs": [
            {"first": one, "second": other, "picture": pictures.thumbnail(images.get(one.id, b""))}
            for one, other in pairs[:MOST_PAIRS]
        ],
    }


def _near(path: str, contents: Collection[str]) -> int:
    """How many pictures were put into the group of another one that looks the same."""
    if not exists(path):
        return 0
    with reading(path) as file:
        rows = [json.loads(line) for line in filter(bytes.strip, file)]
    known = {row["content"] for row in rows}
    return sum(
        row["group"] != row["content"] and row["group"] in known
        for row in rows
        if row["content"] in contents  # not of an earlier run alone
    )


def rejects(run: Run) -> dict[str, Any] | None:
    """Some rejected inputs of each reason, with thumbnails where they are pictures on this machine;
    how many there are, and the commonest reasons, where "…" stands for numbers that differ."""
    artifact = run.output("ImageExampleGen", "rejects")
    if artifact is None or not exists(artifact.path("rejects.jsonl")):
        return None
    by_reason: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    wordings: dict[tuple[str, ...], list[str]] = {}
    reasons: collections.Counter[tuple[str, ...]] = collections.Counter()
    with reading(artifact.path("rejects.jsonl")) as file:
        for line in filter(bytes.strip, file):
            reject = json.loads(line.decode(errors="replace"))
            parts = _NUMBERS.split(str(reject.get("reason")))
            reason = tuple(parts[::2])  # sizes and the like: each file has its own
            seen = wordings.setdefault(reason, parts)
            wordings[reason] = [a if a == b else "…" for a, b in zip(seen, parts, strict=True)]
            reasons[reason] += 1
            if reasons[reason] <= MOST_REJECTS:
                by_reason.setdefault(reason, []).append(reject)
    in_turns = itertools.chain.from_iterable(itertools.zip_longest(*by_reason.values()))
    rows = list(itertools.islice(filter(None, in_turns), MOST_REJECTS))
    source = (run.config.get("data") or {}).get("source")
    for row in rows:
        row["picture"] = _reject_picture(source, row.get("path"))
    return {
        "total": reasons.total(),
        "rows": rows,
        "reasons": [
            ("".join(wordings[it]), count) for it, count in reasons.most_common(MOST_REASONS)
        ],
        "other_reasons": max(0, len(reasons) - MOST_REASONS),
    }


def notes(run: Run) -> list[str]:
    """What somebody who trains on these pictures should know of them."""
    examples = run.output("ImageExampleGen", "examples")
    return (examples.properties.get("notes") or []) if examples else []


def anomalies(run: Run) -> list[dict[str, Any]]:
    """What the statistics of this span have against the schema: [{split, feature, reason}]."""
    gate = run.output("DataGate", "gate")
    return ((gate.json("gate.json") if gate else None) or {}).get("anomalies") or []


def _images(run: Run, facts: Iterable[Fact]) -> dict[str, bytes]:
    examples = run.output("ImageExampleGen", "examples")
    wanted: dict[str, list[str]] = {}
    for fact in facts:
        wanted.setdefault(fact.split, []).append(fact.id)
    found: dict[str, bytes] = {}
    for split, ids in wanted.items():
        if examples is None:
            break
        try:
            found |= pictures.find_images(examples.path(f"Split-{split}"), ids)
        except Exception:  # the names still say something without the pictures
            logging.getLogger(__name__).warning("report: %s is damaged", split, exc_info=True)
    return found


def _reject_picture(source: Any, path: Any) -> Mapping[str, Any] | None:
    """A thumbnail of a rejected file beside a manifest or below a folder, where that is here."""
    if not isinstance(source, str) or not isinstance(path, str) or "://" in source:
        return None
    try:
        folder = Path(source).expanduser().resolve()
        folder = folder if folder.is_dir() else folder.parent
        file = (folder / path).resolve()
        if not file.is_relative_to(folder) or file.stat().st_size > LARGEST_REJECT:
            return None
        return pictures.thumbnail(file.read_bytes(), side=64)
    except (OSError, ValueError):  # ValueError: a path with a null byte
        return None


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")

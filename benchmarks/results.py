"""What a benchmark found, as `benchmarks/results.json` keeps it."""

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any, Literal, NamedTuple

RESULTS = Path(__file__).with_name("results.json")


class Result(NamedTuple):
    """One comparison, both sides measured in one run."""

    name: str
    """Of the benchmark, and of the comparison where it has several."""
    ours: float
    theirs: float
    """Of the peer, or of the limit."""
    unit: str
    """Of both."""
    goal: float | None
    """What ours / theirs shall reach ("higher") or stay below ("lower"); None: only to know."""
    better: Literal["higher", "lower"]
    note: str = ""
    """What else was found, such as an interval."""

    @property
    def ratio(self) -> float:
        """Ours / theirs."""
        return self.ours / self.theirs

    @property
    def reached(self) -> bool:
        """Whether the goal is."""
        if self.goal is None:
            return True
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def __str__(self) -> str:
        goal = "" if self.goal is None else f", goal {self.goal:g}"
        missed = "" if self.reached else ", NOT REACHED"
        note = f"; {self.note}" if self.note else ""
        return (
            f"{self.name}: {self.ours:.4g} against {self.theirs:.4g} {self.unit}: "
            f"ratio {self.ratio:.3g}{goal}{missed}{note}"
        )


def keep(result: Result, path: Path = RESULTS) -> None:
    """Writes a result into the file, in place of an older one of its name."""
    kept = json.loads(path.read_text()) if path.exists() else []
    entry: dict[str, Any] = {
        "name": result.name,
        "ours": _round(result.ours),
        "theirs": _round(result.theirs),
        "unit": result.unit,
        "ratio": _round(result.ratio),
        "goal": result.goal,
        "better": result.better,
        "machine": f"{os.cpu_count()} cores, {_memory()} GiB, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "date": datetime.date.today().isoformat(),
        "note": result.note,
    }
    others = [one for one in kept if one["name"] != result.name]
    merged = sorted([*others, entry], key=lambda one: one["name"])
    path.write_text(json.dumps(merged, indent=2) + "\n")


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _round(value: float) -> float:
    return float(f"{value:.4g}")

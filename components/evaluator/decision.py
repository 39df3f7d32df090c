"""Decides whether a model is blessed. Pure: figures in, sentences with figures out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.evaluator.checks import (
    ROUNDING,
    Check,
    Comparison,
    Found,
    State,
    Threshold,
    check_threshold,
    some_of,
    worsening,
)
from components.evaluator.slice_checks import check_slices

_DECIDED_FIRST: Sequence[State] = ("failed", "withheld", "tie", "passed")


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether the model is blessed, and one check for each thing that was asked."""

    blessed: bool
    checks: list[Check]

    @property
    def reasons(self) -> list[str]:
        """The sentences; what decided stands first."""
        return [check.sentence for check in self.checks]

    def joined(self, checks: Sequence[Check]) -> "Decision":
        """The decision with further checks."""
        everything = sorted([*self.checks, *checks], key=_urgency)
        return Decision(self.blessed and not any(map(_refuses, checks)), everything)

    def to_json(self) -> dict[str, Any]:
        """As `blessing.json` has it: blessed, reasons, checks [{state, sentence}]."""
        checks = [dataclasses.asdict(check) for check in self.checks]
        return {"blessed": self.blessed, "reasons": self.reasons, "checks": checks}


def decide(
    thresholds: Mapping[str, Threshold],
    found: Found,
    slice_thresholds: Mapping[str, Mapping[str, Threshold]] | None = None,
    slices: Mapping[str, Mapping[str, Found]] | None = None,
    *,
    fewest: int = 1,
    why_none: str = "there is no blessed model yet",
    on_tie: str = "push",
    may_lose_classes: bool = False,
) -> Decision:
    """Holds the metrics against the thresholds.

    Against the blessed model a metric is better or worse where the 95 % interval of the difference
    leaves out 0, else it is a tie. Worse by more than `no_worse_than_blessed_by` refuses the model.

    Args:
      thresholds: by metric, for the whole test split: `at_least` or `at_most` (the last value that
        is blessed) and `no_worse_than_blessed_by` (how much worse than the blessed model is
        allowed), each may be None or left out.
      found: over the whole test split. Where it has no comparison, what is asked of the comparison
        counts as met.
      slice_thresholds: the same for parts of it, by "slice" (each of its values) or "slice=value".
      slices: {slice: {value: found}}.
      fewest: groups of images that a slice's value needs to be judged.
      why_none: why there is no comparison, as a clause.
      on_tie: what follows where no compared metric of the whole test split is better and none is
        refused, and the two know the same classes: "push" blesses the candidate, "keep" does not.
      may_lose_classes: whether a candidate that lacks a class of the blessed model's can pass.

    Returns:
      The decision. Without any threshold nothing is blessed, as in TFX, nor where none of them
      could be judged: a gate that someone forgot to set must not stand open.

    Raises:
      KeyError: a threshold names a metric that does not exist.
    """
    checks = [
        check
        for name, threshold in sorted(thresholds.items())
        for check in check_threshold("", name, threshold, found, why_none)
    ]
    for key, asked in sorted((slice_thresholds or {}).items()):
        checks += check_slices(key, asked, slices or {}, fewest, why_none)
    if not checks:
        sentence = "no threshold is set: give evaluate.thresholds one, such as at_least: 0"
        return Decision(False, [Check("failed", sentence)])
    if all(check.state == "withheld" for check in checks):
        checks.append(Check("failed", "none of what evaluate asks could be judged"))
    if on_tie == "keep" and (tie := _tie(thresholds, found.comparison)):
        checks.append(tie)
    checks += _classes(thresholds, found.comparison, may_lose_classes)
    return Decision(not any(map(_refuses, checks)), sorted(checks, key=_urgency))


def _urgency(check: Check) -> int:
    return _DECIDED_FIRST.index(check.state)


def _refuses(check: Check) -> bool:
    return check.state == "failed"


def _tie(thresholds: Mapping[str, Threshold], comparison: Comparison | None) -> Check | None:
    """A failed check where nothing is better than in the blessed model; else None."""
    if comparison is None or not comparison.images or comparison.new_classes:
        return None
    compared = [
        name
        for name, threshold in sorted(thresholds.items())
        if threshold.get("no_worse_than_blessed_by") is not None and name in comparison.candidate
    ]
    better = (worsening(name, comparison)[1][1] < -ROUNDING for name in compared)
    if not compared or (comparison.enough and any(better)):
        return None
    return Check(
        "failed",
        f"no better than the blessed model in {', '.join(compared)}: evaluate.on_tie keeps it",
    )


def _classes(
    thresholds: Mapping[str, Threshold], comparison: Comparison | None, may_lose_classes: bool
) -> list[Check]:
    """What is to be said of classes that only one of the two models knows."""
    if comparison is None:
        return []
    checks = []
    if comparison.lost_classes:
        lost = f"no longer knows {some_of(comparison.lost_classes)}, which the blessed model does"
        if may_lose_classes:
            checks.append(Check("passed", f"it {lost}"))
        else:
            way_out = "set evaluate.may_lose_classes: true if that is meant"
            checks.append(Check("failed", f"it {lost}; {way_out}"))
    compared = any(t.get("no_worse_than_blessed_by") is not None for t in thresholds.values())
    if compared and comparison.images and comparison.new_classes:
        new = some_of(comparison.new_classes)
        sentence = f"the blessed model does not know {new}: compared on the other "
        checks.append(Check("passed", f"{sentence}{comparison.images} test images"))
    return checks

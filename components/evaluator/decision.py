"""Decides whether a model is blessed. Pure: figures in, sentences with figures out."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from components.evaluator.metrics import LOWER_IS_BETTER

# Figures that are equal but for rounding in the last bits count as equal: 0.978 - 0.973 must
# not be more than 0.005.
_ROUNDING = 1e-9
_MOST_NAMES = 8

State = Literal["passed", "tie", "withheld", "failed"]
_DECIDED_FIRST: Sequence[State] = ("failed", "withheld", "tie", "passed")
Threshold = Mapping[str, float | None]


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was asked of the model.

    Attributes:
      state: "passed"; "failed", which refuses the model; "tie", no worse and no better than the
        blessed one as far as these images can tell; "withheld", too few images to judge by.
      sentence: what was found, with figures.
    """

    state: State
    sentence: str


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


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models on the same test images: those whose label the blessed model knows.

    Attributes:
      candidate, blessed: metric values by name.
      images: how many images that were; with 0 there is nothing to compare.
      new_classes: labels that the blessed model does not know, left out here.
      differences: by metric, the 95 % interval of candidate minus blessed; a metric without one is
        taken at its word.
    """

    candidate: Mapping[str, float]
    blessed: Mapping[str, float]
    images: int
    new_classes: tuple[str, ...] = ()
    differences: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Found:
    """What the thresholds are held against: one model on one set of images.

    Attributes:
      metrics: values by name; None where a metric says nothing of these images.
      intervals: by metric, its 95 % interval; as far as they are known.
      comparison: with the latest blessed model; None where there is none.
      images: how many there are.
    """

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    comparison: Comparison | None = None
    images: int = 0


def decide(
    thresholds: Mapping[str, Threshold],
    found: Found,
    slice_thresholds: Mapping[str, Mapping[str, Threshold]] | None = None,
    slices: Mapping[str, Mapping[str, Found]] | None = None,
    *,
    fewest: int = 1,
    why_none: str = "there is no blessed model yet",
    on_tie: str = "push",
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
      fewest: images that a slice's value needs to be judged.
      why_none: why there is no comparison, as a clause.
      on_tie: what follows where no compared metric of the whole test split is better and none is
        refused, and the two know the same classes: "push" blesses the candidate, "keep" does not.

    Returns:
      The decision. Without any threshold nothing is blessed, as in TFX: a gate that someone
      forgot to set must not stand open.

    Raises:
      KeyError: a threshold names a metric that does not exist.
    """
    checks = [
        check
        for name, threshold in sorted(thresholds.items())
        for check in _checks("", name, threshold, found, why_none)
    ]
    for key, asked in sorted((slice_thresholds or {}).items()):
        checks += _slice_checks(key, asked, slices or {}, fewest)
    if not checks:
        sentence = "no threshold is set: give evaluate.thresholds one, such as at_least: 0"
        return Decision(False, [Check("failed", sentence)])
    if on_tie == "keep" and (tie := _tie(thresholds, found.comparison)):
        checks.append(tie)
    checks += _new_classes(thresholds, found.comparison)
    return Decision(not any(map(_refuses, checks)), sorted(checks, key=_urgency))


def _urgency(check: Check) -> int:
    return _DECIDED_FIRST.index(check.state)


def _refuses(check: Check) -> bool:
    return check.state == "failed"


def _checks(
    where: str, name: str, threshold: Threshold, found: Found, why_none: str
) -> list[Check]:
    """What one threshold asks of one set of images."""
    checks = []
    for word in ("at_least", "at_most"):
        if (bound := threshold.get(word)) is not None:
            checks.append(absolute(where, name, found, word, bound))
    if (allowed := threshold.get("no_worse_than_blessed_by")) is not None:
        checks.append(_relative(where, name, allowed, found.comparison, why_none))
    return checks


def absolute(where: str, name: str, found: Found, word: str, bound: float) -> Check:
    """Holds one metric against a bound.

    Args:
      where: what the sentence begins with: of which images it speaks.
      name: the metric.
      found: its value, and its interval where that is known.
      word: "at_least" or "at_most".
      bound: the last value that passes.
    """
    value = found.metrics[name]
    if value is None:
        return Check("withheld", f"{where}{name} says nothing of these images: not judged")
    shown, limit = figures([value, bound])
    interval = _interval(found.intervals.get(name), shown)
    if word == "at_least":
        good, said = value >= bound - _ROUNDING, ("is at least", "is below")
    else:
        good, said = value <= bound + _ROUNDING, ("is at most", "is above")
    sentence = f"{where}{name} {shown}{interval} {said[0] if good else said[1]} {limit}"
    return Check("passed" if good else "failed", sentence)


def _relative(
    where: str, name: str, allowed: float, comparison: Comparison | None, why_none: str
) -> Check:
    nothing = f"{where}{name} has nothing to be compared with: "
    if comparison is None:
        return Check("passed", nothing + why_none)
    if not comparison.images:
        return Check("passed", f"{nothing}the blessed model knows none of these classes")
    if name not in comparison.candidate or name not in comparison.blessed:
        return Check("withheld", f"{where}{name} says nothing of these images: not compared")
    ours, theirs = comparison.candidate[name], comparison.blessed[name]
    shown, blessed, by, bound = figures([ours, theirs, abs(ours - theirs), allowed])
    worse, (low, high) = _worse(name, comparison)

    def chance(first: float, last: float) -> str:
        return _interval((first, last) if name in comparison.differences else None, by)

    if low > _ROUNDING:
        way = "above" if name in LOWER_IS_BETTER else "below"
        sentence = f"{by}{chance(low, high)} {way} the blessed model's {blessed}"
        state: State = "passed" if worse <= allowed + _ROUNDING else "failed"
        return Check(state, f"{where}{name} {shown} is {sentence}; at most {bound} is allowed")
    if high < -_ROUNDING:
        way = "below" if name in LOWER_IS_BETTER else "above"
        sentence = f"{by}{chance(-high, -low)} {way} the blessed model's {blessed}"
        return Check("passed", f"{where}{name} {shown} is {sentence}")
    sentence = f"{where}{name} {shown} and the blessed model's {blessed} are a tie"
    if ours != theirs:
        change = (low, high) if name in LOWER_IS_BETTER else (-high, -low)
        sentence += f": the difference may be chance{chance(*change)}"
    return Check("tie", sentence)


def _worse(name: str, comparison: Comparison) -> tuple[float, tuple[float, float]]:
    """How much worse the candidate is, and the interval of that; below 0 where it is better."""
    change = comparison.candidate[name] - comparison.blessed[name]
    low, high = comparison.differences.get(name, (change, change))
    return (change, (low, high)) if name in LOWER_IS_BETTER else (-change, (-high, -low))


def _slice_checks(
    key: str,
    asked: Mapping[str, Threshold],
    slices: Mapping[str, Mapping[str, Found]],
    fewest: int,
) -> list[Check]:
    """One check for each value that fails, and one for all that fare alike otherwise."""
    name, _, wanted = key.partition("=")
    of_value = slices.get(name, {})
    if wanted:
        of_value = {wanted: of_value.get(wanted, Found({}))}
    few = {value: found.images for value, found in of_value.items() if found.images < fewest}
    checks = []
    if few:
        named = _some([f"{value or '(none)'} ({images})" for value, images in few.items()])
        checks.append(
            Check("withheld", f"{name}: too few images to judge, {fewest} are needed: {named}")
        )
    enough = {value: found for value, found in of_value.items() if value not in few}
    for metric, threshold in sorted(asked.items()):
        said = {
            value: _checks(
                f"{name} {value or '(none)'}: ", metric, threshold, found, "there is no blessed one"
            )
            for value, found in enough.items()
        }
        for kind in range(max(map(len, said.values()), default=0)):
            of_kind = {value: found[kind] for value, found in said.items()}
            checks += [check for check in of_kind.values() if check.state == "failed"]
            checks += _together(name, metric, enough, of_kind)
    return checks


def _together(
    name: str,
    metric: str,
    enough: Mapping[str, Found],
    checks: Mapping[str, Check],
) -> list[Check]:
    """The checks of a slice's values that did not fail, one sentence a state."""
    together: list[Check] = []
    for state in _DECIDED_FIRST[1:]:
        alike = {value: check for value, check in checks.items() if check.state == state}
        if len(alike) == 1:
            together += alike.values()
        elif alike:
            worst = min(alike, key=lambda value: _goodness(metric, enough[value]))
            together.append(
                Check(
                    state,
                    f"{name}: {len(alike)} values alike, the worst {alike[worst].sentence}",
                )
            )
    return together


def _goodness(metric: str, found: Found) -> float:
    value = found.metrics.get(metric)
    if value is None:
        return float("inf")
    return -value if metric in LOWER_IS_BETTER else value


def _tie(thresholds: Mapping[str, Threshold], comparison: Comparison | None) -> Check | None:
    """A failed check where nothing is better than in the blessed model; else None."""
    if comparison is None or not comparison.images or comparison.new_classes:
        return None
    compared = [
        name
        for name, threshold in sorted(thresholds.items())
        if threshold.get("no_worse_than_blessed_by") is not None and name in comparison.candidate
    ]
    if not compared or any(_worse(name, comparison)[1][1] < -_ROUNDING for name in compared):
        return None
    return Check(
        "failed",
        f"no better than the blessed model in {', '.join(compared)}: evaluate.on_tie keeps it",
    )


def _new_classes(thresholds: Mapping[str, Threshold], comparison: Comparison | None) -> list[Check]:
    compared = any(t.get("no_worse_than_blessed_by") is not None for t in thresholds.values())
    if not (compared and comparison and comparison.images and comparison.new_classes):
        return []
    return [
        Check(
            "passed",
            f"the blessed model does not know {_some(comparison.new_classes)}: compared on the "
            f"other {comparison.images} test images",
        )
    ]


def _interval(interval: tuple[float, float] | None, like: str) -> str:
    """An interval in as many decimals as the figure that it belongs to, with a space before it."""
    if interval is None:
        return ""
    decimals = len(like.partition(".")[2])
    return f" [{interval[0]:.{decimals}f}, {interval[1]:.{decimals}f}]"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def figures(values: Iterable[float], fewest: int = 3, most: int = 6) -> list[str]:
    """Returns the values in as few decimals, from `fewest` on, as keep unlike values apart."""
    values = list(values)
    unlike = len({round(value, 9) for value in values})
    for decimals in range(fewest, most + 1):
        shown = [f"{value:.{decimals}f}" for value in values]
        if len(set(shown)) == unlike:
            break
    return shown

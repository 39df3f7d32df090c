"""Holds one metric of one set of images against one bound: figures in, a sentence out. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from components.evaluator.metrics import LOWER_IS_BETTER

# Figures that are equal but for rounding in the last bits count as equal: 0.978 - 0.973 must
# not be more than 0.005.
ROUNDING = 1e-9
_MOST_NAMES = 8

State = Literal["passed", "tie", "withheld", "failed"]
Threshold = Mapping[str, float | None]
BOUNDS = ("at_least", "at_most", "no_worse_than_blessed_by")
"""What a threshold may hold, in the order of `check_threshold`."""


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
class Comparison:
    """Two models on the same test images: those whose label the blessed model knows.

    Attributes:
      candidate, blessed: metric values by name.
      images: how many images that were; with 0 there is nothing to compare.
      new_classes: what the blessed model does not know; images of these labels are left out here.
      lost_classes: what only the blessed model knows.
      differences: by metric, the 95 % interval of candidate minus blessed; a metric without one is
        taken at its word.
      enough: whether these are enough images to say anything of a difference.
    """

    candidate: Mapping[str, float]
    blessed: Mapping[str, float]
    images: int
    new_classes: tuple[str, ...] = ()
    lost_classes: tuple[str, ...] = ()
    differences: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    enough: bool = True


@dataclasses.dataclass(frozen=True)
class Found:
    """What the thresholds are held against: one model on one set of images.

    Attributes:
      metrics: values by name; None where a metric says nothing of these images.
      intervals: by metric, its 95 % interval; as far as they are known.
      comparison: with the latest blessed model; None where there is none.
      images: how many groups of images there are.
    """

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    comparison: Comparison | None = None
    images: int = 0


def check_threshold(
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
    if value is None:  # of a part that is a matter of its images; of the whole, of the gate
        state: State = "withheld" if where else "failed"
        return Check(state, f"{where}{name} says nothing of these images: not judged")
    shown, limit = figures([value, bound])
    interval = _interval(found.intervals.get(name), shown)
    if word == "at_least":
        good, said = value >= bound - ROUNDING, ("is at least", "is below")
    else:
        good, said = value <= bound + ROUNDING, ("is at most", "is above")
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
    if not comparison.enough:
        return Check(
            "withheld" if where else "tie",  # of the whole, `on_tie` says what follows
            f"{where}{name} {shown} and the blessed model's {blessed}: {comparison.images} images "
            "are too few to compare by",
        )
    worse, (low, high) = worsening(name, comparison)

    def chance(first: float, last: float) -> str:
        return _interval((first, last) if name in comparison.differences else None, by)

    if low > ROUNDING:
        way = "above" if name in LOWER_IS_BETTER else "below"
        sentence = f"{by}{chance(low, high)} {way} the blessed model's {blessed}"
        state: State = "passed" if worse <= allowed + ROUNDING else "failed"
        return Check(state, f"{where}{name} {shown} is {sentence}; at most {bound} is allowed")
    if high < -ROUNDING:
        way = "below" if name in LOWER_IS_BETTER else "above"
        sentence = f"{by}{chance(-high, -low)} {way} the blessed model's {blessed}"
        return Check("passed", f"{where}{name} {shown} is {sentence}")
    sentence = f"{where}{name} {shown} and the blessed model's {blessed} are a tie"
    if ours != theirs:
        change = (low, high) if name in LOWER_IS_BETTER else (-high, -low)
        sentence += f": the difference may be chance{chance(*change)}"
    return Check("tie", sentence)


def worsening(name: str, comparison: Comparison) -> tuple[float, tuple[float, float]]:
    """How much worse the candidate is, and the interval of that; below 0 where it is better."""
    change = comparison.candidate[name] - comparison.blessed[name]
    low, high = comparison.differences.get(name, (change, change))
    return (change, (low, high)) if name in LOWER_IS_BETTER else (-change, (-high, -low))


def _interval(interval: tuple[float, float] | None, like: str) -> str:
    """An interval in as many decimals as the figure that it belongs to, with a space before it."""
    if interval is None:
        return ""
    decimals = len(like.partition(".")[2])
    return f" [{interval[0]:.{decimals}f}, {interval[1]:.{decimals}f}]"


def some_of(names: Sequence[str]) -> str:
    """The first names, and how many there are beside them."""
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

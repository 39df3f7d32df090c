"""Decides whether a model is blessed. Pure: figures in, sentences with figures out."""

import dataclasses
from collections.abc import Iterable, Mapping

# Figures that are equal but for rounding in the last bits count as equal: 0.978 - 0.973 must
# not be more than 0.005.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether the model is blessed, and one sentence with figures for each thing that was asked."""

    blessed: bool
    reasons: list[str]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models on the same test images: those whose label the blessed model knows.

    Attributes:
      candidate, blessed: metric values by name.
      images: how many images that were; with 0 there is nothing to compare.
      new_classes: labels that the blessed model does not know, left out here.
    """

    candidate: Mapping[str, float]
    blessed: Mapping[str, float]
    images: int
    new_classes: tuple[str, ...] = ()


def decide(
    thresholds: Mapping[str, Mapping[str, float | None]],
    metrics: Mapping[str, float],
    comparison: Comparison | None,
    why_none: str = "there is no blessed model yet",
    on_tie: str = "push",
) -> Decision:
    """Holds the metrics against the thresholds.

    Args:
      thresholds: by metric, `at_least` (lowest value that is blessed) and
        `no_worse_than_blessed_by` (how far below the blessed model's value is allowed), or None.
      metrics: the candidate's values over the whole test split.
      comparison: with the latest blessed model; None where there is none yet, in which case what
        is asked of the comparison counts as met.
      why_none: why there is no comparison, as a clause.
      on_tie: what follows where the two differ in no compared metric, either way, by more than is
        allowed, and know the same classes: "push" blesses the candidate, "keep" does not.

    Returns:
      The decision. Without any threshold nothing is blessed, as in TFX: a gate that someone
      forgot to set must not stand open.

    Raises:
      KeyError: a threshold names a metric that does not exist.
    """
    checks: list[tuple[bool, str]] = []
    for name, threshold in sorted(thresholds.items()):
        at_least = threshold.get("at_least")
        allowed = threshold.get("no_worse_than_blessed_by")
        if at_least is not None:
            checks.append(_absolute(name, metrics[name], at_least))
        if allowed is not None:
            checks.append(_relative(name, allowed, comparison, why_none))
    if not checks:
        return Decision(
            False, ["no threshold is set: give evaluate.thresholds one, such as at_least: 0"]
        )
    if on_tie == "keep" and (tie := _tie(thresholds, comparison)):
        checks.append((False, tie))
    # What decided stands first.
    reasons = [sentence for _, sentence in sorted(checks, key=lambda check: check[0])]
    compared = any(t.get("no_worse_than_blessed_by") is not None for t in thresholds.values())
    if compared and comparison and comparison.images and comparison.new_classes:
        left_out = ", ".join(comparison.new_classes)
        reasons.append(
            f"the blessed model does not know {left_out}: compared on the other "
            f"{comparison.images} test images"
        )
    return Decision(all(passed for passed, _ in checks), reasons)


def _absolute(name: str, value: float, at_least: float) -> tuple[bool, str]:
    shown, bound = figures([value, at_least])
    if value >= at_least - _ROUNDING:
        return True, f"{name} {shown} is at least {bound}"
    return False, f"{name} {shown} is below {bound}"


def _relative(
    name: str, allowed: float, comparison: Comparison | None, why_none: str
) -> tuple[bool, str]:
    if comparison is None:
        return True, f"{name} has nothing to be compared with: {why_none}"
    if not comparison.images:
        return True, (
            f"{name} has nothing to be compared with: the blessed model knows none of these classes"
        )
    ours, theirs = comparison.candidate[name], comparison.blessed[name]
    below = theirs - ours
    shown, blessed, difference, bound = figures([ours, theirs, below, allowed])
    if below <= _ROUNDING:
        return True, f"{name} {shown} is no worse than the blessed model's {blessed}"
    sentence = f"{name} {shown} is {difference} below the blessed model's {blessed}; "
    return below <= allowed + _ROUNDING, f"{sentence}at most {bound} is allowed"


def _tie(
    thresholds: Mapping[str, Mapping[str, float | None]], comparison: Comparison | None
) -> str | None:
    """That candidate and blessed model are alike, as a sentence; None where they are not."""
    if comparison is None or not comparison.images or comparison.new_classes:
        return None
    said = []
    for name, threshold in sorted(thresholds.items()):
        allowed = threshold.get("no_worse_than_blessed_by")
        if allowed is None:
            continue
        ours, theirs = comparison.candidate[name], comparison.blessed[name]
        if abs(ours - theirs) > allowed + _ROUNDING:
            return None
        shown, blessed, bound = figures([ours, theirs, allowed])
        said.append(f"{name} {shown} and the blessed model's {blessed}, within {bound}")
    if not said:
        return None
    return f"a tie: {', '.join(said)}; evaluate.on_tie keeps the blessed model"


def figures(values: Iterable[float], fewest: int = 3, most: int = 6) -> list[str]:
    """Returns the values in as few decimals, from `fewest` on, as keep unlike values apart."""
    values = list(values)
    unlike = len({round(value, 9) for value in values})
    for decimals in range(fewest, most + 1):
        shown = [f"{value:.{decimals}f}" for value in values]
        if len(set(shown)) == unlike:
            break
    return shown

"""Holds the parts of a test split against their thresholds, and says it in few sentences. Pure."""

from collections.abc import Collection, Mapping

from components.evaluator.checks import (
    BOUNDS,
    Check,
    Found,
    State,
    Threshold,
    check_threshold,
    some_of,
    worsening,
)
from components.evaluator.metrics import LOWER_IS_BETTER

_STATES: tuple[State, ...] = ("withheld", "tie", "passed")


def split_key(key: str, known: Collection[str]) -> tuple[str, str | None]:
    """Takes "slice" or "slice=value" apart.

    Args:
      key: as a user wrote it; either part may hold further signs of equality.
      known: names of slices; the longest that fits is meant.

    Returns:
      (slice, value); the value is None where all values of the slice are meant.
    """
    if key in known:
        return key, None
    parts = key.split("=")
    for i in range(len(parts) - 1, 0, -1):
        name = "=".join(parts[:i])
        if name in known or i == 1:
            return name, "=".join(parts[i:])
    return key, None


def check_slices(
    key: str,
    asked: Mapping[str, Threshold],
    slices: Mapping[str, Mapping[str, Found]],
    fewest: int,
    why_none: str,
) -> list[Check]:
    """One check for each value that fails, and one for all that fare alike otherwise.

    Arguments are those of `decision.decide`, with one key of its `slice_thresholds`.
    """
    name, wanted = split_key(key, slices)
    of_value = slices.get(name, {})
    if wanted is not None:
        of_value = {wanted: of_value.get(wanted, Found({}))}
    few = {value: found.images for value, found in of_value.items() if found.images < fewest}
    checks = []
    if few:
        named = some_of([f"{value or '(none)'} ({images})" for value, images in few.items()])
        checks.append(
            Check("withheld", f"{name}: too few images to judge, {fewest} are needed: {named}")
        )
    enough = {value: found for value, found in of_value.items() if value not in few}
    for metric, threshold in sorted(asked.items()):
        said = {
            value: check_threshold(
                f"{name} {value or '(none)'}: ", metric, threshold, found, why_none
            )
            for value, found in enough.items()
        }
        bounds = [bound for bound in BOUNDS if threshold.get(bound) is not None]
        for i, bound in enumerate(bounds):
            of_bound = {value: found[i] for value, found in said.items()}
            checks += [check for check in of_bound.values() if check.state == "failed"]
            checks += _together(name, metric, bound, enough, of_bound)
    return checks


def _together(
    name: str,
    metric: str,
    bound: str,
    enough: Mapping[str, Found],
    checks: Mapping[str, Check],
) -> list[Check]:
    """The checks of a slice's values that did not fail, one sentence a state."""
    together: list[Check] = []
    for state in _STATES:
        alike = {value: check for value, check in checks.items() if check.state == state}
        if len(alike) == 1:
            together += alike.values()
        elif alike:
            worst = max(alike, key=lambda value: _badness(metric, bound, enough[value]))
            sentence = f"{name}: {len(alike)} values alike, the worst {alike[worst].sentence}"
            together.append(Check(state, sentence))
    return together


def _badness(metric: str, bound: str, found: Found) -> float:
    """How far a value is from passing: by itself, or beside the blessed model's."""
    if bound == BOUNDS[-1]:
        known = found.comparison and metric in found.comparison.candidate
        return worsening(metric, found.comparison)[0] if found.comparison and known else -1.0
    value = found.metrics.get(metric)
    if value is None:
        return float("-inf")
    return value if metric in LOWER_IS_BETTER else -value

"""Holds the parts of a test split against their thresholds, and says it in few sentences. Pure."""

from collections.abc import Mapping

from components.evaluator.checks import Check, Found, State, Threshold, check_threshold, some_of
from components.evaluator.metrics import LOWER_IS_BETTER

_STATES: tuple[State, ...] = ("withheld", "tie", "passed")


def check_slices(
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
        named = some_of([f"{value or '(none)'} ({images})" for value, images in few.items()])
        checks.append(
            Check("withheld", f"{name}: too few images to judge, {fewest} are needed: {named}")
        )
    enough = {value: found for value, found in of_value.items() if value not in few}
    for metric, threshold in sorted(asked.items()):
        said = {
            value: check_threshold(
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
    for state in _STATES:
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

"""How far a metric could be from what was counted, had the test split held other images.

A percentile bootstrap (Efron 1979): the test split is drawn anew, with replacement, a thousand
times, and an interval leaves out the lowest and the highest 2.5 % of what comes out. Groups are
drawn, not images: near-copies of one picture say the same thing once. Two models are compared on
the same draws, since what is hard for one is mostly hard for the other.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from components.evaluator.metrics import Judged, weighted_areas, weighted_metrics

DRAWS = 1000
"""As many as make the ends of a 95 % interval steady (Efron and Tibshirani 1993, section 13.3)."""
FEWEST_GROUPS = 10
"""With fewer there is nothing to draw from, and an interval would be narrow for want of data."""
_OUTSIDE = 0.05
# Areas are counted on images × classes × draws; above this many, some seconds of one core, on fewer
# draws, and with fewer than 200 of them not at all.
MOST_COUNTED, FEWEST_DRAWS = 20_000_000, 200
_AT_ONCE = 10_000_000  # weights in memory, 80 MB

Interval = tuple[float, float]
Samples = dict[str, np.ndarray]


def draw(groups: Sequence[str], seed: int, draws: int = DRAWS) -> np.ndarray:
    """Draws the groups of N images with replacement.

    Args:
      groups: N names.
      seed: equal seeds give equal draws.
      draws: B, how many.

    Returns:
      [B, N] uint16: how often each image counts; those of one group alike.
    """
    _, of_image = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(of_image.max()) + 1
    random = np.random.default_rng(seed)
    drawn = np.empty((draws, len(of_image)), np.uint16)
    for row in drawn:
        row[:] = np.bincount(random.integers(0, count, count), minlength=count)[of_image]
    return drawn


def samples(judged: Judged, drawn: np.ndarray) -> Samples:
    """Returns each metric under every draw, [B] float64; NaN where it says nothing.

    The areas are left out where counting them would take too long, and have fewer than B values
    where it would take long.

    Args:
      judged: N images, at least one.
      drawn: [B, N] from `draw`, or its columns for a part of the images.
    """
    found = samples_of(weighted_metrics, judged, drawn)
    classes = len(np.unique(judged.labels))
    affordable = MOST_COUNTED // (len(judged.labels) * classes)
    if classes > 1 and affordable >= min(FEWEST_DRAWS, len(drawn)):
        found |= samples_of(weighted_areas, judged, drawn[:affordable])
    return found


def samples_of(
    function: Callable[[Judged, np.ndarray], Mapping[str, np.ndarray]],
    judged: Judged,
    drawn: np.ndarray,
) -> Samples:
    """Calls one of the weighted functions of metrics.py with all draws, as many as fit at once."""
    at_once = max(_AT_ONCE // len(judged.labels), 1)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw that holds none of the images
        parts = [
            function(judged, drawn[start : start + at_once].astype(np.float64))
            for start in range(0, len(drawn), at_once)
        ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def intervals(found: Mapping[str, np.ndarray]) -> dict[str, Interval]:
    """Returns the 95 % interval of each metric; those that say nothing are left out.

    So is that of the calibration error: chance alone makes such a distance larger, in each draw
    more than in the test split, so that the draws lie beside the truth and not around it.
    """
    said = {name: _interval(values, _OUTSIDE) for name, values in found.items()}
    return {k: it for k, it in said.items() if it and k != "expected_calibration_error"}


def differences(candidate: Samples, blessed: Samples, looks: int = 1) -> dict[str, Interval]:
    """Returns the interval of candidate minus blessed, of two `samples` on the same draws.

    Args:
      candidate, blessed: from `samples`.
      looks: how many such comparisons are made. Of a hundred slices some look worse by chance: the
        intervals are widened until 95 % holds for all of them together (Bonferroni).
    """
    changes = {name: candidate[name] - blessed[name] for name in candidate if name in blessed}
    said = {name: _interval(values, _OUTSIDE / looks) for name, values in changes.items()}
    return {name: it for name, it in said.items() if it}


def _interval(values: np.ndarray, outside: float) -> Interval | None:
    there = values[~np.isnan(values)]
    if not len(there):
        return None
    low, high = np.percentile(there, (50 * outside, 100 - 50 * outside))
    return float(low), float(high)

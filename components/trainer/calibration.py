"""Scores that mean what they say: one temperature for all logits, fitted on held-out pictures."""

import numpy as np
from scipy import optimize, special

PRIOR = 1.0
"""Spread of the logarithm of the temperature that is expected before any picture is seen. It keeps
a small eval split without a mistake from claiming certainty."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Finds what the logits must be divided by.

    Args:
      logits: float [N, classes] of pictures that were not trained on; N may be 0.
      labels: class numbers, int [N].

    Returns:
      A temperature above 0: the most likely one, given the pictures and a log-normal prior about
      1. The order of the classes stays as it was. 1 without pictures.

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2; the prior is
    ours.
    """
    if not len(labels):
        return 1.0
    logits = logits.astype(np.float64)
    rows = np.arange(len(labels))

    def cost(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        misses = special.logsumexp(scaled, axis=1) - scaled[rows, labels]
        return float(misses.sum()) + 0.5 * (log_temperature / PRIOR) ** 2

    found = optimize.minimize_scalar(cost, bounds=(-4.0, 4.0), method="bounded")
    return float(np.exp(found.x))

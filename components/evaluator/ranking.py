"""Areas under the curves of one class against the rest, under many sets of weights at once.

scikit-learn has the same for one set of weights; a bootstrap would ask it ten thousand times.
"""

from typing import NamedTuple

import numpy as np


class Ranked(NamedTuple):
    """N images from the highest score down, those of equal score taken together: T steps.

    Attributes:
      positive, negative: [B, T] weights of the images with and without the label, up to each step.
    """

    positive: np.ndarray
    negative: np.ndarray


def ranked(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> Ranked:
    """Ranks images by score.

    Args:
      scores: [N] probabilities of the class.
      positive: [N] bool, whether the image has the label.
      weights: [B, N] float64, at least 0.
    """
    order = np.argsort(-scores, kind="stable")
    falls = np.flatnonzero(np.diff(scores[order], append=-np.inf))
    counted, has = weights[:, order], positive[order]
    return Ranked(
        np.cumsum(counted * has, axis=1)[:, falls], np.cumsum(counted * ~has, axis=1)[:, falls]
    )


def roc_auc(curve: Ranked) -> np.ndarray:
    """Returns [B] areas under the ROC curve, in [0, 1]; NaN where all images are of one kind.

    The chance that an image with the label scores higher than one without; equal scores count half.
    """
    positive, negative = curve
    higher = positive - np.diff(positive, axis=1, prepend=0.0) / 2
    pairs = positive[:, -1] * negative[:, -1]
    wins = (np.diff(negative, axis=1, prepend=0.0) * higher).sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def average_precision(curve: Ranked) -> np.ndarray:
    """Returns [B] sums of precision times gain in recall, in [0, 1]; NaN as for `roc_auc`."""
    positive, negative = curve
    seen = positive + negative
    precision = np.divide(positive, seen, out=np.zeros_like(seen), where=seen > 0)
    total = positive[:, -1]
    gains = (np.diff(positive, axis=1, prepend=0.0) * precision).sum(axis=1)
    both = (total > 0) & (negative[:, -1] > 0)
    return np.divide(gains, total, out=np.full(len(total), np.nan), where=both)

"""Metrics of a classifier with one label an image: plain functions of numpy arrays.

They are exact: ratios of whole counts in float64, so that a value which lies on its threshold
meets it. TFMA, which computes some of them in float32, writes its files beside (tfma_files.py).

Each image may count several times: the bootstrap (intervals.py) asks for the same metrics under a
thousand sets of weights at once.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from components.evaluator.ranking import average_precision, ranked, roc_auc

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "top_3_accuracy",
    "top_5_accuracy",
    "macro_f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "expected_calibration_error",
)
LOWER_IS_BETTER = frozenset({"log_loss", "expected_calibration_error"})

# A true label's probability below this counts as this, so that one sure mistake stays finite:
# scikit-learn's bound for probabilities in float32. (Keras, and so TFMA, has 1e-7.)
SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
# Of equal width, as in Guo et al. 2017 (arXiv 1706.04599), section 2.
CALIBRATION_BINS = 15


@dataclasses.dataclass(frozen=True)
class Judged:
    """What there is to count of N images, each looked at once.

    Attributes:
      labels: [N] integers, columns of `probabilities`.
      probabilities: [N, C] floats in [0, 1].
      predicted: [N] most probable classes; of equally probable ones, the first.
      rank: [N], how many classes are more probable than the label; 0 where it was found.
      loss: [N], -ln(probability of the label), in nats.
      confidence: [N], the largest probability.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    rank: np.ndarray
    loss: np.ndarray
    confidence: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, probabilities: np.ndarray) -> "Judged":
        """Looks at labels [N] and probabilities [N, C]."""
        of_label = probabilities[np.arange(len(labels)), labels]
        more = (probabilities > of_label[:, None]).sum(axis=1)
        # Of equally probable classes, the first counts as the more probable.
        before = np.arange(probabilities.shape[1]) < labels[:, None]
        more += ((probabilities == of_label[:, None]) & before).sum(axis=1)
        clipped = np.clip(of_label.astype(np.float64), SMALLEST_PROBABILITY, 1.0)
        return cls(
            labels,
            probabilities,
            probabilities.argmax(axis=1),
            more,
            -np.log(clipped),
            probabilities.max(axis=1).astype(np.float64),
        )

    def part(self, chosen: np.ndarray) -> "Judged":
        """The images at the chosen positions."""
        values = (getattr(self, field.name)[chosen] for field in dataclasses.fields(self))
        return Judged(*values)

    @property
    def classes(self) -> int:
        """C, how many there are."""
        return self.probabilities.shape[1]


def classification_metrics(judged: Judged) -> dict[str, float | None]:
    """Returns METRICS of the images, at least one; None where a metric says nothing of them.

    accuracy: share of images whose most probable class is their label, in [0, 1].
    balanced_accuracy: mean over the labels that occur of the share found of each, in [0, 1].
    top_3_accuracy, top_5_accuracy: share of images whose label is among the three, or five, most
      probable, in [0, 1].
    macro_f1: mean F1 of the classes that occur or are predicted, in [0, 1].
    roc_auc, pr_auc: of each class against the rest, the mean over the classes for which some images
      have the label and some have not; areas under the curves, the second as average precision
      (a sum of steps, not of trapezoids), in [0, 1].
    log_loss: mean of -ln(probability of the label), in nats, at least 0.
    expected_calibration_error: mean difference of confidence and accuracy over 15 equally wide
      bins of the largest probability (Guo et al. 2017), in [0, 1].
    """
    weights = np.ones((1, len(judged.labels)))
    values = {**weighted_metrics(judged, weights), **weighted_areas(judged, weights)}
    return {name: plain(values[name][0]) for name in METRICS}


def weighted_metrics(judged: Judged, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns METRICS but the two areas, each [B], under B sets of weights.

    Args:
      judged: N images.
      weights: [B, N] float64, how often each image counts; some image does in every row.
    """
    hits = (judged.rank == 0).astype(np.float64)
    total = weights.sum(axis=1)

    def mean(values: np.ndarray) -> np.ndarray:
        return weights @ values.astype(np.float64) / total

    # Of a part of the images, most of a thousand classes have none.
    classes, numbered = np.unique([judged.labels, judged.predicted], return_inverse=True)
    labels, guesses = numbered.reshape(2, -1)
    support, found, predicted = _counts(labels, guesses, len(classes), weights)
    bins = np.clip(np.ceil(judged.confidence * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1)
    gaps = _by(bins.astype(np.int64), CALIBRATION_BINS, weights * (judged.confidence - hits))
    return {
        "accuracy": mean(hits),
        "balanced_accuracy": _mean_of_ratios(found, support),
        "top_3_accuracy": mean(judged.rank < 3),
        "top_5_accuracy": mean(judged.rank < 5),
        "macro_f1": _mean_of_ratios(2 * found, support + predicted),
        "log_loss": mean(judged.loss),
        "expected_calibration_error": np.abs(gaps).sum(axis=1) / total,
    }


def weighted_areas(judged: Judged, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the two areas, each [B], under B sets of weights; NaN where no class has one."""
    of_classes = [class_areas(judged, weights, i) for i in np.unique(judged.labels)]
    names = ("roc_auc", "pr_auc")
    return {name: _mean([areas[name] for areas in of_classes]) for name in names}


def class_areas(judged: Judged, weights: np.ndarray, index: int) -> dict[str, np.ndarray]:
    """Returns `roc_auc` and `pr_auc` of one class against the rest, each [B]; NaN if undefined."""
    curve = ranked(judged.probabilities[:, index], judged.labels == index, weights)
    return {"roc_auc": roc_auc(curve), "pr_auc": average_precision(curve)}


def confusion_matrix(judged: Judged) -> np.ndarray:
    """Returns [C, C] int64: row i, column j counts images of label i taken for j."""
    classes = judged.classes
    flat = np.bincount(judged.labels * classes + judged.predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class_metrics(judged: Judged, names: list[str]) -> dict[str, dict[str, Any]]:
    """Returns precision, recall, f1, roc_auc, pr_auc in [0, 1] and support (images), by class name.

    A value with nothing to divide by is None: the precision of a class that was never predicted,
    the recall of one that no image has. The areas are of the class against the rest.
    """
    confusion, once = confusion_matrix(judged), np.ones((1, len(judged.labels)))
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)

    def ratio(part: int, whole: int) -> float | None:
        return float(part / whole) if whole else None

    return {
        name: {
            "precision": ratio(hits[i], predicted[i]),
            "recall": ratio(hits[i], support[i]),
            "f1": ratio(2 * hits[i], support[i] + predicted[i]),
            "support": int(support[i]),
            **{key: plain(area[0]) for key, area in class_areas(judged, once, i).items()},
        }
        for i, name in enumerate(names)
    }


def weighted_class_metrics(judged: Judged, weights: np.ndarray) -> Mapping[str, np.ndarray]:
    """Returns precision, recall and f1 of every class, each [B, C], NaN where undefined."""
    support, found, predicted = _counts(judged.labels, judged.predicted, judged.classes, weights)
    return {
        "precision": _ratio(found, predicted),
        "recall": _ratio(found, support),
        "f1": _ratio(2 * found, support + predicted),
    }


def plain(value: float) -> float | None:
    """A number as JSON has it; None for NaN."""
    return None if np.isnan(value) else float(value)


def _counts(
    labels: np.ndarray, guesses: np.ndarray, classes: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every class, each [B, classes]: images of that label, those found, those taken for it."""
    support = _by(labels, classes, weights)
    found = _by(labels, classes, weights * (labels == guesses))
    return support, found, _by(guesses, classes, weights)


def _by(which: np.ndarray, count: int, weights: np.ndarray) -> np.ndarray:
    """Adds up weights [B, N] by the N images' numbers; returns [B, count]."""
    images = len(which)
    columns = scipy.sparse.csr_matrix(
        (np.ones(images), (which, np.arange(images))), shape=(count, images)
    )
    return (columns @ weights.T).T


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _mean_of_ratios(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The mean over the last axis of the ratios that there are."""
    ratios, there = _ratio(part, whole), whole > 0
    return _ratio(np.where(there, ratios, 0.0).sum(axis=-1), there.sum(axis=-1))


def _mean(areas: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(areas, axis=-1)
    return _mean_of_ratios(np.nan_to_num(stacked), (~np.isnan(stacked)).astype(np.float64))

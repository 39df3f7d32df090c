"""Metrics of a classifier with one label an image: plain functions of numpy arrays.

They are exact: ratios of whole counts in float64, so that a value which lies on its threshold
meets it. TFMA, which computes the same in float32, writes its files beside (tfma_files.py).
"""

from typing import Any

import numpy as np

# A true label's probability below this counts as this, so that one sure mistake stays finite;
# Keras' and so TFMA's bound.
SMALLEST_PROBABILITY = 1e-7


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Returns how good the probabilities are for the labels.

    Args:
      labels: [N] integers, N > 0, columns of `probabilities`.
      probabilities: [N, C] floats in [0, 1].

    Returns:
      accuracy: share of images whose most probable class is their label, in [0, 1].
      balanced_accuracy: mean over the labels that occur of the share found of each, in [0, 1].
      top_3_accuracy: share of images whose label is among the three most probable, in [0, 1].
      log_loss: mean of -ln(probability of the label), in nats, at least 0.
      Of equally probable classes, the first counts as the more probable.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    hits = order[:, 0] == labels
    of_label = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    found = [hits[labels == label].mean() for label in np.unique(labels)]
    return {
        "accuracy": float(hits.mean()),
        "balanced_accuracy": float(np.mean(found)),
        "top_3_accuracy": float((order[:, :3] == labels[:, None]).any(axis=1).mean()),
        "log_loss": float(-np.log(np.clip(of_label, SMALLEST_PROBABILITY, 1.0)).mean()),
    }


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns [classes, classes] int64: row i, column j counts images of label i taken for j."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def per_class_metrics(confusion: np.ndarray, names: list[str]) -> dict[str, dict[str, Any]]:
    """Returns precision, recall and f1 in [0, 1] and support (images) of each class, by name.

    A ratio with nothing to divide by is None: the precision of a class that was never predicted,
    the recall of one that no image has.
    """
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)

    def ratio(part: int, whole: int) -> float | None:
        return float(part / whole) if whole else None

    return {
        name: {
            "precision": ratio(hits[i], predicted[i]),
            "recall": ratio(hits[i], support[i]),
            "f1": ratio(2 * hits[i], support[i] + predicted[i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(names)
    }

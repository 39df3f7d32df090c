"""What a model, and the blessed one, make of the same test images: everything by label name.

Class indices are each model's own, and the two may know different classes, so both are laid out
over one vocabulary before anything is counted.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.errors import EvaluationError, nearest
from components.evaluator.decision import Comparison
from components.evaluator.metrics import (
    classification_metrics,
    confusion_matrix,
    per_class_metrics,
)


@dataclasses.dataclass
class Rows:
    """The test images without their pixels, N of them, in the order of the examples.

    Attributes:
      ids, paths, labels, groups: what the Examples say, as text.
      columns: further columns of the manifest, by their name there; N values each.
    """

    ids: list[str] = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    groups: list[str] = dataclasses.field(default_factory=list)
    columns: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def add_column(self, name: str) -> None:
        """Adds a column that no image has a value in, unless it is there."""
        self.columns.setdefault(name, [""] * len(self.ids))

    def slice_values(self, name: str) -> list[str]:
        """Returns the N values by which to slice.

        Args:
          name: "label", or one of `columns`.

        Raises:
          EvaluationError: there is no such column; names the nearest.
        """
        if name == "label":
            return self.labels
        if name in self.columns:
            return self.columns[name]
        known = ["label", *self.columns]
        raise EvaluationError(
            f"evaluate.slices: the examples have no column {name!r}{nearest(name, known)}"
        )


@dataclasses.dataclass
class Scores:
    """What one model says of each of N images.

    Attributes:
      classes: C label names, in the order of the model's outputs.
      probabilities: [N, C] float32 in [0, 1].
    """

    classes: list[str]
    probabilities: np.ndarray

    @property
    def without_sense(self) -> int:
        """How many of the N images have a probability that is NaN or infinite."""
        return int((~np.isfinite(self.probabilities)).any(axis=1).sum())

    @property
    def predicted(self) -> list[str]:
        """The N most probable labels; of equally probable ones, the first."""
        return [self.classes[i] for i in self.probabilities.argmax(axis=1)]

    def over(self, vocabulary: Sequence[str]) -> np.ndarray:
        """Returns [N, len(vocabulary)] probabilities: 0 for classes that the model lacks.

        `vocabulary` must hold all of the model's classes.
        """
        position = {name: i for i, name in enumerate(vocabulary)}
        laid_out = np.zeros((len(self.probabilities), len(vocabulary)), np.float32)
        laid_out[:, [position[name] for name in self.classes]] = self.probabilities
        return laid_out


def vocabulary(rows: Rows, *models: Scores) -> list[str]:
    """Returns all labels that the images have or the models know, sorted."""
    return sorted({*rows.labels, *(name for model in models for name in model.classes)})


def evaluate(
    rows: Rows, candidate: Scores, baseline: Scores | None, slices: Sequence[str]
) -> tuple[dict[str, Any], Comparison | None]:
    """Computes everything that `metrics.json` holds.

    Args:
      rows: the test images, at least one.
      candidate: of the model that is to be judged.
      baseline: of the latest blessed model, or None where there is none; its probabilities finite.
      slices: "label" or names of columns.

    Returns:
      (metrics, comparison); the comparison is None where there is no baseline, and the metrics,
      see metrics.py for what each value is, hold
        overall: metrics over all images.
        classes: {label: {precision, recall, f1, support}}.
        slices: {slice: {value: {images, metrics…}}}.
        confusion: {labels, counts}: counts[i][j] images of labels[i] taken for labels[j].
        baseline: the blessed model's metrics, or None.
        comparison: {images, overall, new_classes}, or None: on how many images, those whose label
          the blessed model knows, `baseline` was computed, the candidate's metrics on just these,
          and the labels of the others.

    Raises:
      EvaluationError: there are no images, a slice names no column, or the candidate gives
        probabilities that are not finite: argmax would take each for the first class.
    """
    if not rows.labels:
        raise EvaluationError(
            "the test split holds no images; give it a larger share in data.split.test"
        )
    if candidate.without_sense:
        raise EvaluationError(
            f"the model gives {candidate.without_sense} of {len(rows.labels)} test images "
            "probabilities that are not finite (NaN or infinite): its training has diverged; "
            "lower learning_rate in train.phases"
        )
    names = vocabulary(rows, candidate)
    labels, probabilities = _indices(rows.labels, names), candidate.over(names)
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), len(names))
    comparison = _compare(rows, candidate, baseline) if baseline else None
    metrics = {
        "overall": classification_metrics(labels, probabilities),
        "classes": per_class_metrics(confusion, names),
        "slices": {
            name: _by_value(rows.slice_values(name), labels, probabilities) for name in slices
        },
        "confusion": {"labels": names, "counts": confusion.tolist()},
        "baseline": dict(comparison.blessed) if comparison and comparison.images else None,
        "comparison": comparison
        and {
            "images": comparison.images,
            "overall": dict(comparison.candidate),
            "new_classes": list(comparison.new_classes),
        },
    }
    return metrics, comparison


def _compare(rows: Rows, candidate: Scores, baseline: Scores) -> Comparison:
    known = np.isin(rows.labels, baseline.classes)
    new = tuple(sorted(set(rows.labels) - set(baseline.classes)))
    if not known.any():
        return Comparison({}, {}, 0, new)
    names = vocabulary(rows, candidate, baseline)
    labels = _indices(rows.labels, names)[known]
    ours, theirs = (
        classification_metrics(labels, model.over(names)[known]) for model in (candidate, baseline)
    )
    return Comparison(ours, theirs, int(known.sum()), new)


def _by_value(
    values: Sequence[str], labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, dict[str, Any]]:
    distinct, which = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
    return {
        str(value): {
            "images": int((which == i).sum()),
            **classification_metrics(labels[which == i], probabilities[which == i]),
        }
        for i, value in enumerate(distinct)
    }


def _indices(labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[label] for label in labels], dtype=np.int64)

"""What a model, and the blessed one, make of the same test images: everything by label name.

Class indices are each model's own, and the two may know different classes, so both are laid out
over one vocabulary before anything is counted.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from components.errors import EvaluationError, nearest
from components.evaluator.checks import Comparison
from components.evaluator.intervals import (
    DRAWS,
    FEWEST_GROUPS,
    Interval,
    differences,
    draw,
    intervals,
    samples,
    samples_of,
)
from components.evaluator.metrics import (
    Judged,
    classification_metrics,
    confusion_matrix,
    per_class_metrics,
    weighted_class_metrics,
)

PICTURE_SIZE = "picture_size"
"""The slice by the shorter side of a picture, in doublings from 64 pixels on."""


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

    def add_picture_sizes(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Adds the column PICTURE_SIZE, unless the manifest has one of that name.

        Args:
          sizes: width and height in pixels by id.
        """
        self.columns.setdefault(PICTURE_SIZE, [_size_class(*sizes[id_]) for id_ in self.ids])

    def add_column(self, name: str) -> None:
        """Adds a column that no image has a value in, unless it is there."""
        self.columns.setdefault(name, [""] * len(self.ids))

    def slice_values(self, name: str) -> list[str]:
        """Returns the N values by which to slice.

        Args:
          name: "label", PICTURE_SIZE, or one of `columns`.

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


@dataclasses.dataclass
class Evaluation:
    """What came of it.

    Attributes:
      metrics: everything that `metrics.json` holds; see `evaluate`.
      comparison: over the whole test split; None where there is no baseline.
      slices: {slice: {value: comparison}} for the slices that are compared.
    """

    metrics: dict[str, Any]
    comparison: Comparison | None
    slices: dict[str, dict[str, Comparison]]


def evaluate(
    rows: Rows,
    candidate: Scores,
    baseline: Scores | None,
    slices: Sequence[str],
    compared: Collection[str] = (),
    fewest: int = 1,
    seed: int = 0,
    draws: int = DRAWS,
) -> Evaluation:
    """Computes metrics, their intervals, and the comparison with the blessed model.

    Args:
      rows: the test images, at least one.
      candidate: of the model that is to be judged.
      baseline: of the latest blessed model, or None where there is none; its probabilities finite.
      slices: "label", PICTURE_SIZE, or names of columns.
      compared: those of `slices` in which the two models are compared, too.
      fewest: groups of images that a slice's value needs to be given intervals and to be compared.
      seed: of the bootstrap.
      draws: of the bootstrap.

    Returns:
      The evaluation; its `metrics`, see metrics.py for what each value is, hold
        overall: metrics over all images.
        classes: {label: {precision, recall, f1, support, roc_auc, pr_auc}}.
        slices: {slice: {value: {images, groups, metrics…}}}.
        intervals: {overall: {metric: [low, high]}, classes: {label: {precision…: [low, high]}},
          slices: {slice: {value: {metric: [low, high]}}}}: 95 % bootstrap intervals.
        confusion: {labels, counts}: counts[i][j] images of labels[i] taken for labels[j].
        baseline: the blessed model's metrics, or None.
        comparison: {images, overall, differences, new_classes, lost_classes}, or None: on how many
          images, those whose label the blessed model knows, `baseline` was computed, the
          candidate's metrics on just these, the interval of candidate minus baseline, and the
          classes that only the candidate, or only the baseline, knows.

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
    judged = Judged.of(_indices(rows.labels, names), candidate.over(names))
    drawn = draw(rows.groups, seed, draws)
    groups = np.unique(np.asarray(rows.groups, dtype=str), return_inverse=True)[1]
    parts = {name: _parts(rows.slice_values(name)) for name in slices}
    pair = _Pair.of(rows, candidate, baseline) if baseline else None
    everything = np.arange(len(rows.labels))
    comparison = pair.compare(drawn, everything, groups, FEWEST_GROUPS) if pair else None
    enough = _count(groups, everything) >= FEWEST_GROUPS
    metrics = {
        "overall": classification_metrics(judged),
        "classes": per_class_metrics(judged, names),
        "slices": {
            name: {
                value: {
                    "images": len(part),
                    "groups": _count(groups, part),
                    **classification_metrics(judged.part(part)),
                }
                for value, part in of_value.items()
            }
            for name, of_value in parts.items()
        },
        "intervals": {
            "overall": intervals(samples(judged, drawn)) if enough else {},
            "classes": _class_intervals(judged, drawn, names) if enough else {},
            "slices": {
                name: {
                    value: intervals(samples(judged.part(part), drawn[:, part]))
                    for value, part in of_value.items()
                    if _count(groups, part) >= max(fewest, FEWEST_GROUPS)
                }
                for name, of_value in parts.items()
            },
        },
        "confusion": {"labels": names, "counts": confusion_matrix(judged).tolist()},
        "baseline": dict(comparison.blessed) if comparison and comparison.images else None,
        "comparison": comparison
        and {
            "images": comparison.images,
            "overall": dict(comparison.candidate),
            "differences": dict(comparison.differences),
            "new_classes": list(comparison.new_classes),
            "lost_classes": list(comparison.lost_classes),
        },
    }
    by_slice = {
        name: {
            value: pair.compare(drawn, part, groups, max(fewest, FEWEST_GROUPS), len(parts[name]))
            for value, part in parts[name].items()
            if _count(groups, part) >= fewest
        }
        for name in compared
        if pair
    }
    return Evaluation(metrics, comparison, by_slice)


@dataclasses.dataclass
class _Pair:
    """Candidate and baseline on the K images whose label the baseline knows.

    Attributes:
      known: [N] positions among the K, or -1.
      new, lost: classes that only the candidate, or only the baseline, knows.
      ours, theirs: of the K.
    """

    known: np.ndarray
    new: tuple[str, ...]
    lost: tuple[str, ...]
    ours: Judged | None
    theirs: Judged | None

    @classmethod
    def of(cls, rows: Rows, candidate: Scores, baseline: Scores) -> "_Pair":
        there = np.isin(rows.labels, baseline.classes)
        known = np.where(there, np.cumsum(there) - 1, -1)
        new = tuple(sorted({*candidate.classes, *rows.labels} - {*baseline.classes}))
        lost = tuple(sorted({*baseline.classes} - {*candidate.classes}))
        if not there.any():
            return cls(known, new, lost, None, None)
        names = vocabulary(rows, candidate, baseline)
        indices = _indices(rows.labels, names)[there]
        ours, theirs = (
            Judged.of(indices, model.over(names)[there]) for model in (candidate, baseline)
        )
        return cls(known, new, lost, ours, theirs)

    def compare(
        self, drawn: np.ndarray, part: np.ndarray, groups: np.ndarray, fewest: int, looks: int = 1
    ) -> Comparison:
        """Compares the two on a part of the images.

        Args:
          drawn: from `draw`.
          part: positions of the images.
          groups: [N], each image's.
          fewest: groups that are needed to say anything of a difference.
          looks: see `differences`.
        """
        both = part[self.known[part] >= 0]
        if self.ours is None or self.theirs is None or not len(both):
            return Comparison({}, {}, 0, self.new, self.lost)
        ours, theirs = (judged.part(self.known[both]) for judged in (self.ours, self.theirs))
        enough = _count(groups, both) >= fewest
        return Comparison(
            _numbers(classification_metrics(ours)),
            _numbers(classification_metrics(theirs)),
            len(both),
            self.new,
            self.lost,
            differences(samples(ours, drawn[:, both]), samples(theirs, drawn[:, both]), looks)
            if enough
            else {},
            enough,
        )


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if value is not None}


def _parts(values: Sequence[str]) -> dict[str, np.ndarray]:
    """The positions of each value's images, in order; the values sorted."""
    distinct, which, counts = np.unique(
        np.asarray(values, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    positions = np.split(np.argsort(which, kind="stable"), np.cumsum(counts)[:-1])
    return dict(zip(map(str, distinct), positions, strict=True))


def _count(groups: np.ndarray, part: np.ndarray) -> int:
    """How many groups the images of a part belong to."""
    return len(np.unique(groups[part]))


def _class_intervals(
    judged: Judged, drawn: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, Interval]]:
    found = samples_of(weighted_class_metrics, judged, drawn)
    return {
        name: intervals({metric: values[:, i] for metric, values in found.items()})
        for i, name in enumerate(names)
    }


def _size_class(width: int, height: int) -> str:
    """The shorter side's doubling in pixels, such as "0064 to 0127", so that text sorts as size."""
    low = 2 ** (min(width, height).bit_length() - 1)
    if low < 64:
        return "0000 to 0063"
    return "2048 and up" if low >= 2048 else f"{low:04} to {2 * low - 1:04}"


def _indices(labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
    position = {name: i for i, name in enumerate(names)}
    return np.array([position[label] for label in labels], dtype=np.int64)

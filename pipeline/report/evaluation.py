"""What the evaluation of a run found, as plain tables for the report.

Each is made of the metrics that `read_metrics` gives, and is None or empty where the run, failed or
not yet so far, has none of it.
"""

import math
from typing import Any

from pipeline.lineage import Run

MOST_PAIRS = 40
MOST_ROWS = 100  # of tables with one row a class or slice
LARGEST_MATRIX = 30  # classes; above it, the most confused pairs say more


def read_metrics(run: Run) -> dict[str, Any]:
    """All that the Evaluator measured, as it wrote it down; empty where it did not."""
    artifact = run.output("Evaluator", "evaluation")
    return (artifact.json("metrics.json") if artifact else None) or {}


def figures(metrics: dict[str, Any], summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Metrics of the whole test split, the blessed baseline's beside them.

    Without the Evaluator's own they are the summary's. `change` is taken over the pictures whose
    label the baseline knows: only there can it be right.
    """
    baseline = metrics.get("baseline") or {}
    ours = metrics.get("overall") or summary.get("metrics") or {}
    same = (metrics.get("comparison") or {}).get("overall") or ours
    intervals = (metrics.get("intervals") or {}).get("overall") or {}
    idle = _idle(metrics)
    rows = []
    for name, value in ours.items():
        if isinstance(value, (int, float)) and name not in idle:
            theirs = baseline.get(name)
            comparable = isinstance(theirs, (int, float)) and isinstance(
                same.get(name), (int, float)
            )
            change = same[name] - theirs if comparable else None
            rows.append(
                {
                    "name": name,
                    "value": value,
                    "interval": intervals.get(name),
                    "baseline": theirs,
                    "change": change,
                }
            )
    return rows


def robustness(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Accuracy on damaged pictures: {images, clean, rows [(corruption, [of severity 1, … 5])]}."""
    said = metrics.get("robustness")
    if not said:
        return None
    rows = [
        (name, [of_one["accuracy"] for of_one in of_severity])
        for name, of_severity in said["corruptions"].items()
    ]
    return {"images": said["images"], "clean": said["clean"]["accuracy"], "rows": rows}


def unknown(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Labels that the baseline does not know, and how many pictures are left to compare it on."""
    said = metrics.get("comparison") or {}
    labels = said.get("new_classes") or []
    return {"labels": labels, "images": said.get("images")} if labels else None


def right(metrics: dict[str, Any]) -> tuple[float, float] | None:
    """How many test pictures were named rightly, and of how many."""
    counts = confusion(metrics)[1]
    return (sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))) if counts else None


def confusion(metrics: dict[str, Any]) -> tuple[list[str], list[list[float]]]:
    """Labels and counts, counts[i][j] of label i taken for label j; empty where there are none."""
    said = metrics.get("confusion") or {}
    return [str(label) for label in said.get("labels", [])], said.get("counts", [])


def matrix(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """The confusion matrix: each cell with its count and how dark it is, 0 to 1."""
    labels, counts = confusion(metrics)
    if not labels or len(labels) > LARGEST_MATRIX:
        return None
    rows = []
    for i, row in enumerate(counts):
        total = sum(row) or 1
        # Errors are few: the root lets 2 % be seen beside 98 %.
        cells = [
            (n, 0.6 * n / total if i == j else math.sqrt(n / total)) for j, n in enumerate(row)
        ]
        rows.append({"label": labels[i], "total": sum(row), "cells": cells})
    return {"labels": labels, "rows": rows, "narrow": max(map(len, labels)) <= 3}


def pairs(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """The most confused pairs of labels, where a matrix would be too large."""
    labels, counts = confusion(metrics)
    if len(labels) <= LARGEST_MATRIX:
        return None
    pairs: list[dict[str, Any]] = [
        {"label": labels[i], "taken": labels[j], "count": n, "share": n / sum(row)}
        for i, row in enumerate(counts)
        for j, n in enumerate(row)
        if n and i != j
    ]
    pairs.sort(key=lambda p: (-p["count"], -p["share"]))
    return {"classes": len(labels), "total": len(pairs), "rows": pairs[:MOST_PAIRS]}


def classes(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """Recall, precision, and F1 with its interval, of each class, hardest first."""
    labels, counts = confusion(metrics)
    predicted = [sum(column) for column in zip(*counts, strict=True)]
    said = (metrics.get("intervals") or {}).get("classes") or {}
    rows: list[dict[str, Any]] = []
    for i, (label, row) in enumerate(zip(labels, counts, strict=True)):
        wrong = [0 if i == j else n for j, n in enumerate(row)]
        most = max(wrong)
        rows.append(
            {
                "label": label,
                "total": sum(row),
                "recall": row[i] / sum(row) if sum(row) else None,
                "precision": row[i] / predicted[i] if predicted[i] else None,
                "f1": 2 * row[i] / (sum(row) + predicted[i]) if sum(row) + predicted[i] else None,
                "interval": (said.get(label) or {}).get("f1"),
                "taken": labels[wrong.index(most)] if most else None,
                "times": most,
            }
        )
    rows.sort(key=lambda r: (r["f1"] is None, r["f1"]))
    return {"total": len(rows), "rows": rows[:MOST_ROWS]} if rows else None


def slices(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Metrics by slice, each with its interval; those by label are in the table of classes."""
    intervals = (metrics.get("intervals") or {}).get("slices") or {}
    idle, tables = _idle(metrics), []
    for name, values in (metrics.get("slices") or {}).items():
        if name == "label" and metrics.get("confusion"):
            continue
        columns = list(dict.fromkeys(metric for row in values.values() for metric in row))
        columns = [metric for metric in columns if metric not in idle][:12]
        ends = intervals.get(name) or {}
        rows = [
            (value or "(none)", [(row.get(m), (ends.get(value) or {}).get(m)) for m in columns])
            for value, row in values.items()
        ]
        tables.append(
            {"name": name, "metrics": columns, "total": len(rows), "rows": rows[:MOST_ROWS]}
        )
    return tables


def _idle(metrics: dict[str, Any]) -> set[str]:
    """Metrics that say nothing: among the first three of two classes is any of them."""
    classes = len((metrics.get("confusion") or {}).get("labels") or ())
    top = {"top_3_accuracy": 3, "top_5_accuracy": 5}
    return {name for name, first in top.items() if 0 < classes <= first}

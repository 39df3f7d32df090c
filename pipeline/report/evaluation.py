"""What the evaluation of a run found, as plain tables for the report.

Every function takes the run and its summary, and gives None or nothing where the run, failed or
not yet so far, has no evaluation.
"""

import collections
import logging
import math
from typing import Any

from components.files import exists, on_disk
from pipeline.lineage import Run
from pipeline.report import pictures, plots

MOST_MISTAKES = 24
MOST_IN_CELL = 12
MOST_IN_CELLS = 240
"""Thumbnails behind the cells of the confusion matrix, some 3 kB each."""
MOST_PAIRS = 40
MOST_ROWS = 100  # of tables with one row a class or slice
LARGEST_MATRIX = 30  # classes; above it, the most confused pairs say more


def figures(run: Run, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Metrics of the whole test split, the blessed baseline's beside them.

    `change` is taken over the pictures whose label the baseline knows: only there can it be right.
    """
    said = _metrics(run)
    baseline = said.get("baseline") or {}
    ours = said.get("overall") or summary.get("metrics") or {}
    same = (said.get("comparison") or {}).get("overall") or ours
    rows = []
    for name, value in ours.items():
        if isinstance(value, (int, float)):
            interval = ((said.get("intervals") or {}).get("overall") or {}).get(name)
            theirs = baseline.get(name)
            comparable = isinstance(theirs, (int, float)) and isinstance(
                same.get(name), (int, float)
            )
            change = same[name] - theirs if comparable else None
            rows.append(
                {
                    "name": name,
                    "value": value,
                    "interval": interval,
                    "baseline": theirs,
                    "change": change,
                }
            )
    return rows


def robustness(run: Run) -> dict[str, Any] | None:
    """Accuracy on damaged pictures: {images, clean, rows [(corruption, [of severity 1, … 5])]}."""
    said = _metrics(run).get("robustness")
    if not said:
        return None
    rows = [
        (name, [of_one["accuracy"] for of_one in of_severity])
        for name, of_severity in said["corruptions"].items()
    ]
    return {"images": said["images"], "clean": said["clean"]["accuracy"], "rows": rows}


def unknown(run: Run) -> dict[str, Any] | None:
    """Labels that the baseline does not know, and how many pictures are left to compare it on."""
    said = _metrics(run).get("comparison") or {}
    labels = said.get("new_classes") or []
    return {"labels": labels, "images": said.get("images")} if labels else None


def right(run: Run) -> tuple[float, float] | None:
    """How many test pictures were named rightly, and of how many."""
    counts = confusion(run)[1]
    return (sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))) if counts else None


def confusion(run: Run) -> tuple[list[str], list[list[float]]]:
    """Labels and counts, counts[i][j] of label i taken for label j; empty where there are none."""
    said = _metrics(run).get("confusion") or {}
    return [str(label) for label in said.get("labels", [])], said.get("counts", [])


def matrix(run: Run) -> dict[str, Any] | None:
    """The confusion matrix: each cell with its count and how dark it is, 0 to 1."""
    labels, counts = confusion(run)
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


def pairs(run: Run) -> dict[str, Any] | None:
    """The most confused pairs of labels, where a matrix would be too large."""
    labels, counts = confusion(run)
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


def classes(run: Run) -> dict[str, Any] | None:
    """Recall, precision, and F1 with its interval, of each class, hardest first."""
    labels, counts = confusion(run)
    predicted = [sum(column) for column in zip(*counts, strict=True)]
    said = (_metrics(run).get("intervals") or {}).get("classes") or {}
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


def slices(run: Run) -> list[dict[str, Any]]:
    """Metrics by slice, each with its interval; those by label are in the table of classes."""
    said = _metrics(run)
    tables = []
    for name, values in (said.get("slices") or {}).items():
        if name == "label" and said.get("confusion"):
            continue
        metrics = list(dict.fromkeys(metric for row in values.values() for metric in row))[:12]
        ends = ((said.get("intervals") or {}).get("slices") or {}).get(name) or {}
        rows = [
            (value or "(none)", [(row.get(m), (ends.get(value) or {}).get(m)) for m in metrics])
            for value, row in values.items()
        ]
        tables.append(
            {"name": name, "metrics": metrics, "total": len(rows), "rows": rows[:MOST_ROWS]}
        )
    return tables


def galleries(run: Run) -> dict[str, Any] | None:
    """Test pictures to be looked at, and the calibration plot, from the predictions.

    Returns:
      {total (wrong), of (all), mistakes, cells, calibration}. `mistakes` are the wrong predictions
      that the model was surest of; `cells` has, by (label, predicted), {id, label, predicted,
      total, rows}: of a wrong cell the surest, of a right one those that the model was least sure
      of. A row is {id, path, label, predicted, score, picture}. None without predictions.
    """
    artifact = run.output("Evaluator", "predictions")
    if artifact is None or not exists(artifact.path("predictions.parquet")):
        return None
    rows = read_predictions(artifact.path("predictions.parquet"))
    wrong = [row for row in rows if row["label"] != row["predicted"]]
    wrong.sort(key=lambda row: -row["score"])
    mistakes, cells = wrong[:MOST_MISTAKES], _cells(rows)
    shown = [*mistakes, *(row for cell in cells.values() for row in cell["rows"])]
    examples = run.output("ImageExampleGen", "examples")
    folder = examples.path("Split-test") if examples else "missing"
    try:
        images = pictures.find_images(folder, [row["id"] for row in shown])
    except Exception:  # the names still say something without the pictures
        logging.getLogger(__name__).warning("report: %s is damaged", folder, exc_info=True)
        images = {}
    for cell in cells.values():
        cell["rows"] = [
            {**row, "picture": pictures.thumbnail(images.get(row["id"], b""), side=96)}
            for row in cell["rows"]
        ]
    return {
        "total": len(wrong),
        "of": len(rows),
        "mistakes": [
            {**row, "picture": pictures.thumbnail(images.get(row["id"], b""))} for row in mistakes
        ],
        "cells": cells,
        "calibration": plots.calibration(
            [row["score"] for row in rows], [row["label"] == row["predicted"] for row in rows]
        ),
    }


def read_predictions(path: str) -> list[dict[str, Any]]:
    """What the model said of each test picture: [{id, path, label, predicted, score}]."""
    import pyarrow.parquet as pq  # half a second, and a failed run has no use for it

    # read_table would load pandas for nothing.
    with on_disk(path) as file:
        columns = ["id", "path", "label", "predicted", "score"]
        return pq.ParquetFile(file).read(columns=columns).to_pylist()


def _cells(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Of each cell of the confusion matrix the pictures that say most, in turns until all have
    theirs or there are MOST_IN_CELLS; wrong cells first."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        cells.setdefault((row["label"], row["predicted"]), []).append(row)
    if len({label for label, _ in cells}) > LARGEST_MATRIX:
        cells = {key: found for key, found in cells.items() if key[0] != key[1]}
    order = sorted(cells, key=lambda key: (key[0] == key[1], -len(cells[key])))
    for label, predicted in order:
        surest_first = label != predicted
        cells[label, predicted].sort(
            key=lambda row: -row["score"] if surest_first else row["score"]
        )
    turns = [
        (turn, place)
        for turn in range(MOST_IN_CELL)
        for place, key in enumerate(order)
        if turn < len(cells[key])
    ]
    taken = collections.Counter(place for _, place in turns[:MOST_IN_CELLS])
    return {
        key: {
            "id": f"cell-{place}",
            "label": key[0],
            "predicted": key[1],
            "total": len(cells[key]),
            "rows": cells[key][: taken[place]],
        }
        for place, key in enumerate(order)
        if taken[place]
    }


def _metrics(run: Run) -> dict[str, Any]:
    artifact = run.output("Evaluator", "evaluation")
    return (artifact.json("metrics.json") if artifact else None) or {}

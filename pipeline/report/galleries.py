"""Test pictures to look at, for the report: mistakes, and each cell of the confusion matrix."""

import collections
import logging
from typing import Any

from components.files import exists, on_disk
from pipeline.lineage import Run
from pipeline.report import pictures, plots
from pipeline.report.evaluation import LARGEST_MATRIX

MOST_MISTAKES = 24
MOST_IN_CELL = 12
MOST_IN_CELLS = 240
"""Thumbnails behind the cells of the confusion matrix, some 3 kB each."""


def galleries(run: Run) -> dict[str, Any] | None:
    """Test pictures to be looked at, and the calibration plot, from the predictions.

    Returns:
      {total (wrong), of (all), mistakes, cells, calibration}. `mistakes` are the wrong predictions
      that the model was surest of; `cells` has, by (label, predicted), {id, label, predicted,
      total, rows}: of a wrong cell the surest, of a right one those that the model was least sure
      of. A row is {id, path, label, predicted, score, picture}. None without predictions.
    """
    rows = read_predictions(run)
    if rows is None:
        return None
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


def read_predictions(run: Run) -> list[dict[str, Any]] | None:
    """What the model said of each test picture: [{id, path, label, predicted, score}]; None where
    the run has no predictions."""
    artifact = run.output("Evaluator", "predictions")
    path = artifact.path("predictions.parquet") if artifact else ""
    if not path or not exists(path):
        return None
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

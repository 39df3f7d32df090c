"""How the training went, for the report: curves, the time that a step took, what was fed."""

import math
import statistics
from typing import Any

from pipeline.lineage import Run
from pipeline.report import pictures, plots

MOST_ROWS = 100  # of the table with one row an epoch
INPUT_BOUND = 0.3
"""The share of a step spent waiting for pictures from which on more of them would be quicker."""

_CURVES = {
    "loss": {"loss": "train", "eval_loss": "eval"},
    "accuracy": {"accuracy": "train", "eval_accuracy": "eval"},
    "auxiliary loss": {"auxiliary_loss": "train"},
    "learning rate": {"learning_rate": "at the end of the epoch"},
}


def read_history(run: Run) -> list[dict[str, Any]]:
    """What the Trainer wrote down of each epoch, of all phases in order; empty where it did not."""
    artifact = run.output("Trainer", "model_run")
    return (artifact.json("history.json") if artifact else None) or []


def training(run: Run) -> dict[str, Any] | None:
    """Curves over the epochs, the epochs as a table, and how fast each phase was."""
    history = read_history(run)
    if not history:
        return None
    phases = _phases(history)
    drawn = [
        plots.curves(
            {name: [epoch.get(key) for epoch in history] for key, name in series.items()},
            title,
            [(begins, str(part[0].get("train", ""))) for begins, part in phases],
            log=title == "learning rate",
        )
        for title, series in _CURVES.items()
    ]
    return {
        "plots": [plot for plot in drawn if plot],
        "epochs": list(enumerate(history, 1))[-MOST_ROWS:],
        "total": len(history),
        "pace": [_pace(part) for _, part in phases],
    }


def sheet(run: Run) -> dict[str, Any] | None:
    """The contact sheet of what the network was shown, and in words what made each view.

    Returns:
      {uri, width, height, plain (nothing is augmented), rows [{label, path, drawn: a list of
      sentences a view}]}.
    """
    artifact = run.output("ImageTransform", "preprocessing")
    embedded = pictures.embed(artifact.path("contact_sheet.png")) if artifact else None
    if artifact is None or embedded is None:
        return None
    rows = artifact.json("contact_sheet.json") or []
    return {
        **embedded,
        "plain": (run.config.get("transform") or {}).get("augment") in ("none", []),
        "rows": [row for row in rows if any(row.get("drawn") or ())],
    }


def _phases(history: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
    """The epochs of each phase, with the number of the first of them, from 0."""
    found: list[tuple[int, list[dict[str, Any]]]] = []
    for i, epoch in enumerate(history):
        if not found or epoch.get("phase") != found[-1][1][-1].get("phase"):
            found.append((i, []))
        found[-1][1].append(epoch)
    return found


def _pace(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """How fast a phase was, in the middle of its epochs, without the first: that compiles.

    Returns:
      {train, epochs, seconds (of a step), images (a second), waiting (share of a step spent
      waiting for pictures, None where unknown), bound ("input", "compute" or None)}.
    """
    usual = epochs[1:] or epochs
    steps = [_seconds(epoch) / epoch["steps"] for epoch in usual if epoch.get("steps")]
    seconds = statistics.median(steps) if steps else math.nan
    known = [epoch for epoch in usual if "input_seconds" in epoch and _seconds(epoch) > 0]
    waiting = None
    if known:
        waiting = statistics.median(epoch["input_seconds"] / _seconds(epoch) for epoch in known)
    images = statistics.median(
        epoch.get("images", 0) / (epoch.get("steps") or 1) for epoch in usual
    )
    return {
        "train": epochs[0].get("train"),
        "epochs": len(epochs),
        "seconds": seconds,
        "images": images / seconds if images and seconds > 0 else None,
        "waiting": waiting,
        "bound": None if waiting is None else "input" if waiting >= INPUT_BOUND else "compute",
    }


def _seconds(epoch: dict[str, Any]) -> float:
    """Of an epoch, but for its evaluation."""
    return epoch.get("seconds", math.nan) - epoch.get("eval_seconds", 0.0)

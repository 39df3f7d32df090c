"""Several runs side by side: one HTML file that needs nothing else."""

import dataclasses
import heapq
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.registry_pusher.registry import flat_config
from pipeline.lineage import Run
from pipeline.report import evaluation, galleries, pictures, plots, texts, trace, training
from pipeline.report.write import write_whole
from pipeline.summary import summarize

MOST_RUNS = 6
MOST_CHANGED = 12  # pictures that are shown of each way to change sides

_CURVES = {
    "eval loss": "eval_loss",
    "eval accuracy": "eval_accuracy",
    "loss": "loss",
    "auxiliary loss": "auxiliary_loss",
}
_FACTS = ("Module handle", "Module hash", "Data fingerprint", "Span", "Model content hash")


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the runs that are compared.

    Attributes:
      name: what it is called in plots and tables: a letter.
      run: as the metadata store has it.
      summary: what `summarize` says of it.
      figures: metrics by name, each {value, interval, …}.
    """

    name: str
    run: Run
    summary: dict[str, Any]
    figures: dict[str, dict[str, Any]]


def write_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Writes a page on what differs between runs, and what came of it.

    Args:
      runs: two to MOST_RUNS, the first of them what the others are held against.
      path: of the page; its folder is made where it is missing.

    Returns:
      The path.

    Raises:
      OSError: it cannot be written.
    """
    sides = []
    for number, run in enumerate(runs):
        summary = summarize(run, "", sum(node.seconds for node in run.nodes))
        metrics = evaluation.read_metrics(run)
        figures = {row["name"]: row for row in evaluation.figures(metrics, summary)}
        sides.append(Side("ABCDEF"[number], run, summary, figures))
    first, *others = sides
    ours = _predictions(first.run)
    view = {
        "sides": sides,
        "config": _differences([flat_config(side.run.config) for side in sides]),
        "facts": _differences([_facts(side.run) for side in sides]),
        "metrics": list(dict.fromkeys(name for side in sides for name in side.figures)),
        "ranges": _ranges(sides),
        "curves": _curves(sides),
        "changed": [_changed(first, other, ours) for other in others],
    }
    html = texts.environment().get_template("compare.html.j2").render(view)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, html)
    return path


def _differences(values: Sequence[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """What is not the same in all: [(key, [its value in each, None where it has none])]."""
    keys = dict.fromkeys(itertools.chain(*values))
    rows = [(key, [of_one.get(key) for of_one in values]) for key in keys]
    return [(key, row) for key, row in rows if any(value != row[0] for value in row)]


def _facts(run: Run) -> dict[str, Any]:
    known = trace.lineage(run)
    versions = {name: version for name, version in run.versions.items() if name != "git"}
    return {
        **{name: known[name] for name in _FACTS},
        "Commit": run.versions.get("git"),
        **versions,
    }


def _ranges(sides: Sequence[Side]) -> list[plots.Plot]:
    drawn = []
    for name in ("accuracy", "balanced_accuracy", "log_loss"):
        values = {
            side.name: (side.figures[name]["value"], side.figures[name]["interval"])
            for side in sides
            if name in side.figures
        }
        drawn.append(plots.ranges(values, name.replace("_", " ")))
    return [plot for plot in drawn if plot]


def _curves(sides: Sequence[Side]) -> list[plots.Plot]:
    histories = {side.name: training.read_history(side.run) for side in sides}
    drawn = [
        plots.curves(
            {name: [epoch.get(key) for epoch in history] for name, history in histories.items()},
            title,
        )
        for title, key in _CURVES.items()
    ]
    return [plot for plot in drawn if plot]


def _changed(first: Side, other: Side, ours: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Test pictures of both runs that one of them named rightly and the other did not.

    Args:
      first: what the other one is held against.
      other: a later side.
      ours: the first one's predictions, by the picture's id.

    Returns:
      {other, both (pictures that both have), ways [{title, total, rows}]}; a row is a test picture
      {path, label, first, other (what each said), picture}. None where one has no predictions.
    """
    theirs = _predictions(other.run) if ours else {}
    if not theirs:
        return None
    both = [id for id in ours if id in theirs and ours[id]["label"] == theirs[id]["label"]]
    ways: list[dict[str, Any]] = []
    for title, better, worse in (
        (f"{other.name} is right where {first.name} was wrong", theirs, ours),
        (f"{other.name} is wrong where {first.name} was right", ours, theirs),
    ):
        ids = [id for id in both if _right(better[id]) and not _right(worse[id])]
        surest = heapq.nlargest(MOST_CHANGED, ids, key=lambda id: worse[id]["score"])
        ways.append({"title": title, "total": len(ids), "ids": surest})
    images = _images(other.run, [id for way in ways for id in way["ids"]])
    for way in ways:
        way["rows"] = [
            {
                "path": ours[id]["path"],
                "label": ours[id]["label"],
                "first": ours[id]["predicted"],
                "other": theirs[id]["predicted"],
                "picture": pictures.thumbnail(images.get(id, b"")),
            }
            for id in way.pop("ids")
        ]
    return {"other": other, "both": len(both), "ways": ways}


def _predictions(run: Run) -> dict[str, dict[str, Any]]:
    """What a run said of each test picture, by the picture's id."""
    return {row["id"]: row for row in galleries.read_predictions(run) or []}


def _right(row: dict[str, Any]) -> bool:
    return row["label"] == row["predicted"]


def _images(run: Run, ids: list[str]) -> dict[str, bytes]:
    examples = run.output("ImageExampleGen", "examples")
    return pictures.find_images(examples.path("Split-test"), ids) if examples else {}

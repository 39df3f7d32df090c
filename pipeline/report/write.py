"""The report of a run: one HTML file that needs nothing else, written for good runs and bad.

Each part is a function of the run that gives plain values to the template, or None where the run
has nothing for it. All texts that come from data are hostile until the template has escaped them.
"""

import json
import logging
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipeline.lineage import Run
from pipeline.report import data, evaluation, texts, trace, training
from pipeline.summary import MARKS


def write_report(
    run: Run, summary: dict[str, Any], folder: Path, earlier: Run | None = None
) -> Path:
    """Writes <folder>/index.html, and beside it config.yaml, from which the run can be repeated.

    What a run lacks is left out; what cannot be read is named in the report, and is no error.

    Args:
      run: as the metadata store has it.
      summary: what `pipeline.summary.summarize` says of it.
      folder: made where it is missing, such as RUNS/<name>/reports/<run id>.
      earlier: the last run before it that took other pictures, where there is one.

    Returns:
      The path of index.html, a file below 5 MB.

    Raises:
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    view: dict[str, Any] = {"run": run, "summary": summary, "unreadable": {}, "earlier": earlier}
    view["marks"] = MARKS
    view["config"] = _yaml(run.config)
    view["command"] = _command(folder)
    view["facts"] = []
    for name, gather in _PARTS.items():
        try:
            view[name] = gather(view)
        except Exception as e:  # a bad run leaves files in any state, and is when one reads reports
            logging.getLogger(__name__).warning("report: no %s", name, exc_info=True)
            view[name], view["unreadable"][name] = None, f"{type(e).__name__}: {e}"
    html = texts.environment().get_template("report.html.j2").render(view)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.yaml", view["config"])
    write_whole(folder / "index.html", html)
    return folder / "index.html"


def write_whole(path: Path, text: str) -> None:
    """Writes it whole or not at all; half a surrogate, as odd file names have, stays readable."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    os.replace(partial, path)


def _yaml(config: dict[str, Any]) -> str:
    plain = json.loads(json.dumps(config, default=str))
    return yaml.safe_dump(
        plain, sort_keys=False, allow_unicode=True, default_flow_style=None, width=96
    )


def _command(folder: Path) -> str:
    """The command that runs the same configuration again, into the same RUNS where it is known."""
    words = ["make", "run-local", f"CONFIG={folder / 'config.yaml'}"]
    if folder.parent.name == "reports" and len(folder.parents) > 2:
        words.append(f"RUNS={folder.parents[2]}")
    return shlex.join(words)


# In this order: a part may use those before it.
_PARTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "figures": lambda view: evaluation.figures(view["run"], view["summary"]),
    "unknown": lambda view: evaluation.unknown(view["run"]),
    "right": lambda view: evaluation.right(view["run"]),
    "matrix": lambda view: evaluation.matrix(view["run"]),
    "pairs": lambda view: evaluation.pairs(view["run"]),
    "classes": lambda view: evaluation.classes(view["run"]),
    "slices": lambda view: evaluation.slices(view["run"]),
    "robustness": lambda view: evaluation.robustness(view["run"]),
    "galleries": lambda view: evaluation.galleries(view["run"]),
    "training": lambda view: training.training(view["run"]),
    "sheet": lambda view: training.sheet(view["run"]),
    "facts": lambda view: data.read_facts(view["run"]),
    "images": lambda view: data.counts(view["facts"] or []),
    "changes": lambda view: data.changes(view["facts"] or [], view["earlier"]),
    "sizes": lambda view: data.sizes(view["facts"] or []),
    "copies": lambda view: data.copies(view["run"], view["facts"] or []),
    "notes": lambda view: data.notes(view["run"]),
    "rejects": lambda view: data.rejects(view["run"]),
    "anomalies": lambda view: data.anomalies(view["run"]),
    "nodes": lambda view: trace.nodes(view["run"]),
    "dag": lambda view: trace.dag(view["run"]),
    "lineage": lambda view: trace.lineage(view["run"]),
}

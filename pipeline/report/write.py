"""The report of a run: one HTML file that needs nothing else, written for good runs and bad.

Each part gives plain values to the template, or None where the run has nothing for it. All texts
that come from data are hostile until the template has escaped them.
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
from pipeline.report import data, evaluation, galleries, texts, trace, training
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
    log = folder.parent.parent / "logs" / f"{run.id}.log"
    view: dict[str, Any] = {
        "run": run,
        "summary": summary,
        "earlier": earlier,
        "marks": MARKS,
        "config": _yaml(run.config),
        "command": _command(folder),
        "log": log if log.is_file() else None,
    }
    view["unreadable"] = _add_parts(view)
    html = texts.environment().get_template("report.html.j2").render(view)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "config.yaml", view["config"])
    write_whole(folder / "index.html", html)
    return folder / "index.html"


# A part: a function, and by name what it is given, which is in the view already or a part above.
_PARTS: dict[str, tuple[Callable[..., Any], *tuple[str, ...]]] = {
    "metrics": (evaluation.read_metrics, "run"),
    "figures": (evaluation.figures, "metrics", "summary"),
    "unknown": (evaluation.unknown, "metrics"),
    "right": (evaluation.right, "metrics"),
    "matrix": (evaluation.matrix, "metrics"),
    "pairs": (evaluation.pairs, "metrics"),
    "classes": (evaluation.classes, "metrics"),
    "slices": (evaluation.slices, "metrics"),
    "robustness": (evaluation.robustness, "metrics"),
    "galleries": (galleries.galleries, "run"),
    "training": (training.training, "run"),
    "sheet": (training.sheet, "run"),
    "facts": (data.read_facts, "run"),
    "images": (data.counts, "facts"),
    "changes": (data.changes, "facts", "earlier"),
    "sizes": (data.sizes, "facts"),
    "copies": (data.copies, "run", "facts"),
    "notes": (data.notes, "run"),
    "rejects": (data.rejects, "run"),
    "anomalies": (data.anomalies, "run"),
    "nodes": (trace.nodes, "run"),
    "dag": (trace.dag, "run"),
    "lineage": (trace.lineage, "run"),
}


def _add_parts(view: dict[str, Any]) -> dict[str, str]:
    """Makes each part and adds it to the view, None where it cannot be made.

    Returns:
      Why, of those: a part's own trouble, or that of another one that it is made of.
    """
    unreadable: dict[str, str] = {}
    for name, (make, *needed) in _PARTS.items():
        view[name] = None
        given = [view[it] for it in needed]
        lacking = [it for it in needed if it in unreadable]
        if lacking:
            unreadable[name] = unreadable[lacking[0]]
            continue
        try:
            view[name] = make(*given)
        except Exception as e:  # a bad run leaves files in any state, and is when one reads reports
            logging.getLogger(__name__).warning("report: no %s", name, exc_info=True)
            unreadable[name] = f"{type(e).__name__}: {e}"
    return unreadable


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

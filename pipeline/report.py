"""The report of a run: one HTML file that needs nothing else, written for good runs and bad.

Each part is a function of the run that gives plain values to the template, or None where the run
has nothing for it. All texts that come from data are hostile until the template has escaped them.
"""

import collections
import datetime
import json
import logging
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import yaml

from components.files import exists, names, reading
from pipeline import pictures, results
from pipeline.lineage import Run
from pipeline.records import read_examples
from pipeline.summary import MARKS

MOST_REJECTS = 50
MOST_ROWS = 100  # of tables with one row a class or epoch
LONGEST_TEXT = 300

_SPLITS = ("train", "eval", "test")
_STATES = ("ran", "cached", "failed", "skipped")


def write_report(run: Run, summary: dict[str, Any], folder: Path) -> Path:
    """Writes <folder>/index.html, and beside it config.yaml, from which the run can be repeated.

    What a run lacks is left out; what cannot be read is named in the report, and is no error.

    Args:
      run: as the metadata store has it.
      summary: what `pipeline.summary.summarize` says of it.
      folder: made where it is missing, such as RUNS/<name>/reports/<run id>.

    Returns:
      The path of index.html, a file below 5 MB.

    Raises:
      OSError: the folder cannot be written.
    """
    folder = Path(folder)
    view: dict[str, Any] = {"run": run, "summary": summary, "unreadable": {}}
    view["marks"] = MARKS
    view["config"] = _yaml(run.config)
    view["command"] = _command(folder)
    for name, gather in _PARTS.items():
        try:
            view[name] = gather(run, summary)
        except Exception as e:  # a bad run leaves files in any state, and is when one reads reports
            logging.getLogger(__name__).warning("report: no %s", name, exc_info=True)
            view[name], view["unreadable"][name] = None, f"{type(e).__name__}: {e}"
    html = _environment().get_template("report.html.j2").render(view)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "config.yaml", view["config"])
    _write(folder / "index.html", html)
    return folder / "index.html"


def _write(path: Path, text: str) -> None:
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


def _json(run: Run, node: str, key: str, name: str) -> Any:
    artifact = run.output(node, key)
    return artifact.json(name) if artifact else None


def _training(run: Run, summary: dict[str, Any]) -> dict[str, Any] | None:
    """Curves over the epochs, and the epochs as a table."""
    history = _json(run, "Trainer", "model_run", "history.json")
    if not history:
        return None
    keys = {"": "train", "eval_": "eval"}
    charts = [
        pictures.chart(history, title, {f"{key}{title}": name for key, name in keys.items()})
        for title in ("loss", "accuracy")
    ]
    return {
        "charts": [c for c in charts if c],
        "epochs": list(enumerate(history, 1))[-MOST_ROWS:],
        "total": len(history),
    }


def _sheet(run: Run, summary: dict[str, Any]) -> dict[str, Any] | None:
    artifact = run.output("ImageTransform", "preprocessing")
    return pictures.embed(artifact.path("contact_sheet.png")) if artifact else None


def _images(run: Run, summary: dict[str, Any]) -> dict[str, Any] | None:
    """How many pictures each label has in each split, largest label first."""
    facts = run.output("ImageExampleGen", "facts")
    folders = [facts.path(name) for name in names(facts.uri)] if facts else []
    counts = {
        os.path.basename(folder).removeprefix("Split-"): collections.Counter(
            example.get("label", b"") for example in read_examples(folder, ("label",))
        )
        for folder in folders
        if os.path.basename(folder).startswith("Split-")
    }
    splits = sorted(counts, key=lambda s: (_SPLITS.index(s) if s in _SPLITS else len(_SPLITS), s))
    whole = sum(counts.values(), collections.Counter())
    rows = [
        {
            "label": label.decode(errors="backslashreplace"),
            "counts": [counts[name][label] for name in splits],
            "total": total,
            "share": total / max(whole.values()),
        }
        for label, total in sorted(whole.items(), key=lambda item: (-item[1], item[0]))
    ]
    totals = [counts[name].total() for name in splits]
    return {
        "splits": splits,
        "totals": totals,
        "sum": sum(totals),
        "classes": len(rows),
        "rows": rows[:MOST_ROWS],
    }


def _rejects(run: Run, summary: dict[str, Any]) -> dict[str, Any] | None:
    """The first rejected inputs, how many there are, and the commonest reasons."""
    artifact = run.output("ImageExampleGen", "rejects")
    if artifact is None or not exists(artifact.path("rejects.jsonl")):
        return None
    rows: list[dict[str, Any]] = []
    reasons: collections.Counter[str] = collections.Counter()
    with reading(artifact.path("rejects.jsonl")) as f:
        for line in filter(bytes.strip, f):
            reject = json.loads(line.decode(errors="replace"))
            reasons[str(reject.get("reason"))] += 1
            if len(rows) < MOST_REJECTS:
                rows.append(reject)
    return {"total": reasons.total(), "rows": rows, "reasons": reasons.most_common(8)}


def _notes(run: Run, summary: dict[str, Any]) -> list[str]:
    examples = run.output("ImageExampleGen", "examples")
    return (examples.properties.get("notes") or []) if examples else []


def _anomalies(run: Run, summary: dict[str, Any]) -> list[dict[str, Any]]:
    return (_json(run, "DataGate", "gate", "gate.json") or {}).get("anomalies") or []


def _nodes(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    states = collections.Counter(node.state for node in run.nodes)
    longest = max((node.seconds for node in run.nodes), default=0) or 1
    return {
        "rows": [{"node": node, "share": node.seconds / longest} for node in run.nodes],
        "states": [(s, states[s]) for s in _STATES if states[s]],
    }


def _lineage(run: Run, summary: dict[str, Any]) -> dict[str, Any]:
    """What the model was made from, as names and values; None where the run does not know."""
    model, examples = run.output("Trainer", "model"), run.output("ImageExampleGen", "examples")
    learned, seen = model.properties if model else {}, examples.properties if examples else {}
    backbone = (run.config.get("model") or {}).get("backbone") or {}
    return {
        "Module handle": learned.get("module_handle") or backbone.get("handle"),
        "Module hash": learned.get("module_hash"),
        "Model content hash": learned.get("content_hash"),
        "Data fingerprint": seen.get("data_fingerprint") or seen.get("fingerprint"),
        "Span": seen.get("span"),
        "Config hash": run.config_hash,
        "Run": run.id,
    }


_PARTS: dict[str, Callable[[Run, dict[str, Any]], Any]] = {
    "figures": results.figures,
    "unknown": results.unknown,
    "right": results.right,
    "matrix": results.matrix,
    "pairs": results.pairs,
    "classes": results.classes,
    "slices": results.slices,
    "robustness": results.robustness,
    "mistakes": results.mistakes,
    "training": _training,
    "sheet": _sheet,
    "images": _images,
    "notes": _notes,
    "rejects": _rejects,
    "anomalies": _anomalies,
    "nodes": _nodes,
    "lineage": _lineage,
}


def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "short": _short,
        "tail": _tail,
        "percent": _percent,
        "number": _number,
        "duration": _duration,
        "moment": _moment,
    }
    return environment


def _short(value: Any, most: int = LONGEST_TEXT) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _tail(path: Any, most: int = 44) -> str:
    """The end of a path, which tells one picture from the next."""
    text = str(path)
    return text if len(text) <= most else f"…{text[-most:]}"


def _percent(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–" if value is None else str(value)
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _moment(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")

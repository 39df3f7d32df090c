"""What Kubeflow's page shows of a task: a summary, and for the Evaluator its figures."""

from typing import Any

from pipeline.lineage import Node, Run
from pipeline.report.evaluation import confusion, figures, read_metrics
from pipeline.summary import MARKS, blessing

_STATES = {
    "ran": "ran",
    "cached": "took the result of an earlier run (TFX's cache)",
    "failed": "**failed**",
    "skipped": "has not run",
}
_MOST_NOTES = 20


def task_page(run: Run, node_id: str) -> str:
    """The summary of a task, in Markdown.

    Args:
      run: as the metadata store has it.
      node_id: which node the task ran.
    """
    node = run.node(node_id)
    seconds = f", {node.seconds:,.1f} s" if node.state == "ran" else ""
    lines = [f"# {node_id}", "", f"{_STATES[node.state]}{seconds}, in run `{run.id}`"]
    if node.error and node.state == "failed":  # not of an attempt before a good one
        lines += ["", "```", node.error.replace("```", "'''"), "```"]
    if node_id in ("Evaluator", "ServingCheck"):
        lines += ["", *_checks(blessing(run))]
    for note in _notes(node)[:_MOST_NOTES]:
        lines += ["", f"- {_escaped(note)}"]
    if node.outputs:
        lines += ["", "| output | type | where |", "|---|---|---|"]
        lines += [
            f"| {key} | {artifact.type} | `{artifact.uri}` |"
            for key, artifacts in sorted(node.outputs.items())
            for artifact in artifacts
        ]
    return "\n".join(lines) + "\n"


def run_page(summary: dict[str, Any]) -> str:
    """The summary of a whole run, in Markdown.

    Args:
      summary: as `pipeline.summary.summarize` gives it.
    """
    lines = [f"# Run {summary['run_id']}: {summary['status']}", ""]
    if error := summary["error"]:
        lines += [f"{error['node']} failed:", "", "```", str(error["message"]), "```", ""]
    if summary["unchanged"]:
        lines += ["Nothing new: data, configuration and code are those of an earlier run.", ""]
    if summary["metrics"]:
        lines += ["| metric | test |", "|---|---|"]
        lines += [
            f"| {name} | {value:.4f} |"
            for name, value in summary["metrics"].items()
            if isinstance(value, (int, float))
        ]
        lines.append("")
    lines.append(f"blessed: **{'yes' if summary['blessed'] else 'no'}**")
    lines += _checks(summary)
    registered = summary["registered"]
    lines += [
        "",
        f"pushed: {summary['pushed'] or 'no'}",
        "",
        "registered: "
        + (f"{registered['name']} version {registered['version']}" if registered else "no"),
        "",
        "| node | state | seconds |",
        "|---|---|---|",
    ]
    lines += [f"| {n['id']} | {n['state']} | {n['seconds']:.1f} |" for n in summary["nodes"]]
    for warning in summary["warnings"][:_MOST_NOTES]:
        lines += ["", f"- {_escaped(warning)}"]
    return "\n".join(lines) + "\n"


def metrics(run: Run) -> dict[str, float]:
    """The Evaluator's figures on the test split, by name; the baseline's beside them."""
    found: dict[str, float] = {}
    for row in figures(read_metrics(run), {}):
        found[row["name"]] = float(row["value"])
        if isinstance(row["baseline"], (int, float)):
            found[f"{row['name']}_of_baseline"] = float(row["baseline"])
    return found


def confusion_matrix(run: Run) -> tuple[list[str], list[list[int]]]:
    """Labels and counts, counts[i][j] of label i taken for label j; empty where there are none."""
    labels, counts = confusion(read_metrics(run))
    return labels, [[int(count) for count in row] for row in counts]


def _notes(node: Node) -> list[str]:
    found: list[str] = []
    for artifacts in node.outputs.values():
        for artifact in artifacts:
            found += artifact.properties.get("notes") or []
            if images := artifact.properties.get("images"):
                found.append(f"{artifact.type}: {int(images):,} images")
    return list(dict.fromkeys(found))


def _checks(said: dict[str, Any]) -> list[str]:
    return [f"- {MARKS[check['state']]} {_escaped(check['sentence'])}" for check in said["checks"]]


def _escaped(text: str) -> str:
    """A text from data as Markdown shows it: no tags, no links."""
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"&#{ord(mark)};")
    return text

"""The lines that a run leaves behind: one a node, and a last block that sums up."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pipeline.lineage import Node
from pipeline.shown import as_data, harmless, spelt
from pipeline.summary import MARKS

STATES = {
    "ran": "[green]✓[/]",
    "cached": "[blue]=[/]",
    "failed": "[red]✗[/]",
    "skipped": "[dim]·[/]",
}
_TONES = {"passed": "green", "failed": "red", "tie": "blue", "withheld": "yellow"}
MOST_CHECKS = 12
MOST_WARNINGS = 5


def node_line(node: Node) -> str:
    """The line of a node that has ended, with rich's markup."""
    finds = node.id in ("Baseline", "WarmStart")  # and processes nothing
    made = {} if finds else node.outputs
    counted = [a.properties.get("images") for found in made.values() for a in found]
    images = next((count for count in counted if count), None)
    done = ""
    if node.state == "ran" and images:
        done = f"{images:,.0f} images".rjust(15)
        if node.seconds > 0:
            done += f"{images / node.seconds:,.0f}/s".rjust(10)
    seconds = spelt(node.seconds) if node.state in ("ran", "failed") else ""
    return row(STATES[node.state], node.id, f"{node.state:<7}{done}", seconds)


def row(mark: str, name: str, middle: str, seconds: str) -> str:
    """A row as all of them are cut, 67 columns wide; `mark` is one column of markup."""
    return f"  {mark} {as_data(name):<18} {middle:<32} {seconds:>11}".rstrip()


def summary_lines(summary: dict[str, Any], log: str, width: int) -> Iterator[str]:
    """The last block, with rich's markup: what came of a run, and where it lies.

    Args:
      summary: of the run; its `report` may be None, where there is none.
      log: path of the log.
      width: columns into which sentences are folded. Paths never are: they shall be copied.
    """
    if not summary["error"]:
        yield from _outcome(summary, width - 1)
    if summary["report"]:
        yield f"  report      {as_data(summary['report'])}"
    yield f"  log         {as_data(log)}"
    yield f"  took        {spelt(summary['seconds'])}"


def _outcome(summary: dict[str, Any], width: int) -> Iterator[str]:
    if summary["unchanged"]:
        yield "  nothing new: data, configuration and code are those of an earlier run"
    accuracy = summary["metrics"].get("accuracy")
    images = summary["images"]
    if accuracy is not None:
        yield f"  accuracy    {accuracy:.4f} on {images.get('test', 0):,} test images"
    if images.get("rejected"):
        yield f"  rejected    {images['rejected']:,} inputs; the report says why"
    for warning in summary["warnings"][:MOST_WARNINGS]:
        yield f"  [yellow]warning[/]     {_folded(warning, width)}"
    if len(summary["warnings"]) > MOST_WARNINGS:
        yield f"              and {len(summary['warnings']) - MOST_WARNINGS} more"
    yield f"  blessed     {'[green]yes[/]' if summary['blessed'] else '[yellow]no[/]'}"
    for check in summary["checks"][:MOST_CHECKS]:
        mark = f"[{_TONES[check['state']]}]{MARKS[check['state']]}[/]"
        yield f"            {mark} {_folded(check['sentence'], width)}"
    if len(summary["checks"]) > MOST_CHECKS:
        more = len(summary["checks"]) - MOST_CHECKS
        yield f"              and {more} more; the report has them"
    yield f"  pushed      {as_data(summary['pushed'] or 'no')}"
    registered = summary["registered"]
    where = "no"
    if registered:
        name, version = registered["name"], registered["version"]
        where = as_data(f"{name} version {version} ({registered['registry']})")
    yield f"  registered  {where}"


def _folded(sentence: str, width: int) -> str:
    """A sentence that begins in column 14, and goes on there."""
    lines = textwrap.wrap(
        harmless(sentence), max(width - 14, 20), break_long_words=False, break_on_hyphens=False
    )
    return f"\n{'':<14}".join(map(as_data, lines))


def error_line(error: dict[str, str]) -> str:
    """What a run failed with, with rich's markup."""
    message = "\n".join(as_data(line) for line in error["message"].split("\n"))
    return f"[red]error:[/] {as_data(error['node'])} failed: {message}"


def stopped_lines(
    summary: dict[str, Any], training_goes_on: bool, command: str, report_is_missing: bool
) -> Iterator[str]:
    """What to know of a run that was stopped, with rich's markup.

    Args:
      summary: of the run.
      training_goes_on: whether a checkpoint of an unfinished training is kept.
      command: what to type to go on.
      report_is_missing: whether the report was left out.
    """
    nodes = summary["nodes"]
    ended = sum(node["state"] in ("ran", "cached") for node in nodes)
    if ended == len(nodes):
        yield "[yellow]stopped[/]: the run had ended, and nothing is left to do"
    else:
        at = summary["error"]["node"] if summary["error"] else "pipeline"
        where = "between two nodes" if at == "pipeline" else f"in {as_data(at)}"
        yield f"[yellow]stopped[/] {where}"
        checkpoint = ", and the training's last checkpoint" if training_goes_on else ""
        yield f"  kept        what {ended} of {len(nodes)} nodes made{checkpoint}"
        yield f"  go on       {as_data(command)}"
    if report_is_missing:
        yield f"  no report   `graft report {summary['run_id']}` writes it"

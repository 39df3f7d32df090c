"""Where the model of a run comes from, for the report: the DAG, the nodes, data, module, config."""

import collections
import math
from typing import Any, NamedTuple

from pipeline.lineage import Node, Run

_STATES = ("ran", "cached", "failed", "skipped")
BOX, GAP = (132, 44), (28, 16)
"""Pixels: width and height of a node in the drawing, and what lies between two."""


class Box(NamedTuple):
    """A node in the drawing of the DAG; `x` and `y` are its upper left corner, in pixels."""

    node: Node
    x: float
    y: float


def nodes(run: Run) -> dict[str, Any]:
    """The nodes with their share of the longest time, and how many are in which state."""
    states = collections.Counter(node.state for node in run.nodes)
    longest = max((node.seconds for node in run.nodes), default=0) or 1
    return {
        "rows": [{"node": node, "share": node.seconds / longest} for node in run.nodes],
        "states": [(s, states[s]) for s in _STATES if states[s]],
    }


def dag(run: Run) -> dict[str, Any] | None:
    """The DAG as a drawing: each node one column after the last of those that it needs.

    Returns:
      {width, height, boxes [Box], arrows [path of an SVG]}; None where the run does not know.
    """
    known = {node.id for node in run.nodes}
    before = {
        node.id: [it for it in run.upstream.get(node.id, ()) if it in known] for node in run.nodes
    }
    if not any(before.values()):
        return None
    column: dict[str, int] = {}
    for node in run.nodes:  # in an order in which they can run
        column[node.id] = 1 + max((column.get(it, 0) for it in before[node.id]), default=-1)
    row: dict[str, float] = {}
    boxes = {}
    for number in range(1 + max(column.values())):
        here = [node for node in run.nodes if column[node.id] == number]
        wanted = {node.id: _mean([row[it] for it in before[node.id] if it in row]) for node in here}
        for i, node in enumerate(sorted(here, key=lambda node: wanted[node.id])):
            row[node.id] = i
            boxes[node.id] = Box(node, number * (BOX[0] + GAP[0]), i * (BOX[1] + GAP[1]))
    edges = _needed(before)
    return {
        "width": max(box.x for box in boxes.values()) + BOX[0],
        "height": max(box.y for box in boxes.values()) + BOX[1],
        "boxes": list(boxes.values()),
        "arrows": [_arrow(boxes[one], boxes[other]) for one, other in edges],
        "before": before,
    }


def lineage(run: Run) -> dict[str, Any]:
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


def _needed(before: dict[str, list[str]]) -> list[tuple[str, str]]:
    """The edges but for those that a longer way says already."""
    above: dict[str, set[str]] = {}
    for node, direct in before.items():
        above[node] = set(direct).union(*(above.get(it, set()) for it in direct))
    return [
        (it, node)
        for node, direct in before.items()
        for it in direct
        if not any(it in above.get(other, ()) for other in direct)
    ]


def _arrow(one: Box, other: Box) -> str:
    x1, y1 = one.x + BOX[0], one.y + BOX[1] / 2
    x2, y2 = other.x, other.y + BOX[1] / 2
    bend = min(GAP[0], (x2 - x1) / 2)
    return f"M{x1} {y1}H{x2 - GAP[0]}C{x2 - bend / 2} {y1} {x2 - bend / 2} {y2} {x2} {y2}"


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.inf

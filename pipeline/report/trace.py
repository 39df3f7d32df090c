"""Where the model of a run comes from, for the report: the DAG, the nodes, data, module, config."""

import collections
from typing import Any, NamedTuple

from pipeline.lineage import Node, Run

_STATES = ("ran", "cached", "failed", "skipped")
BOX, GAP, PER_LINE = (132, 44), (28, 16), 6
"""Pixels: width and height of a node in the drawing, and what lies between two; columns a line."""


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
    """The DAG as a drawing: each node one column after the last of those that it needs, and the
    columns in lines as words are.

    Returns:
      {width, height, boxes [Box], arrows [path of an SVG], before {node: the nodes before it}};
      None where the run does not know.
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
    columns = [
        [node for node in run.nodes if column[node.id] == number]
        for number in range(1 + max(column.values()))
    ]
    boxes, top = {}, 0
    for start in range(0, len(columns), PER_LINE):
        line = columns[start : start + PER_LINE]
        for place, nodes in enumerate(line):
            for i, node in enumerate(nodes):
                x, y = place * (BOX[0] + GAP[0]), top + i * (BOX[1] + GAP[1])
                boxes[node.id] = Box(node, x, y)
        top += max(map(len, line)) * (BOX[1] + GAP[1]) + GAP[1]
    return {
        "width": max(box.x for box in boxes.values()) + BOX[0],
        "height": max(box.y for box in boxes.values()) + BOX[1],
        "boxes": list(boxes.values()),
        "arrows": [_arrow(boxes[one], boxes[other]) for one, other in _needed(before)],
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
    """From the right side of a box to the left side of another, round it where it begins a line."""
    x1, y1, y2 = one.x + BOX[0], one.y + BOX[1] / 2, other.y + BOX[1] / 2
    if other.x > one.x:
        middle = other.x - GAP[0] / 2
        return f"M{x1} {y1}H{middle}V{y2}H{other.x}"
    between = other.y - GAP[1]
    return f"M{x1} {y1}h{GAP[0] / 4}V{between}H{other.x - GAP[0] / 4}V{y2}h{GAP[0] / 4}"

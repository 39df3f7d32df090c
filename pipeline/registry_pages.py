"""What `graft registry` prints for people: tables, and the model card."""

import sys
from typing import Any

from rich.markdown import Markdown
from rich.table import Table

from components.registry_pusher.model_card import model_card
from components.registry_pusher.registry import Entry, ModelVersion
from pipeline.registry import RegisteredModel
from pipeline.shown import as_data, echo, harmless
from pipeline.terminal import Terminal

HASH = 8  # characters of a hash that a table shows; `graft registry show` takes as many


def print_versions(model: RegisteredModel, versions: list[ModelVersion]) -> None:
    """Prints a line a version, and which of them is served."""
    terminal = Terminal(sys.stdout)
    where = as_data(f"{model.registry.kind} at {model.registry.address}")
    if not versions:
        terminal.say(f"{as_data(model.name)}: {where} has no version of it yet")
        return
    terminal.say(f"[bold]{as_data(model.name)}[/]  {where}")
    metric = next((name for it in versions for name in it.metrics), "accuracy")
    head = ["version", "aliases", "created", metric, "blessed", "backbone", "data", "content"]
    table = _table(*head, right=(3,))
    for it in versions:
        table.add_row(
            *map(
                as_data,
                (
                    it.version,
                    ", ".join(it.aliases),
                    it.created.replace("T", " ").rstrip("Z"),
                    _figure(it.metrics.get(metric)),
                    "–" if it.blessed is None else "yes" if it.blessed else "no",
                    it.module["handle"],
                    it.data_fingerprint[:HASH],
                    it.content_hash[:HASH],
                ),
            )
        )
    terminal.console.print(table, soft_wrap=False)
    if served := model.served():
        said = f"version {served['version']}" if served["version"] else "what is not registered"
        terminal.say(f"  served: {as_data(served['path'])} holds {said}")


def print_version(model: RegisteredModel, it: ModelVersion, entry: Entry | None) -> None:
    """Prints where a version stands, and its model card."""
    terminal = Terminal(sys.stdout)
    served = model.served()
    is_served = bool(served and served["content_hash"] == it.content_hash)
    facts = {
        "version": f"{it.version} of {it.name}, in {model.registry.kind}",
        "aliases": ", ".join(it.aliases) or "none",
        "created": it.created,
        "lies at": it.uri,
        "served": served["path"] if served and is_served else "no",
    }
    for name, value in facts.items():
        terminal.say(f"  {name:<9} {as_data(value)}")
    terminal.say("")
    if entry is None:
        terminal.say("  It was not registered from here, so no more is known of it.")
    elif terminal.console.is_terminal:
        terminal.console.print(Markdown(harmless(model_card(entry), lines=True)), soft_wrap=False)
    else:
        echo(model_card(entry), lines=True)


def print_comparison(name: str, a: str, b: str, compared: dict[str, Any]) -> None:
    """Prints what `registry.compare` found of versions a and b."""
    terminal = Terminal(sys.stdout)
    terminal.say(f"[bold]{as_data(name)}[/]  version {as_data(b)} against {as_data(a)}")
    heads = ["metric", f"version {a}", "95 %", f"version {b}", "95 %", "difference"]
    table = _table(*heads, right=range(1, 6))
    for metric, it in compared["metrics"].items():
        gap = it["difference"]
        table.add_row(
            as_data(metric),
            _figure(it["a"]),
            _interval(it["a_interval"]),
            _figure(it["b"]),
            _interval(it["b_interval"]),
            "–" if gap is None else f"{gap:+.4f}",
        )
    terminal.console.print(table, soft_wrap=False)
    for kind, title in (("facts", "what"), ("counts", "pictures"), ("config", "configuration")):
        if compared[kind]:
            table = _table(title, f"version {a}", f"version {b}")
            for key, values in compared[kind].items():
                table.add_row(*map(as_data, (key, *map(_text, values))))
            terminal.say("")
            terminal.console.print(table, soft_wrap=False)
    for kind, labels in compared["labels"].items():
        if labels:
            terminal.say(f"\n  labels {kind}: {as_data(', '.join(labels))}")
    if not any(compared[kind] for kind in ("facts", "counts", "config")):
        terminal.say("\n  same data, backbone, configuration and code")


def _table(*head: str, right: Any = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, name in enumerate(head):
        table.add_column(as_data(name), justify="right" if i in right else "left", overflow="fold")
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _interval(ends: list[float] | None) -> str:
    return "–" if ends is None else " to ".join(map(_figure, ends))


def _text(value: Any) -> str:
    return "–" if value in (None, "") else str(value)

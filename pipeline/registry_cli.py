"""`graft registry`: what is registered, how versions differ, and which one people are served."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from components.errors import RegistryError
from pipeline.options import json_option, places_asked, whose_runs
from pipeline.shown import as_data, echo, print_json

if TYPE_CHECKING:
    from components.registry_pusher.registry import Entry, ModelVersion
    from pipeline.registry import RegisteredModel


@click.group()
def registry() -> None:
    """See registered versions; promote, go back, delete.

    A VERSION is named by its number, an alias (champion, challenger), or its content hash.
    """


@registry.command("list")
@whose_runs
@json_option
def list_versions(as_json: bool, **task: Any) -> None:
    """List all versions, newest first."""
    from pipeline.registry_pages import print_versions

    model = _open(**task)
    versions = model.registry.versions(model.name)
    if as_json:
        print_json([version.to_json() for version in versions])
    else:
        print_versions(model, versions)


@registry.command("show")
@click.argument("version")
@whose_runs
@json_option
def show_version(version: str, as_json: bool, **task: Any) -> None:
    """Show all that is known of a version, with its model card."""
    from components.registry_pusher.model_card import model_card
    from pipeline.registry_pages import print_version

    model = _open(**task)
    it = _chosen(model, version)
    entry = model.registry.entry(model.name, it.version)
    if as_json:
        card = model_card(entry) if entry else None
        print_json({**it.to_json(), "entry": entry and entry.to_json(), "card": card})
    else:
        print_version(model, it, entry)


@registry.command("diff")
@click.argument("a")
@click.argument("b")
@whose_runs
@json_option
def diff_versions(a: str, b: str, as_json: bool, **task: Any) -> None:
    """Say what version B has that A has not: metrics, data, labels, configuration, code."""
    from pipeline.registry import compare
    from pipeline.registry_pages import print_comparison

    model = _open(**task)
    first, second = _chosen(model, a), _chosen(model, b)
    compared = compare(_told(model, first), _told(model, second))
    if as_json:
        print_json({"a": first.version, "b": second.version, **compared})
    else:
        print_comparison(model.name, first.version, second.version, compared)


@registry.command()
@click.argument("version")
@whose_runs
@json_option
def promote(version: str, as_json: bool, **task: Any) -> None:
    """Make VERSION the champion, and what is served.

    Where another one is served, VERSION is pushed again, under a higher number.
    """
    from components.registry_pusher.promotion import promote as serve

    model = _open(**task)
    _change(model, _chosen(model, version), serve, as_json)


@registry.command()
@whose_runs
@json_option
def rollback(as_json: bool, **task: Any) -> None:
    """Go back to the champion; where that is served, to the one before it.

    What is left stays away, also when its pipeline runs again, until it is promoted.
    """
    from components.registry_pusher.promotion import previous
    from components.registry_pusher.promotion import rollback as serve

    model = _open(**task)
    _change(model, previous(model.registry, model.name, model.destination), serve, as_json)


@registry.command()
@click.argument("version")
@whose_runs
@click.option("--yes", is_flag=True, help="Delete without asking.")
@json_option
def delete(version: str, yes: bool, as_json: bool, **task: Any) -> None:
    """Delete VERSION from the registry, with its files there; not while an alias points at it."""
    from components.pusher.push import is_withdrawn
    from components.registry_pusher.promotion import check_deletion
    from components.registry_pusher.promotion import delete as remove

    model = _open(**task)
    it = _chosen(model, version)
    check_deletion(it)
    what = f"version {it.version} of {it.name} in {model.registry.kind} ({it.content_hash}), at"
    if not (as_json and yes):
        echo(f"deletes {what} {it.uri}", err=as_json)
    if not yes and not click.confirm("Delete it?", err=as_json):
        raise click.Abort
    remove(model.registry, it)
    if as_json:
        print_json({"name": it.name, "deleted": it.version, "content_hash": it.content_hash})
    else:
        echo(f"deleted; {model.registry.address} has the rest")
        if is_withdrawn(model.destination, it.content_hash):
            echo(
                "it was rolled back from, so its pipeline does not push it again; only if it is "
                "trained anew it is registered, and `graft registry promote` can bring it back"
            )


def _change(
    model: "RegisteredModel", version: "ModelVersion", serve: Callable[..., str], as_json: bool
) -> None:
    """Changes what is served, and says what was served before and what is now."""
    from pipeline.terminal import Terminal

    terminal = Terminal(sys.stdout, quiet=as_json)
    before = model.served()
    where = f"{model.registry.kind} at {model.registry.address}"
    terminal.say(f"[bold]{as_data(model.name)}[/]  {as_data(where)}")
    terminal.say(f"  served   {as_data(_place(before))}")
    same = before and before["content_hash"] == version.content_hash
    step = "is served already"
    if not same:
        step = "is pushed again" + (", and the other one withdrawn" if before else "")
    terminal.say(f"  change   version {as_data(version.version)} becomes the champion; it {step}")
    with terminal.working("pushing and registering"):
        path = serve(model.registry, version, model.destination, model.keep)
    after = model.served()
    terminal.say(f"  served   {as_data(_place(after))}, the champion")
    if as_json:
        champion = {"name": model.name, "champion": version.version}
        print_json({**champion, "before": before, "served": after, "path": path})


def _place(served: dict[str, Any] | None) -> str:
    if served is None:
        return "nothing"
    version = f"version {served['version']}" if served["version"] else "not registered"
    return f"{served['path']}: {version} ({served['content_hash']})"


def _open(**task: Any) -> "RegisteredModel":
    from pipeline.registry import registered_model

    places, loaded = places_asked(**task)
    return registered_model(places, loaded.push if loaded else None)


def _chosen(model: "RegisteredModel", word: str) -> "ModelVersion":
    from pipeline.registry import find_version

    return find_version(model.versions(), word)


def _told(model: "RegisteredModel", version: "ModelVersion") -> "Entry":
    entry = model.registry.entry(model.name, version.version)
    if entry is None:
        raise RegistryError(
            f"{model.name}: version {version.version} was not registered from here, so there is "
            "nothing to compare"
        )
    return entry

"""`graft report`: writes the report of a run again, and lays several runs side by side."""

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from components.errors import ConfigError
from pipeline.completion import complete_run
from pipeline.options import (
    json_option,
    name_option,
    out_option,
    places_of,
    run_of,
    runs_option,
    write_file,
)
from pipeline.shown import print_json

if TYPE_CHECKING:
    from pipeline.lineage import Run
    from pipeline.places import Places


class _WriteByDefault(click.Group):
    """Takes `report RUN` for `report write RUN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["write", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_WriteByDefault)
def report() -> None:
    """Write the report of a run, or of several side by side.

    `graft report` and `graft report RUN` are short for `graft report write`.
    """


@report.command()
@click.argument("run_id", required=False, metavar="[RUN]", shell_complete=complete_run)
@runs_option
@name_option
@out_option
@json_option
def write(run_id: str | None, runs: str, name: str | None, out: str | None, as_json: bool) -> None:
    """Write the report of a run again, and say where it lies.

    RUN is a run's id, or "last", as without it.
    """
    from pipeline.lineage import last_on_other_data
    from pipeline.report.write import write_report
    from pipeline.stores import open_store
    from pipeline.summary import summarize

    places = places_of(runs, name)
    store = open_store(places.metadata)
    found = run_of(store, places, run_id)
    folder = places.report(found.id)
    summary = summarize(found, str(folder / "index.html"), _seconds(places, found))
    earlier = last_on_other_data(store, places.name, found)
    _tell(write_report(found, summary, folder, earlier), out, summary if as_json else None)


@report.command()
@click.argument(
    "run_ids", nargs=-1, required=True, metavar="RUN RUN...", shell_complete=complete_run
)
@runs_option
@name_option
@out_option
@json_option
def compare(
    run_ids: tuple[str, ...], runs: str, name: str | None, out: str | None, as_json: bool
) -> None:
    """Lay runs side by side: configuration, metrics, curves, pictures that changed sides.

    RUN is a run's id, or "last". Differences are told against the first.
    """
    from pipeline.report.compare import MOST_RUNS, write_comparison
    from pipeline.stores import open_store

    if not 2 <= len(run_ids) <= MOST_RUNS:
        raise ConfigError(
            f"graft report compare: takes 2 to {MOST_RUNS} runs, not {len(run_ids)}; their ids are "
            "the names of the folders in reports/"
        )
    places = places_of(runs, name)
    store = open_store(places.metadata)
    found = [run_of(store, places, id) for id in run_ids]
    ids = list(dict.fromkeys(run.id for run in found))
    if len(ids) < len(found):
        raise ConfigError(f"graft report compare: a run is named twice: {', '.join(run_ids)}")
    path = write_comparison(found, places.home / "reports" / f"compare-{'-'.join(ids)}.html")
    _tell(path, out, {"runs": ids} if as_json else None)


def _tell(path: Path, out: str | None, facts: dict[str, Any] | None) -> None:
    """Copies a page to where --out wants it, and says where it lies; in JSON with the facts."""
    if out:
        write_file(out, path.read_bytes())
        path = Path(out)
    if facts is None:
        click.echo(str(path))
    else:
        print_json({**facts, "report": str(path)})


def _seconds(places: "Places", run: "Run") -> float:
    """How long a run took; of one that was not the last, only its nodes are on record."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        last = json.loads(places.summary.read_text(encoding="utf-8"))
        if last["run_id"] == run.id:
            return last["seconds"]
    return sum(node.seconds for node in run.nodes)

"""`graft clean`: frees what old runs hold on disk."""

import contextlib
from typing import Any

import click

from pipeline.options import json_option, places_asked, whose_runs
from pipeline.shown import echo, print_json


@click.command()
@click.option(
    "--keep",
    required=True,
    type=click.IntRange(1),
    metavar="N",
    help="How many of the newest runs stay whole.",
)
@whose_runs
@click.option("--yes", is_flag=True, help="Remove without asking.")
@json_option
def clean(keep: int, yes: bool, as_json: bool, **task: Any) -> None:
    """Free what old runs hold on disk.

    Never what a registry alias or the latest blessed model needs. Reports stay, and what the
    metadata store knows.
    """
    from pipeline.clean import free, plan
    from pipeline.run import only_run_in
    from pipeline.stores import open_store

    places, on_kubeflow = places_asked(**task)
    with contextlib.nullcontext() if on_kubeflow else only_run_in(places):
        store = open_store(places.metadata)
        found = plan(store, places, keep)
        facts = {
            "runs_kept": found.runs,
            "artifacts": [artifact.uri for artifact in found.artifacts],
            "bytes": found.bytes,
            "kept_for": [{"what": why, "artifact": uri} for why, uri in found.kept_for],
        }
        size = f"{found.bytes / 2**20:,.0f} MiB"
        if not as_json:
            stay = "the newest run stays" if keep == 1 else f"the newest {keep} runs stay"
            echo(f"{places.home}: {stay} whole")
            click.echo(
                f"  {len(found.artifacts):,} artifacts of {len(found.old)} older ones are needed "
                f"by nothing: {size}"
            )
            for why, uri in found.kept_for:
                echo(f"  stays for {why}: {uri}")
        if found.artifacts and not yes and not click.confirm("Remove them?", err=as_json):
            raise click.Abort
        # Once more, for somebody may have begun a run since.
        free(store, places, plan(store, places, keep))
    if as_json:
        print_json(facts)
    else:
        click.echo(f"freed {size}" if found.artifacts else "nothing to remove")

"""`graft check`: what a run would do, and what keeps it from being done."""

import os
from collections.abc import Iterator
from pathlib import Path

import click

from pipeline.options import config_argument, json_option, runs_option, set_option
from pipeline.shown import echo, print_json


@click.command()
@config_argument
@runs_option
@set_option
@click.option("--modules", is_flag=True, help="Look into the Hub module too (loads TensorFlow).")
@json_option
def check(config: str, runs: str, overrides: tuple[str, ...], modules: bool, as_json: bool) -> None:
    """Check configuration and data, and say what a run would do."""
    from pipeline.check import check as check_config
    from pipeline.check import check_module
    from pipeline.config_file import load_config
    from pipeline.places import Places

    loaded = load_config(config, overrides)
    plan = check_config(loaded, Places.of(runs, loaded))
    if modules:
        from pipeline.terminal import library_noise_to

        with library_noise_to(Path(os.devnull)):
            check_module(loaded)
    if as_json:
        print_json(plan)
        return
    for warning in plan["warnings"]:
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        echo(warning, err=True)
    counts = sorted(plan["classes"].items(), key=lambda item: -item[1])
    shown = ", ".join(f"{label} {count:,}" for label, count in counts[:12])
    more = f", and {len(counts) - 12} more" if len(counts) > 12 else ""
    size = "×".join(str(side) for side in plan["image_size"])
    registry = plan["registry"]
    echo(f"{config}: the configuration and what it names are in order. A run would")
    echo(f"  read       {plan['images']:,} images of {len(counts)} classes: {shown}{more}")
    for line in _rejected(plan["rejected"]):
        echo(f"             {line}")
    for note in plan["notes"]:
        echo(f"             {note}")
    click.echo(
        f"  augment    {plan['augment'] if isinstance(plan['augment'], str) else 'own list of ops'}"
    )
    echo(f"  train      {plan['backbone']} at {size}; " + "; ".join(plan["phases"]))
    echo("  bless      " + ("; ".join(plan["thresholds"]) or "nothing: no threshold is set"))
    echo(f"  push to    {plan['destination']}")
    echo(
        f"  register   {registry['model_name']} in {registry['kind']}"
        if registry["kind"] != "none"
        else "  register   nowhere"
    )


def _rejected(rejects: list[dict[str, str]], most: int = 3) -> Iterator[str]:
    if rejects:
        one = len(rejects) == 1
        yield f"and pass over {len(rejects):,} input{'' if one else 's'}:"
    for reject in rejects[:most]:
        yield f"  {reject['path']}: {reject['reason']}"
    if len(rejects) > most:
        yield f"  and {len(rejects) - most:,} more"

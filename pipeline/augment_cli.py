"""`graft augment`: what augmentation makes of pictures, before a run and in a past one."""

from pathlib import Path

import click

from pipeline.completion import complete_run
from pipeline.options import (
    config_argument,
    json_option,
    name_option,
    places_of,
    run_of,
    runs_option,
    set_option,
    write_file,
)
from pipeline.shown import echo, print_json


@click.group()
def augment() -> None:
    """See what augmentation makes of your pictures."""


@augment.command("preview")
@config_argument
@set_option
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A picture to show; may be repeated. By default some of the configuration's source.",
)
@click.option(
    "--out",
    default="preview.png",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The contact sheet, a PNG.",
)
def preview_augmentation(
    config: str, overrides: tuple[str, ...], images: tuple[Path, ...], out: str
) -> None:
    """Draw pictures beside augmented views of them, with what each op drew.

    The views are those that a run would train on. Try a policy with --set transform.augment=NAME.
    """
    from pipeline.augment import preview
    from pipeline.config_file import load_config

    write_file(out, preview(load_config(config, overrides), images))
    click.echo(out)


@augment.command("replay")
@click.argument("run_id", metavar="RUN", shell_complete=complete_run)
@click.argument("example")
@click.argument("view", type=click.IntRange(0))
@runs_option
@name_option
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    help="The PNG; by default EXAMPLE-VIEW.png among the run's reports.",
)
@json_option
def replay_view(
    run_id: str,
    example: str,
    view: int,
    runs: str,
    name: str | None,
    out: str | None,
    as_json: bool,
) -> None:
    """Draw an augmented picture of a past run again, to the pixel.

    RUN is a run's id, or "last". EXAMPLE is the id or the path of a training picture. VIEW counts
    from 0; where the Trainer draws the views, it is the epoch.
    """
    from pipeline.augment import replay
    from pipeline.stores import open_store

    places = places_of(runs, name)
    run = run_of(open_store(places.metadata), places, run_id)
    found = replay(run, example, view)
    if out is None:
        folder = places.report(run.id)
        folder.mkdir(parents=True, exist_ok=True)
        out = str(folder / f"{found.id}-{view}.png")
    write_file(out, found.png)
    if as_json:
        facts = {"id": found.id, "path": found.path, "label": found.label, "view": view}
        print_json({"run_id": run.id, **facts, "drawn": found.lines, "picture": out})
        return
    echo(f"{found.path} ({found.label}), view {view} of run {run.id}")
    for line in found.lines:
        echo(f"  {line}")
    click.echo(out)

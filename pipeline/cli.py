"""The command line: `graft`, the same as `python -m pipeline`."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from components.backbone.architectures import ARCHITECTURES
from components.errors import ConfigError
from pipeline.commands import Commands
from pipeline.completion import complete_run, completion
from pipeline.kubeflow.cli import compile_, schedule, submit
from pipeline.lineage_cli import lineage
from pipeline.options import (
    config_argument,
    json_option,
    kubeflow_option,
    name_option,
    out_option,
    places_asked,
    places_of,
    run_of,
    runs_option,
    set_option,
    write_file,
)
from pipeline.registry_cli import registry
from pipeline.report.cli import report
from pipeline.shown import echo, print_json
from pipeline.stopping import Stop
from pipeline.try_it.cli import serve

_EXAMPLES = """\b
Examples:
  graft check configs/digits.yaml          what a run would do
  graft run configs/digits.yaml            do it
  graft run my.yaml --set train.max_epochs=1
  graft predict picture.jpg                ask the model it pushed
  graft registry list                      which versions there are
  graft COMMAND --help                     what else a command takes
"""


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EXAMPLES
)
@click.version_option(package_name="graft", message="%(version)s")
def main() -> None:
    """From your own images to a served, registered classifier.

    Errors go to stderr, with exit code 2; with --json stdout holds JSON, also then.
    `graft completion bash|zsh|fish` prints what has your shell complete.
    """


@main.command()
@config_argument
@runs_option
@set_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@json_option
@click.pass_obj
def run(
    stop: Stop, config: str, runs: str, overrides: tuple[str, ...], quiet: bool, as_json: bool
) -> None:
    """Run the whole pipeline on this machine.

    Ctrl-C stops it; the same command goes on from there. Exit code 1: a node failed.
    """
    from pipeline.check import check as check_config
    from pipeline.check import tfx_is_installed
    from pipeline.config_file import load_config
    from pipeline.places import Places

    loaded = load_config(config, overrides)
    places = Places.of(runs, loaded)
    check_config(loaded, places)
    if not tfx_is_installed():
        raise ConfigError("TFX is not installed here; `make run-local` sets everything up")
    from pipeline.run import run_local

    summary = run_local(loaded, places, quiet=quiet or as_json, stop=stop)
    if as_json:
        print_json(summary)
    sys.exit(stop.exit_code or (0 if summary["status"] == "succeeded" else 1))


@main.command()
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


@main.command()
@click.argument(
    "images", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="IMAGE..."
)
@runs_option
@name_option
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(1), help="Classes to show."
)
@json_option
def predict(images: tuple[Path, ...], runs: str, name: str | None, top: int, as_json: bool) -> None:
    """Ask the pushed model about image files."""
    from pipeline.predict import predict as classify
    from pipeline.predict import pushed_model
    from pipeline.terminal import library_noise_to

    places = places_of(runs, name)
    with library_noise_to(Path(os.devnull)):
        answers = classify(pushed_model(places), list(images), top)
    if as_json:
        print_json(answers)
    else:
        for answer in answers:
            said = answer.get("error") or "  ".join(
                f"{c['label']} {c['score']:.3f}" for c in answer["top"]
            )
            echo(f"{answer['path']}: {said}")
    sys.exit(1 if any("error" in answer for answer in answers) else 0)


main.add_command(serve)


@main.command("config")
@out_option
def print_config(out: str | None) -> None:
    """Print every configuration key with its meaning and default."""
    from pipeline.config_text import config_text

    if out:
        write_file(out, config_text().encode())
        click.echo(f"written to {out}")
    else:
        click.echo(config_text(), nl=False)


@main.command()
@click.option(
    "--keep",
    required=True,
    type=click.IntRange(1),
    metavar="N",
    help="How many of the newest runs stay whole.",
)
@runs_option
@name_option
@kubeflow_option
@set_option
@click.option("--yes", is_flag=True, help="Remove without asking.")
@json_option
def clean(
    keep: int,
    runs: str,
    name: str | None,
    config: str | None,
    overrides: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Free what old runs hold on disk.

    Never what a registry alias or the latest blessed model needs. Reports stay, and what the
    metadata store knows.
    """
    from pipeline.clean import free, plan
    from pipeline.run import only_run_in
    from pipeline.stores import open_store

    places, _ = places_asked(runs, name, config, overrides)
    with contextlib.nullcontext() if config else only_run_in(places):
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


main.add_command(report)
main.add_command(lineage)
main.add_command(registry)
main.add_command(compile_)
main.add_command(submit)
main.add_command(schedule)
main.add_command(completion)


@main.group()
def module() -> None:
    """Build Hub modules, and look into them."""


@module.command("build")
@click.argument(
    "architecture",
    type=click.Choice(list(ARCHITECTURES), case_sensitive=False),
    metavar="ARCHITECTURE",
)
@click.argument("folder", type=click.Path())
@click.option(
    "--format",
    "form",
    default="tf2",
    show_default=True,
    type=click.Choice(["tf2", "tf1"]),
    help="TF2 SavedModel or TF1 Hub format.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|FILE|none",
    help="Keras's download, a .h5 or .keras file of the same network, or random ones.",
)
@click.option(
    "--seed", default=0, show_default=True, help="Of random weights: equal seeds, equal weights."
)
def build_module(architecture: str, folder: str, form: str, weights: str, seed: int) -> None:
    """Write a network of Keras as a Hub module into FOLDER.

    ARCHITECTURE is InceptionV3, MobileNetV2, ResNet50V2 or EfficientNetB0. The same build is kept
    where FOLDER holds it; another build is replaced; anything else is left, with an error.
    """
    from pipeline.modules import build

    seconds = build(architecture, folder, form, weights, seed, say=click.echo)
    done = "is there already" if seconds is None else f"built in {seconds:.1f} s"
    click.echo(f"{folder}: {done}; `graft module show {folder}` says what is in it")


@module.command("show")
@click.argument("handle")
@json_option
def show_module(handle: str, as_json: bool) -> None:
    """Say what a module offers: its format, endpoints, size and whether it can be trained."""
    from pipeline.modules import described, show

    shown = show(handle)
    if as_json:
        print_json(shown)
    else:
        echo(described(shown), lines=True)


@main.group()
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

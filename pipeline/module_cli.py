"""`graft module`: builds Hub modules, and looks into them."""

import click

from components.backbone.architectures import ARCHITECTURES
from pipeline.options import json_option
from pipeline.shown import echo, print_json


@click.group()
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

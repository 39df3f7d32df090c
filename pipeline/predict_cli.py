"""`graft predict`: asks the pushed model about image files."""

import os
import sys
from pathlib import Path

import click

from pipeline.options import json_option, name_option, places_of, runs_option
from pipeline.shown import echo, print_json


@click.command()
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

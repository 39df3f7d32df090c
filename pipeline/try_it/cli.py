"""`graft serve`: a page to try the model on, and TensorFlow Serving's REST paths beside it."""

import os
from pathlib import Path

import click

from pipeline.options import name_option, places_of, runs_option
from pipeline.shown import echo


@click.command()
@runs_option
@name_option
@click.option(
    "--version",
    "word",
    metavar="VERSION",
    help="A registered one: its number, alias or content hash. By default what is pushed.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; 127.0.0.1 is this machine alone, 0.0.0.0 whoever can reach it.",
)
@click.option(
    "--port",
    default=8501,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="TensorFlow Serving's own; 0 for any that is free.",
)
@click.option(
    "--max-request-mb",
    default=32,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Largest request, in MB of 2^20 bytes.",
)
@click.option(
    "--max-concurrency",
    default=4,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Requests that are read and answered side by side; others are told to come again.",
)
def serve(
    runs: str,
    name: str | None,
    word: str | None,
    host: str,
    port: int,
    max_request_mb: int,
    max_concurrency: int,
) -> None:
    """Try the pushed model in a browser, on this machine.

    Programs find TensorFlow Serving's REST paths there: /v1/models/NAME. For strangers, and for
    load, use TensorFlow Serving itself: docs/serving.md. Ctrl-C stops it.
    """
    from pipeline.terminal import library_noise_to
    from pipeline.try_it.chosen import chosen
    from pipeline.try_it.server import allowed_hosts, listen, url_of
    from pipeline.try_it.server import serve as answer

    places = places_of(runs, name)
    # Or TensorFlow would tell the terminal of every bad picture, in a dozen lines.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with listen(host, port) as bound:
        with chosen(places, word) as found:
            echo(f"{found.name}, {found.said}: loading {found.folder}")
            with library_noise_to(Path(os.devnull)):
                from pipeline.try_it.app import create_app
                from pipeline.try_it.limits import Limits
                from pipeline.try_it.model import Model

                model = Model(found)
        limits = Limits(max_request_mb * 2**20, max_concurrency)
        app = create_app(model, limits, allowed_hosts(bound, host))
        url = url_of(host, bound.getsockname()[1])
        answer(app, bound, lambda: echo(f"{url} answers; Ctrl-C stops it"))

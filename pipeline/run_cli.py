"""`graft run`: the whole pipeline on this machine."""

import sys

import click

from components.errors import ConfigError
from pipeline.options import config_argument, json_option, runs_option, set_option
from pipeline.shown import print_json
from pipeline.stopping import Stop


@click.command()
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

"""Arguments, options and output that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from components.errors import ConfigError
from pipeline.completion import complete_config, complete_name

if TYPE_CHECKING:
    import ml_metadata as mlmd

    from pipeline.config import Config
    from pipeline.lineage import Run
    from pipeline.places import Places

DEFAULT_CONFIG = "configs/digits.yaml"

config_argument = click.argument(
    "config", type=click.Path(), default=DEFAULT_CONFIG, shell_complete=complete_config
)
runs_option = click.option(
    "--runs",
    default="runs",
    show_default=True,
    type=click.Path(),
    metavar="DIR",
    help="Where runs, models and records lie.",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrides a key of the configuration; may be repeated.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
out_option = click.option("--out", type=click.Path(dir_okay=False), help="Write to this file.")
name_option = click.option(
    "--name",
    help="Which configuration's runs; needed where DIR holds several.",
    shell_complete=complete_name,
)
kubeflow_option = click.option(
    "--kubeflow",
    "config",
    type=click.Path(),
    metavar="CONFIG",
    shell_complete=complete_config,
    help="Of that configuration's runs on Kubeflow, from a pod that has volume and secret.",
)


def whose_runs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say whose runs, here or on Kubeflow; `places_asked` takes them."""
    for option in (set_option, kubeflow_option, name_option, runs_option):
        command = option(command)
    return command


def write_file(out: str, content: bytes) -> None:
    """Writes what a command was asked to write with --out.

    Raises:
      ConfigError: it cannot be written.
    """
    try:
        Path(out).write_bytes(content)
    except OSError as e:
        raise ConfigError(
            f"{out}: cannot be written ({e.strerror}); give --out a file in an existing folder "
            "that is yours"
        ) from None


def places_asked(
    runs: str, name: str | None, config: str | None, overrides: tuple[str, ...]
) -> tuple["Places", "Config | None"]:
    """Where the runs lie that a command is about: here, or with `--kubeflow CONFIG` on Kubeflow.

    Returns:
      The places, and the configuration on Kubeflow.

    Raises:
      ConfigError: an option was given that the other way has no use for; or see `places_of`.
    """
    if config is None:
        if overrides:
            raise ConfigError(
                "--set: goes with --kubeflow only, since runs here have a configuration of their "
                "own; leave it out"
            )
        return places_of(runs, name), None
    given = click.get_current_context().get_parameter_source("runs")
    if name is not None or given is ParameterSource.COMMANDLINE:
        raise ConfigError(
            "--runs and --name: do not go with --kubeflow, whose configuration names both; leave "
            "them out"
        )
    from pipeline.config_file import load_config
    from pipeline.places import Places

    loaded = load_config(config, overrides)
    return Places.on_kubeflow(loaded), loaded


def places_of(runs: str, name: str | None) -> "Places":
    """Where one configuration's runs lie; the only one's that there is where no name is given.

    Raises:
      ConfigError: there are none, or several, or none of that name.
    """
    from pipeline.places import Places

    root = Path(runs).expanduser().resolve()
    known = sorted(p.parent.name for p in root.glob("*/metadata.db"))
    if name is None and len(known) == 1:
        name = known[0]
    if name is None:
        there = (
            f"there are several: {', '.join(known)}; choose one with --name"
            if known
            else ("there are no runs yet; `make run-local` makes one")
        )
        raise ConfigError(f"{root}: {there}")
    if name not in known:
        raise ConfigError(f"{root}: has no runs of {name!r}; it has: {', '.join(known) or 'none'}")
    return Places(root, name)


def run_of(store: "mlmd.MetadataStore", places: "Places", word: str | None) -> "Run":
    """A run of the store by its id; the last one for "last" or None.

    Raises:
      ConfigError: there is none of that id, with those that there are.
    """
    from pipeline.lineage import read_run, run_ids

    known = run_ids(store, places.name)
    last = known[-1] if known else None
    chosen = word if word and word != "last" else last
    found = read_run(store, chosen) if chosen else None
    if found is None:
        raise ConfigError(
            f"{places.home}: knows no run {chosen}; it has: {', '.join(known[-10:]) or 'none'}"
        )
    return found

"""Commands for Kubeflow Pipelines: `graft compile`, `graft submit` and `graft schedule`."""

import datetime
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from pipeline.options import config_argument, json_option, set_option, write_file
from pipeline.shown import echo, print_json

if TYPE_CHECKING:
    from pipeline.kubeflow.schedules import Schedule

param_option = click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Sets a parameter of the pipeline; may be repeated.",
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which cluster, and as whom; `open_cluster` takes them."""
    for option in (
        click.option(
            "--token-file",
            type=click.Path(),
            help="A file with a bearer token; by default $KFP_TOKEN, then the service account's.",
        ),
        click.option("--namespace", help="Yours, where the cluster serves several users."),
        click.option(
            "--host",
            metavar="URL",
            help="Address of the cluster; by default $KF_PIPELINES_ENDPOINT.",
        ),
    ):
        command = option(command)
    return command


@click.command("compile")
@config_argument
@set_option
@click.option(
    "-o",
    "--out",
    default="pipeline.yaml",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The file.",
)
@click.option(
    "--target",
    default="kubeflow",
    show_default=True,
    type=click.Choice(["kubeflow", "vertex"]),
    help="Where it will run; vertex says why it cannot.",
)
def compile_(config: str, overrides: tuple[str, ...], out: str, target: str) -> None:
    """Write the pipeline as Kubeflow Pipelines v2 runs it."""
    from components.errors import ConfigError
    from pipeline.kubeflow.compile import NOT_ON_VERTEX, compile_pipeline

    if target == "vertex":
        raise ConfigError(NOT_ON_VERTEX)
    compiled = compile_pipeline(config, overrides)
    write_file(out, compiled.yaml.encode())
    echo(out)


@click.command()
@config_argument
@set_option
@param_option
@cluster_options
@click.option("--name", help="Of the run; by default the configuration's with the time.")
@click.option("--wait", is_flag=True, help="Follow the run to its end; fail unless it succeeds.")
@click.option(
    "--every",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.01),
    metavar="SECONDS",
    help="How often --wait looks.",
)
@json_option
def submit(
    config: str,
    overrides: tuple[str, ...],
    params: tuple[str, ...],
    name: str | None,
    wait: bool,
    every: float,
    as_json: bool,
    **where: str | None,
) -> None:
    """Run the pipeline on Kubeflow Pipelines, once, now."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.compile import compile_pipeline
    from pipeline.kubeflow.submit import follow, parameters, task_names
    from pipeline.kubeflow.submit import submit as start

    compiled = compile_pipeline(config, overrides)
    values = parameters(compiled, params)
    cluster = open_cluster(**where)
    run_id = start(cluster, compiled, values, name)
    page = cluster.page(f"runs/details/{run_id}")
    answer: dict[str, Any] = {"run_id": run_id, "page": page, "parameters": values}
    say = (lambda line: None) if as_json else echo
    say(f"run {run_id} is submitted: {page}")
    if not wait:
        if as_json:
            print_json(answer)
        return
    try:
        end = follow(cluster, run_id, task_names(compiled), say, every)
    except KeyboardInterrupt as e:
        e.add_note(f"no longer watched; run {run_id} goes on: {page}")
        raise
    if as_json:
        print_json({**answer, "state": end.state, "tasks": end.tasks, "error": end.error})
    elif end.error:
        echo(end.error)
    # Before release 2.5 a run with an exit task succeeds whatever happened before that.
    failed = end.state != "SUCCEEDED" or "FAILED" in end.tasks.values()
    sys.exit(1 if failed else 0)


@click.group()
def schedule() -> None:
    """Have the pipeline run by itself on Kubeflow Pipelines."""


@schedule.command("create")
@config_argument
@set_option
@param_option
@cluster_options
@click.option("--cron", help="Six fields in UTC, seconds first; by default kubeflow.schedule.cron.")
@click.option("--name", help="Of the schedule; by default the configuration's.")
@json_option
def create_schedule(
    config: str,
    overrides: tuple[str, ...],
    params: tuple[str, ...],
    cron: str | None,
    name: str | None,
    as_json: bool,
    **where: str | None,
) -> None:
    """Make a schedule, or change the one of that name to what is said here."""
    from components.errors import ConfigError
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.compile import compile_pipeline
    from pipeline.kubeflow.cron import check_cron
    from pipeline.kubeflow.schedules import create
    from pipeline.kubeflow.submit import parameters

    if cron is not None:
        cron = check_cron(cron)
    compiled = compile_pipeline(config, overrides)
    cron = cron or compiled.config.kubeflow.schedule.cron
    if cron is None:
        raise ConfigError(
            f"{config}: kubeflow.schedule.cron: is not set; set it, or give --cron, such as "
            "'0 0 3 * * *' for every night at three"
        )
    values = parameters(compiled, params)
    made, outcome = create(
        open_cluster(**where), compiled, name or compiled.config.name, cron, values
    )
    if as_json:
        print_json({"outcome": outcome, **_facts(made)})
    else:
        _print(made, outcome)


@schedule.command("list")
@cluster_options
@json_option
def list_schedules(as_json: bool, **where: str | None) -> None:
    """List the schedules of the namespace."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.schedules import find

    found = find(open_cluster(**where))
    if as_json:
        print_json([_facts(each) for each in found])
        return
    for each in found:
        echo(f"{each.name}  {each.cron or ''}  {each.said()}  {_state(each)}")
    if not found:
        echo("there are no schedules; `graft schedule create` makes one")


@schedule.command("show")
@click.argument("name")
@cluster_options
@json_option
def show_schedule(name: str, as_json: bool, **where: str | None) -> None:
    """Say when a schedule runs next, and with what."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.schedules import show

    found = show(open_cluster(**where), name)
    if as_json:
        print_json(_facts(found))
    else:
        _print(found)


@schedule.command("pause")
@click.argument("name")
@cluster_options
def pause_schedule(name: str, **where: str | None) -> None:
    """Let a schedule start no more runs for now."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.schedules import pause

    pause(open_cluster(**where), name)
    echo(f"{name}: paused; `graft schedule resume {name}` goes on")


@schedule.command("resume")
@click.argument("name")
@cluster_options
def resume_schedule(name: str, **where: str | None) -> None:
    """Let a paused schedule start runs again."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.schedules import resume

    _print(resume(open_cluster(**where), name))


@schedule.command("delete")
@click.argument("name")
@cluster_options
def delete_schedule(name: str, **where: str | None) -> None:
    """Remove a schedule; its past runs stay."""
    from pipeline.kubeflow.cluster import open_cluster
    from pipeline.kubeflow.schedules import delete

    delete(open_cluster(**where), name)
    echo(f"{name}: deleted; its past runs stay")


def _state(found: "Schedule") -> str:
    return "runs" if found.enabled else "paused"


def _next(found: "Schedule") -> list[str]:
    times = found.next(datetime.datetime.now(datetime.UTC))
    return [f"{time:%Y-%m-%d %H:%M:%SZ}" for time in times]


def _print(found: "Schedule", outcome: str | None = None) -> None:
    echo(f"{found.name}: {outcome + ', ' if outcome else ''}{_state(found)}")
    echo(f"  cron        {found.cron or '-'} (UTC): {found.said()}")
    goes_on = f"when `graft schedule resume {found.name}` was given"
    times = ", ".join(_next(found)) or "not known"
    echo(f"  next        {times if found.enabled else goes_on}")
    catchup = "left out" if found.no_catchup else "made up for"
    echo(f"  at a time   {found.max_concurrency}; missed runs are {catchup}")
    values = ", ".join(f"{name}={value}" for name, value in found.parameters.items())
    echo(f"  parameters  {values or 'none'}")


def _facts(found: "Schedule") -> dict[str, Any]:
    return {
        "name": found.name,
        "id": found.id,
        "cron": found.cron,
        "every_seconds": found.every_seconds,
        "in_words": found.said(),
        "next": [time.replace(" ", "T") for time in _next(found)],
        "enabled": found.enabled,
        "max_concurrency": found.max_concurrency,
        "no_catchup": found.no_catchup,
        "pipeline_id": found.version.pipeline_id,
        "pipeline_version_id": found.version.id,
        "parameters": found.parameters,
    }

"""One run on the cluster, now; and, where wanted, watched to its end."""

import datetime
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.errors import ClusterError, ConfigError, nearest
from pipeline.kubeflow.cluster import Cluster, Refusal, hushed
from pipeline.kubeflow.compile import check_for_cluster
from pipeline.kubeflow.parameters import CONFIG, configured
from pipeline.kubeflow.upload import experiment, upload

if TYPE_CHECKING:
    from pipeline.kubeflow.compile import Compiled

ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
"""The states that a run does not leave."""

_PATIENCE = 10
"""Looks in a row that may fail before a watch ends: a server restarts, a port-forward breaks."""


@dataclass(frozen=True)
class State:
    """Where a run stands: its state, its tasks' by name, and its error where it failed."""

    state: str
    tasks: dict[str, str] = field(default_factory=dict)
    error: str | None = None


def parameters(compiled: "Compiled", given: tuple[str, ...]) -> dict[str, str]:
    """The values of all parameters of a pipeline, checked as its first task will check them.

    Args:
      compiled: it knows the names and the defaults.
      given: "name=value" texts.

    Raises:
      ConfigError: there is no such parameter, or its value cannot be.
    """
    values = dict(compiled.parameters)
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--param {text}: write name=value")
        if name not in values:
            raise ConfigError(f"--param {text}: there is no such parameter{nearest(name, values)}")
        values[name] = value
    check_for_cluster(configured(values[CONFIG], values))
    return values


def submit(
    cluster: Cluster, compiled: "Compiled", values: dict[str, Any], name: str | None = None
) -> str:
    """Starts a run.

    Args:
      cluster: where.
      compiled: what runs; uploaded as a pipeline version where it is not there yet.
      values: its parameters, by name.
      name: of the run; by default the configuration's with the time, in UTC.

    Returns:
      The run's id.

    Raises:
      ClusterError: the cluster cannot be reached, or refuses it.
    """
    version = upload(cluster, compiled)
    now = datetime.datetime.now(datetime.UTC)
    with hushed():
        run = cluster.client.run_pipeline(
            experiment(cluster, compiled.config.name),
            name or f"{compiled.config.name} {now:%Y-%m-%d %H:%M:%S}",
            params=values,
            pipeline_id=version.pipeline_id,
            version_id=version.id,
            service_account=compiled.config.kubeflow.service_account,
        )
    return run.run_id


def follow(
    cluster: Cluster,
    run_id: str,
    tasks: set[str],
    say: Callable[[str], None],
    seconds: float = 5.0,
) -> State:
    """Watches a run to its end, and says each change of its state and its tasks'.

    kfp.Client's own `wait_for_run_completion` does not end for a run that was cancelled.

    Args:
      cluster: where it runs.
      run_id: which.
      tasks: the names of those to tell of, as `task_names` gives them.
      say: is given a line for each change.
      seconds: between two looks.

    Raises:
      ClusterError: the cluster refuses to answer, or cannot be reached for ten looks in a row;
        the run goes on.
    """
    last, failures = State(""), 0
    while True:
        try:
            now = _state(cluster.client.get_run(run_id), tasks)
            failures = 0
        except ClusterError as e:
            failures += 1
            lasting = isinstance(e, Refusal) and e.status in (401, 403, 404)
            if lasting or failures >= _PATIENCE:
                raise ClusterError(f"run {run_id} is no longer watched, and goes on: {e}") from None
            time.sleep(seconds)
            continue
        for task, state in now.tasks.items():
            if last.tasks.get(task) != state:
                say(f"{task}: {state.lower()}")
        if now.state != last.state:
            say(f"run: {now.state.lower()}")
        if now.state in ENDED:
            return now
        last = now
        time.sleep(seconds)


def task_names(compiled: "Compiled") -> set[str]:
    """The names of a pipeline's tasks, those inside exit handlers and conditions included."""
    import yaml

    spec = next(yaml.safe_load_all(compiled.yaml))
    parts = [spec["root"], *spec.get("components", {}).values()]
    return {name for part in parts for name in part.get("dag", {}).get("tasks", {})}


def _state(run: Any, tasks: set[str]) -> State:
    # The answer lists Kubeflow's own steps too: root, a driver and an executor for each task.
    details = (run.run_details and run.run_details.task_details) or ()
    states = {
        task.display_name: task.state or "PENDING" for task in details if task.display_name in tasks
    }
    error = run.error.message if run.error else None
    return State(run.state or "PENDING", states, error or None)

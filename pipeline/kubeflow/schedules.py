"""Schedules: recurring runs of Kubeflow Pipelines, one a name."""

import datetime
import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.errors import ClusterError, ConfigError, nearest
from pipeline.kubeflow.cluster import Cluster, Refusal
from pipeline.kubeflow.cron import check_cron, in_words, next_times
from pipeline.kubeflow.listing import listed
from pipeline.kubeflow.upload import Version, experiment, upload

if TYPE_CHECKING:
    from pipeline.kubeflow.compile import Compiled

Outcome = Literal["created", "replaced", "unchanged"]


@dataclass(frozen=True)
class Schedule:
    """A recurring run as the cluster has it.

    `cron` is None where another program made it by an interval; `mark` is None where another
    program made it, and else tells apart what `create` was asked for.
    """

    name: str
    id: str
    cron: str | None
    every_seconds: int | None
    enabled: bool
    max_concurrency: int
    no_catchup: bool
    version: Version
    parameters: dict[str, Any]
    mark: str | None

    def said(self) -> str:
        """When it runs, in words."""
        if self.cron is None:
            return f"every {self.every_seconds} s" if self.every_seconds else "never"
        try:
            return in_words(check_cron(self.cron))
        except ConfigError:
            return "not six fields: Kubeflow Pipelines reads it otherwise than cron does"

    def next(self, now: datetime.datetime) -> list[datetime.datetime]:
        """Its next three times in UTC; none while it is paused, or where they are not known."""
        try:
            return next_times(check_cron(self.cron), now) if self.enabled and self.cron else []
        except ConfigError:
            return []


def create(
    cluster: Cluster, compiled: "Compiled", name: str, cron: str, parameters: dict[str, Any]
) -> tuple[Schedule, Outcome]:
    """Makes a schedule, or makes the one of that name what is asked for here.

    The same call twice leaves one schedule; a changed one replaces the earlier. One that was
    paused stays so.

    Args:
      cluster: where.
      compiled: what runs: uploaded as a pipeline version, which the schedule is tied to.
      name: of the schedule.
      cron: six fields, in UTC.
      parameters: of every run, by name.

    Raises:
      ConfigError: the cron is none.
      ClusterError: the cluster cannot be reached, or refuses it. What was there before is still
        there, beside the new one where only the removal failed.
    """
    settings = compiled.config.kubeflow
    cron = check_cron(cron)
    version = upload(cluster, compiled)
    asked: dict[str, Any] = {
        "experiment_id": experiment(cluster, compiled.config.name),
        "job_name": name,
        "cron_expression": cron,
        "max_concurrency": settings.schedule.max_concurrency,
        "no_catchup": settings.schedule.no_catchup,
        "params": parameters,
        "pipeline_id": version.pipeline_id,
        "version_id": version.id,
        "service_account": settings.service_account,
    }
    mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    earlier = find(cluster, name)
    wanted = next((schedule for schedule in earlier if schedule.mark == mark), None)
    outcome: Outcome = "unchanged" if wanted else "replaced" if earlier else "created"
    running = not earlier or any(schedule.enabled for schedule in earlier)

    # A recurring run cannot be changed, so the new one comes first and the earlier goes last: cut
    # off anywhere, at least one is left. Between the two calls both may start a run, once; the
    # other order, or one that enables at the end, may leave a schedule that never runs again, and
    # nobody would be told. Whatever was left over is removed by the next call.
    if wanted is None:
        made = cluster.client.create_recurring_run(
            **asked,
            description=f"graft, configuration {compiled.config.name} ({mark})",
            enabled=running,
        )
        wanted = _schedule(made)
    elif running and not wanted.enabled:
        cluster.client.enable_recurring_run(wanted.id)
    for schedule in earlier:
        if schedule.id != wanted.id:
            _remove(cluster, schedule, "the new one stands, and the earlier one is still beside it")
    return _schedule(cluster.client.get_recurring_run(wanted.id)), outcome


def find(cluster: Cluster, name: str | None = None) -> list[Schedule]:
    """The schedules of the namespace, or those of one name: more than one only by mishap."""
    # kfp.Client lists other namespaces' too unless it is told which, whatever it was opened with.
    namespace = {"namespace": cluster.namespace} if cluster.namespace else {}
    runs = listed(cluster.client.list_recurring_runs, "recurring_runs", name, **namespace)
    return [_schedule(run) for run in runs]


def show(cluster: Cluster, name: str) -> Schedule:
    """The schedule of that name.

    Raises:
      ClusterError: there is none, or by mishap several.
    """
    found = _named(cluster, name)
    if len(found) > 1:
        raise ClusterError(
            f"schedule {name!r}: there are {len(found)} of that name ("
            + ", ".join(schedule.id for schedule in found)
            + "); `graft schedule create` leaves one, `graft schedule delete` none"
        )
    return found[0]


def pause(cluster: Cluster, name: str) -> None:
    """Lets a schedule start no more runs; those that run go on.

    Raises:
      ClusterError: there is none of that name.
    """
    for schedule in _named(cluster, name):
        cluster.client.disable_recurring_run(schedule.id)


def resume(cluster: Cluster, name: str) -> Schedule:
    """Lets a paused schedule start runs again.

    Raises:
      ClusterError: there is none of that name, or several, which would all run.
    """
    schedule = show(cluster, name)
    cluster.client.enable_recurring_run(schedule.id)
    return _schedule(cluster.client.get_recurring_run(schedule.id))


def delete(cluster: Cluster, name: str) -> None:
    """Removes a schedule; its runs, and what they made, stay.

    Raises:
      ClusterError: there is none of that name.
    """
    for schedule in _named(cluster, name):
        _remove(cluster, schedule, "it is still there")


def _named(cluster: Cluster, name: str) -> list[Schedule]:
    found = find(cluster, name)
    if not found:
        known = sorted({schedule.name for schedule in find(cluster)})
        there = nearest(name, known) if known else "; there are none"
        raise ClusterError(f"schedule {name!r}: {cluster.address} has none of that name{there}")
    return found


def _remove(cluster: Cluster, schedule: Schedule, otherwise: str) -> None:
    try:
        cluster.client.delete_recurring_run(schedule.id)
    except ClusterError as e:
        if isinstance(e, Refusal) and e.status == 404:
            return  # Somebody else was quicker, or a repeated call had come through before.
        raise ClusterError(
            f"schedule {schedule.name!r}: {otherwise} ({schedule.id}); give the same command "
            f"again. The cause: {e}"
        ) from None


def _schedule(run: Any) -> Schedule:
    trigger, reference = run.trigger, run.pipeline_version_reference
    cron = trigger.cron_schedule if trigger else None
    periodic = trigger.periodic_schedule if trigger else None
    mark = re.search(r"^graft, .* \(([0-9a-f]{12})\)$", run.description or "")
    return Schedule(
        name=run.display_name,
        id=run.recurring_run_id,
        cron=cron.cron if cron else None,
        every_seconds=int(periodic.interval_second) if periodic else None,
        enabled=run.status == "ENABLED",
        # The server writes 64-bit numbers as texts, and leaves out what is zero or false.
        max_concurrency=int(run.max_concurrency or 0),
        no_catchup=bool(run.no_catchup),
        version=Version(
            (reference.pipeline_id if reference else None) or "",
            (reference.pipeline_version_id if reference else None) or "",
            "",
        ),
        parameters=dict((run.runtime_config and run.runtime_config.parameters) or {}),
        mark=mark[1] if mark else None,
    )

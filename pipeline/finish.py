"""What must stand after every run, good or bad, fresh or cached: push state, report, summary.

TFX gives a cached node no side effects. So what a run promises beyond its artifacts is made
here, from the metadata store and the run id alone, and made again where somebody deleted it.
"""

import contextlib
import logging
import shutil
import time
from typing import Any

import ml_metadata as mlmd

from components.errors import GraftError, RegistryError, StoreError
from components.files import exists
from components.pusher.aliases import UNKNOWN_ALIASES, aliased_contents
from components.pusher.push import is_withdrawn, push
from components.pusher.versions import WITHDRAWN, Withdrawn
from components.registry_pusher.registry import get_registry, restore
from pipeline import lineage
from pipeline.config import Config
from pipeline.places import Places
from pipeline.report.write import write_report
from pipeline.summary import summarize, write_summary

KEPT_SECONDS = 14 * 24 * 3600
"""Checkpoints of a training that was stopped and not started again are kept for two weeks."""


def finish(
    store: mlmd.MetadataStore,
    run_id: str,
    places: Places,
    config: Config,
    seconds: float,
    error: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Restores what a cached run would leave out, writes report and summary.

    Args:
      store: the metadata store.
      run_id: a run that the store knows.
      places: where things lie.
      config: the run's configuration.
      seconds: wall time of the run.
      error: {node, message} of what went wrong outside a node; None as a rule.

    Returns:
      The summary, as written.

    Raises:
      StoreError: not even the summary can be written.
    """
    run = lineage.read_run(store, run_id)
    if run is None:
        raise KeyError(run_id)
    pushed, stands, notes = None, None, list[str]()
    try:
        pushed, notes = restore_push(run, config, places)
        stands = restore_registration(run, config, places)
    except RegistryError as e:
        error = {"node": "RegistryPusher", "message": str(e)}
    except GraftError as e:
        error = {"node": "Pusher", "message": str(e)}
    report = places.report(run_id)
    summary = summarize(run, str(report / "index.html"), seconds)
    summary["pushed"] = pushed
    if run.node("RegistryPusher").state == "cached":
        summary["registered"] = stands
    summary["warnings"] += notes
    _fail(summary, error)
    try:
        _sweep_checkpoints(run, places)
        write_summary(summary, places.summary)
        try:
            earlier = lineage.last_on_other_data(store, places.name, run)
            write_report(run, summary, report, earlier)
        except Exception as e:  # a picture or a page must not take the summary with it
            logging.getLogger(__name__).exception("the report cannot be written")
            _fail(summary, {"node": "report", "message": f"{report}: cannot be written ({e})"})
            write_summary(summary, places.summary)
    except OSError as e:
        raise StoreError(
            f"{e.filename or places.home}: the summary cannot be written ({e.strerror or e}); make "
            "room or access there and run again: what has been done is cached"
        ) from e
    return summary


def _fail(summary: dict[str, Any], error: dict[str, str] | None) -> None:
    """Notes an error, unless there is one already."""
    if error:
        summary["status"], summary["error"] = "failed", summary["error"] or error


def _sweep_checkpoints(run: lineage.Run, places: Places) -> None:
    """Removes the checkpoints of what has been trained, and forgotten ones."""
    model = run.output("Trainer", "model")
    done = model.properties.get("checkpoints") if model else None
    for folder in places.checkpoints.glob("*"):
        with contextlib.suppress(FileNotFoundError):  # another run may sweep there, too
            forgotten = time.time() - folder.stat().st_mtime > KEPT_SECONDS
            if folder.name == f".{done}.lock" or (forgotten and folder.is_file()):
                folder.unlink()
            elif folder.name == done or forgotten:
                shutil.rmtree(folder, ignore_errors=True)


def restore_push(run: lineage.Run, config: Config, places: Places) -> tuple[str | None, list[str]]:
    """Pushes again what a cached node once pushed and somebody deleted since.

    What somebody rolled back from stays away, and comes back once it was promoted.

    Returns:
      The pushed version's folder, or None where the run pushed nothing; and sentences that a user
      should see.
    """
    pusher, model = run.node("Pusher"), run.output("Trainer", "model")
    pushed = pusher.output("pushed_model")
    if not pushed or pushed.properties.get("reason", WITHDRAWN) != WITHDRAWN:
        return None, []
    if pusher.state != "cached" or not model:
        return pushed.properties.get("pushed_destination"), []
    content = pushed.properties["content_hash"]
    destination, keep = places.serving(config.push.destination), config.push.keep
    aliased = aliased_contents(places.registry(config.push), destination, keep)
    folder = model.path("Format-Serving")
    try:
        path = push(folder, destination, content, keep, aliased, unless_withdrawn=True)
    except Withdrawn:
        return None, [f"the model was not pushed: {WITHDRAWN}"]
    return path, [f"{destination}: {UNKNOWN_ALIASES}"] if aliased is None else []


def restore_registration(run: lineage.Run, config: Config, places: Places) -> dict[str, str] | None:
    """Registers again what a cached node once registered, where the registry has lost it.

    What somebody rolled back from, and then perhaps deleted, stays away.

    Returns:
      {registry, name, version} of what stands there now; None where nothing does, or the node was
      not cached.
    """
    node, pushed = run.node("RegistryPusher"), run.output("Pusher", "pushed_model")
    registration = node.output("registration")
    file = registration.path("registration.json") if registration else ""
    if node.state != "cached" or not pushed or not file or not exists(file):
        return None
    spec = places.registry(config.push)
    content, destination = (
        pushed.properties["content_hash"],
        places.serving(config.push.destination),
    )
    if is_withdrawn(destination, content):
        found = get_registry(spec).find(spec["model_name"], content)
    else:
        found = restore(file, spec, champion=config.push.champion == "push")
    return found and {
        "registry": spec["kind"],
        "name": found.name,
        "version": found.version,
    }

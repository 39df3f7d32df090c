"""What must stand after every run, good or bad, fresh or cached: push state, report, summary.

TFX gives a cached node no side effects. So what a run promises beyond its artifacts is made
here, from the metadata store and the run id alone, and made again where somebody deleted it.
"""

from typing import Any

import ml_metadata as mlmd

from components.errors import GraftError, RegistryError
from components.pusher.push import push
from components.registry_pusher.registry import restore
from pipeline import lineage
from pipeline.config import Config
from pipeline.places import Places
from pipeline.report import write_report
from pipeline.summary import summarize, write_summary


def finish(
    store: mlmd.MetadataStore, run_id: str, places: Places, config: Config, seconds: float
) -> dict[str, Any]:
    """Restores what a cached run would leave out, writes report and summary.

    Args:
      store: the metadata store.
      run_id: a run that the store knows.
      places: where things lie.
      config: the run's configuration.
      seconds: wall time of the run.

    Returns:
      The summary, as written.
    """
    run = lineage.read_run(store, run_id)
    if run is None:
        raise KeyError(run_id)
    pushed, error = None, None
    try:
        pushed = restore_push(run, config, places)
        restore_registration(run, config, places)
    except RegistryError as e:
        error = {"node": "RegistryPusher", "message": str(e)}
    except GraftError as e:
        error = {"node": "Pusher", "message": str(e)}
    report = places.report(run_id)
    summary = summarize(run, str(report / "index.html"), seconds)
    summary["pushed"] = pushed or summary["pushed"]
    if error and not summary["error"]:
        summary["status"], summary["error"] = "failed", error
    write_report(run, summary, report)
    write_summary(summary, places.summary)
    return summary


def restore_push(run: lineage.Run, config: Config, places: Places) -> str | None:
    """Pushes again what a cached node once pushed and somebody deleted since.

    Returns:
      The pushed version's folder, or None where the run pushed nothing.
    """
    pusher, model = run.node("Pusher"), run.output("Trainer", "model")
    pushed = pusher.output("pushed_model")
    if not (pushed and model and pushed.properties.get("pushed")):
        return None
    if pusher.state != "cached":
        return pushed.properties["pushed_destination"]
    content = pushed.properties["content_hash"]
    return push(
        model.path("Format-Serving"),
        places.serving(config.push.destination),
        content,
        config.push.keep,
    )


def restore_registration(run: lineage.Run, config: Config, places: Places) -> None:
    """Registers again what a cached node once registered, where the registry has lost it."""
    node = run.node("RegistryPusher")
    registration = node.output("registration")
    if registration and node.state == "cached":
        file = registration.path("registration.json")
        if file.is_file():
            restore(file, places.registry(config))

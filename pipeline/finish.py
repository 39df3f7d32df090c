"""What must stand after every run, good or bad, fresh or cached: push state, report, summary.

TFX gives a cached node no side effects. So what a run promises beyond its artifacts is made
here, from the metadata store and the run id alone, and made again where somebody deleted it.
"""

from typing import Any

import ml_metadata as mlmd

from components.errors import GraftError
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
    report = places.report(run_id)
    summary = summarize(run, str(report / "index.html"), seconds)
    try:
        restored = restore_push(run, config, places)
        if restored:
            summary["pushed"] = restored
    except GraftError as e:
        summary["status"], summary["error"] = "failed", {"node": "Pusher", "message": str(e)}
    write_report(run, summary, report)
    write_summary(summary, places.summary)
    return summary


def restore_push(run: lineage.Run, config: Config, places: Places) -> str | None:
    """Pushes and registers again what a cached node once did and somebody deleted since.

    Returns:
      The pushed version's folder, or None where the run pushed nothing.
    """
    pusher, trainer = run.node("Pusher"), run.node("Trainer")
    pushed, model = pusher.output("pushed_model"), trainer.output("model")
    if not (pushed and model and pushed.properties.get("pushed")):
        return None
    if pusher.state != "cached":
        return pushed.properties["pushed_destination"]
    path = push(
        model.path("Format-Serving"),
        places.serving(config),
        pushed.properties["content_hash"],
        config.push.keep,
    )
    registration = run.output("RegistryPusher", "registration")
    if registration and registration.path("registration.json").is_file():
        restore(registration.path("registration.json"), places.registry(config))
    return str(path)

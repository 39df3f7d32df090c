"""Frees what old runs hold on disk; what the store knows of them, and their reports, stay."""

import dataclasses
import os
import time
from collections.abc import Iterable
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.errors import StoreError
from components.files import names, remove, size
from components.registry_pusher.registry import get_registry
from pipeline import lineage
from pipeline.config_push import Push
from pipeline.places import Places

_VERDICTS = ("ModelBlessing", "InfraBlessing")  # a few bytes each, by which a baseline is found
_FACTS = "facts"  # without pixels; with the groups that hold the split together, for any later run
_GOING_ON_SECONDS = 14 * 24 * 3600.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What would be freed.

    Attributes:
      runs: ids of the runs that stay whole, the oldest first.
      old: ids of the others.
      artifacts: of the old runs, those that nothing needs.
      bytes: how much they hold.
      kept_for: (what needs it, URI) of artifacts of old runs that stay.
    """

    runs: list[str]
    old: list[str]
    artifacts: list[pb.Artifact]
    bytes: int
    kept_for: list[tuple[str, str]]


def plan(store: mlmd.MetadataStore, places: Places, keep: int) -> Plan:
    """Finds what the runs before the newest ones hold that nothing needs any more.

    What stays: all that the newest runs and those still going on have made or read, the latest
    blessed model, every model that a registry alias points at, the champion before the present
    one, which a rollback leads to, and all facts, since a later run takes the groups in them for
    its split.

    Args:
      store: the metadata store.
      places: of the pipeline.
      keep: how many runs stay whole, at least 1.

    Raises:
      RegistryError: the registry does not answer, so nobody knows what its aliases need.
    """
    runs = lineage.run_ids(store, places.name)
    executions = {run_id: _executions(store, run_id) for run_id in runs}
    going_on = {run_id for run_id in runs if _is_going_on(store, run_id)}
    kept = [run_id for run_id in runs if run_id in (*runs[-keep:], *going_on)]
    old = [run_id for run_id in runs if run_id not in kept]

    artifacts = {a.id: a for a in _artifacts(store, places)}
    needed: dict[int, str] = {}
    for run_id in kept:
        ids = [execution.id for execution in executions[run_id]]
        for event in store.get_events_by_execution_ids(ids) if ids else []:
            needed.setdefault(event.artifact_id, f"run {run_id}")
    for model_id, why in _models(store, places, artifacts.values()):
        needed.setdefault(model_id, why)

    types = {t.id: t.name for t in store.get_artifact_types()}
    free = [
        artifact
        for artifact in artifacts.values()
        if artifact.id not in needed
        and types[artifact.type_id] not in _VERDICTS
        and os.path.basename(os.path.dirname(artifact.uri)) != _FACTS
    ]
    of_kept = {f"run {run_id}" for run_id in kept}
    kept_for = [
        (why, artifacts[id].uri)
        for id, why in needed.items()
        if id in artifacts and why not in of_kept
    ]
    return Plan(kept, old, free, sum(size(a.uri) for a in free), kept_for)


def free(store: mlmd.MetadataStore, places: Places, planned: Plan) -> None:
    """Removes what a plan names, and says so in the store, so that no cache counts on it.

    Raises:
      StoreError: something cannot be removed; the same command goes on from there.
    """
    for artifact in planned.artifacts:
        # First the word, then the deed: a kill in between leaves files, never a broken cache.
        artifact.state = pb.Artifact.DELETED
        store.put_artifacts([artifact])
        _remove(artifact.uri)
    system, outputs = (_execution_folders(places, outputs) for outputs in (False, True))
    for run_id in planned.old:
        places.log(run_id).unlink(missing_ok=True)
        for execution in _executions(store, run_id):
            folders = system.get(str(execution.id), [])
            if execution.last_known_state not in lineage.GOOD_STATES:
                folders = [*folders, *outputs.get(str(execution.id), [])]  # nobody can read them
            for folder in folders:
                _remove(folder)


def _executions(store: mlmd.MetadataStore, run_id: str) -> list[pb.Execution]:
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    return list(store.get_executions_by_context(context.id)) if context else []


def _artifacts(store: mlmd.MetadataStore, places: Places) -> list[pb.Artifact]:
    """Those of the pipeline that are still there, and lie where its runs put them."""
    context = store.get_context_by_type_and_name("pipeline", places.name)
    found = store.get_artifacts_by_context(context.id) if context else []
    root = places.artifacts.rstrip("/") + "/"
    return [a for a in found if a.state != pb.Artifact.DELETED and a.uri.startswith(root)]


def _is_going_on(store: mlmd.MetadataStore, run_id: str) -> bool:
    """Whether a run may still be at work: neither failed nor through, and not forgotten."""
    run = lineage.read_run(store, run_id)
    if run is None or time.time() - run.started > _GOING_ON_SECONDS:
        return False
    states = [node.state for node in run.nodes]
    at_work = any(
        execution.last_known_state in (pb.Execution.NEW, pb.Execution.RUNNING)
        for execution in _executions(store, run_id)
    )
    return at_work or ("skipped" in states and "failed" not in states)


def _models(
    store: mlmd.MetadataStore, places: Places, artifacts: Iterable[pb.Artifact]
) -> list[tuple[int, str]]:
    """The models that must stay, by id, each with what needs it."""
    types = {t.id: t.name for t in store.get_artifact_types()}
    of = {
        name: [a for a in artifacts if types[a.type_id] == name] for name in ("Model", *_VERDICTS)
    }
    blessed = {_number(b, "current_model_id") for b in of["ModelBlessing"] if _number(b, "blessed")}
    there = {a.id for a in of["Model"]}
    found = []
    for passed in sorted(of["InfraBlessing"], key=lambda b: b.id, reverse=True):
        model_id = _number(passed, "current_model_id")
        if _number(passed, "blessed") and model_id in blessed and model_id in there:
            found.append((model_id, "the latest blessed model"))
            break
    aliases = _aliases(store, places)
    for model in of["Model"]:
        if alias := aliases.get(_text(model, "content_hash")):
            found.append((model.id, f"the registry's alias {', '.join(alias)}"))
    return found


def _aliases(store: mlmd.MetadataStore, places: Places) -> dict[str, list[str]]:
    """The aliases of the registries that the pipeline's runs have used, and the champion before
    the present one; by content hash."""
    specs: list[dict[str, Any]] = []
    for run_id in lineage.run_ids(store, places.name):
        config = lineage.run_config(store, places.name, run_id)
        spec = places.registry(Push.model_validate(config["push"]))
        if spec["kind"] != "none" and spec not in specs:
            specs.append(spec)
    found: dict[str, list[str]] = {}
    for spec in specs:
        registry = get_registry(spec)
        before = registry.champions(spec["model_name"])[-2:-1]
        for version in registry.versions(spec["model_name"]):
            needed = version.aliases or ["champion before"] * (version.version in before)
            if needed:
                found.setdefault(version.content_hash, []).extend(needed)
    return found


def _number(artifact: pb.Artifact, name: str) -> int:
    return artifact.custom_properties[name].int_value if name in artifact.custom_properties else 0


def _text(entry: Any, name: str) -> str:
    return entry.custom_properties[name].string_value if name in entry.custom_properties else ""


def _execution_folders(places: Places, outputs: bool) -> dict[str, list[str]]:
    """The folders of executions, by the execution's id: what TFX keeps beside the artifacts, or
    all that lies where the outputs go, known to the store or not."""
    found: dict[str, list[str]] = {}
    for node in names(places.artifacts):
        home = os.path.join(places.artifacts, node)
        system = os.path.join(".system", "executor_execution")
        for inside in [key for key in names(home) if key != ".system"] if outputs else [system]:
            for id in names(os.path.join(home, inside)):
                found.setdefault(id, []).append(os.path.join(home, inside, id))
    return found


def _remove(uri: str) -> None:
    try:
        remove(uri)
    except OSError as e:
        raise StoreError(
            f"{uri}: cannot be removed ({e}); make it yours to remove, and give the command again"
        ) from None

"""The steps by which MLflow is told of a version and made to forget it; each may be repeated.

Every step looks first for what an earlier call has left of it, by the tag `content_hash`.
"""

import functools
import tempfile
import time
from pathlib import Path
from typing import Any

from components.harmless import harmless_json
from components.registry_pusher import mlflow_client, mlflow_model
from components.registry_pusher.mlflow_client import GONE, THERE, unless
from components.registry_pusher.mlflow_tags import (
    description,
    model_version,
    run_metrics,
    run_params,
    run_tags,
    version_tags,
)
from components.registry_pusher.registry import Entry, ModelVersion

Found = tuple[ModelVersion, dict[str, str]]  # a version, and all its tags


def find_run(client: Any, experiment: str, entry: Entry) -> str:
    """The MLflow run of this content, made if there is none. Returns its id."""
    same = f"tags.content_hash = '{entry.content_hash}'"
    for run in client.search_runs([experiment], same, order_by=["attributes.start_time ASC"]):
        return run.info.run_id
    tags = {"content_hash": entry.content_hash}
    return client.create_run(experiment, run_name=entry.run_id or None, tags=tags).info.run_id


def log(client: Any, run_id: str, entry: Entry) -> None:
    """Gives the run all that is known, and the files; passes over what it has already."""
    from mlflow.entities import Metric, Param, RunTag

    data = client.get_run(run_id).data
    tags = [RunTag(*item) for item in run_tags(entry).items()]
    params = [Param(*item) for item in run_params(entry).items() if item[0] not in data.params]
    now = int(time.time() * 1000)
    metrics = [
        Metric(key, float(value), now, 0)
        for key, value in run_metrics(entry).items()
        if key not in data.metrics
    ]
    client.log_batch(run_id, metrics=metrics, tags=tags)
    for start in range(0, len(params), 100):  # as many as one request may hold
        client.log_batch(run_id, params=params[start : start + 100])
    client.log_text(run_id, harmless_json(entry.to_json(), indent=2), "entry.json")

    with entry.model_folder() as source:
        client.log_artifacts(run_id, str(source), f"model/{mlflow_model.SAVED_MODEL}")
    with tempfile.TemporaryDirectory() as folder:
        mlflow_model.write_mlmodel(Path(folder), entry, run_id)
        client.log_artifacts(run_id, folder, "model")
    client.set_terminated(run_id)


def make_version(client: Any, run_id: str, entry: Entry) -> ModelVersion:
    """The version of this content, made if there is none.

    Without a lock two pushers may both make one: then both see both, and the lower number stays.
    """

    def same() -> list[ModelVersion]:
        versions = [
            version
            for version, tags in read_versions(client, entry.name)
            if tags.get("content_hash") == entry.content_hash
        ]
        return sorted(versions, key=lambda version: int(version.version))

    if not same():
        unless(THERE, lambda: client.create_registered_model(entry.name))
        source = f"{client.get_run(run_id).info.artifact_uri}/model"
        client.create_model_version(
            entry.name,
            source,
            run_id,
            tags=version_tags(entry),
            description=description(entry),
            await_creation_for=0,
        )
    first, *others = same()
    for other in others:
        remove = functools.partial(client.delete_model_version, entry.name, other.version)
        unless(GONE, remove)  # the other pusher may be the quicker one
    return first


def delete(client: Any, uri: str, name: str, version: str) -> None:
    """Removes files, run and version, the version last: as long as it stands, the rest is found.

    Files and run stay where the same content has a version under another name, too.
    """
    it = client.get_model_version(name, version)
    if it.tags.get("content_hash") and it.run_id:  # by other hands: their run is theirs
        if len(client.search_model_versions(f"run_id = '{it.run_id}'")) == 1:
            mlflow_client.remove_files(it.source.removesuffix("/model"), uri)
            unless(GONE, lambda: _delete_run(client, it.run_id))  # `mlflow gc` may have taken it
    unless(GONE, lambda: client.delete_model_version(name, version))


def read_versions(client: Any, name: str) -> list[Found]:
    """All versions of a model by MLflow's client, newest first."""
    from mlflow.exceptions import MlflowException

    try:
        aliases = client.get_registered_model(name).aliases
    except MlflowException as e:
        if e.error_code == GONE:
            return []
        raise
    found, token = [], None
    while token != "":
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        token = page.token or ""
        found += page
    return [
        (
            model_version(
                name,
                it.version,
                [alias for alias, version in aliases.items() if str(version) == str(it.version)],
                it.creation_timestamp,
                it.source,
                it.tags,
            ),
            dict(it.tags),
        )
        for it in sorted(found, key=lambda it: int(it.version), reverse=True)
    ]


def _delete_run(client: Any, run_id: str) -> None:
    if client.get_run(run_id).info.lifecycle_stage != "deleted":
        client.delete_run(run_id)

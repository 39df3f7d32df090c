"""MLflow as a model registry: a SQLite file by default, or a server.

A registration is: an MLflow run with parameters, metrics, tags and the model's files; a version
of the registered model that points to them; the alias "challenger". Each step looks first for
what an earlier, killed one left, by the tag `content_hash`. A version keeps its number where its
files or its run are lost (`mlflow gc`): the files come back to where it says that they are.
"""

import errno
import functools
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from components.errors import GraftError, RegistryError
from components.registry_pusher import mlflow_client, mlflow_model, mlflow_sqlite
from components.registry_pusher.addresses import (
    address_of,
    check_address,
    check_name,
    path_of,
    redacted,
)
from components.registry_pusher.mlflow_client import GONE, THERE, unless
from components.registry_pusher.mlflow_tags import (
    COMPLETE,
    model_version,
    run_params,
    version_tags,
)
from components.registry_pusher.patience import NoAnswer, patiently
from components.registry_pusher.registry import Entry, ModelVersion, Registered

ALIAS = "challenger"
_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC)
_TRANSIENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")

T = TypeVar("T")
Found = tuple[ModelVersion, dict[str, str]]  # a version, and all its tags


class MlflowRegistry:
    """See `components.registry_pusher.registry.Registry`.

    Attributes:
      kind: "mlflow".
      address: the tracking URI, without a password.
    """

    kind = "mlflow"

    def __init__(self, uri: str):
        """Args:
        uri: sqlite:///PATH, http(s)://SERVER, or another database that MLflow has a driver for.

        Raises:
          ConfigError: it is no address of that kind.
        """
        check_address(uri)
        self._file = path_of(uri)
        self._uri = address_of(self._file) if self._file else uri
        self.address = redacted(self._uri)

    def register(self, entry: Entry, challenger: bool = True) -> Registered:
        """See Registry.register."""
        check_name(entry.name)

        def work() -> Registered:
            done = self._complete(self._read(entry.name), entry.content_hash)
            if done and self._has_files(done) and (ALIAS in done.aliases or not challenger):
                return _registered(done)
            with self._alone():
                return self._register(entry, challenger)

        return self._patiently(work)

    def find(self, name: str, content_hash: str) -> Registered | None:
        """See Registry.find."""
        done = self._patiently(lambda: self._complete(self._read(name), content_hash))
        return _registered(done) if done else None

    def versions(self, name: str) -> list[ModelVersion]:
        """See Registry.versions."""
        return self._patiently(lambda: [version for version, _ in self._read(name)])

    def _register(self, entry: Entry, challenger: bool) -> Registered:
        """All steps; whichever an earlier call has done changes nothing."""
        client = mlflow_client.client(self._uri)
        before = self._complete(_versions(client, entry.name), entry.content_hash)
        version = before or self._made(client, entry)
        if not self._has_files(version):
            run_id = client.get_model_version(entry.name, version.version).run_id
            mlflow_model.write_whole(_folder(version), entry, run_id)
        if challenger or not before:
            client.set_registered_model_alias(entry.name, ALIAS, version.version)
        if not before:
            client.set_model_version_tag(entry.name, version.version, COMPLETE, "complete")
        elif challenger and entry.pushed_path:
            client.set_model_version_tag(
                entry.name, version.version, "pushed_path", entry.pushed_path
            )
        return _registered(version, created=not before)

    def _made(self, client: Any, entry: Entry) -> ModelVersion:
        """A version with its MLflow run and its files; what there is of them is used."""
        experiment = self._experiment(client, entry.pipeline or entry.name)
        run_id = _run(client, experiment, entry)
        _log(client, run_id, entry)
        return _version(client, run_id, entry)

    def _read(self, name: str) -> list[Found]:
        if self._file:
            found = mlflow_sqlite.read_versions(self._file, name)
            if found is not None:
                return found
        return _versions(mlflow_client.client(self._uri), name)

    @staticmethod
    def _complete(found: list[Found], content_hash: str) -> ModelVersion | None:
        for version, tags in found:
            if tags.get("content_hash") == content_hash and COMPLETE in tags:
                return version
        return None

    def _has_files(self, version: ModelVersion) -> bool:
        """Whether a version's files still lie on this machine; a server or a bucket is trusted."""
        here = self._file and urllib.parse.urlparse(version.uri).scheme in ("", "file")
        return not here or (_folder(version) / "MLmodel").is_file()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps out other writers, as far as that can be done; `_version` does the rest."""
        mlflow_client.import_quietly()
        with mlflow_sqlite.held(self._file) if self._file else nullcontext():
            yield

    def _experiment(self, client: Any, name: str) -> str:
        found = client.get_experiment_by_name(name)
        if not found:
            root = None  # a server knows its own
            if self._file:
                root = f"{mlflow_sqlite.artifact_root(self._file)}/{urllib.parse.quote(name)}"
            unless(THERE, lambda: client.create_experiment(name, artifact_location=root))
            found = client.get_experiment_by_name(name)
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _patiently(self, action: Callable[[], T]) -> T:
        """Tries again what fails for want of an answer; every action may be repeated."""

        def once() -> T:
            try:
                return action()
            except GraftError:
                raise
            except Exception as e:
                if not _is_mlflows(e):
                    raise
                reason = redacted((str(e).strip().splitlines() or [type(e).__name__])[0][:300])
                if _may_pass(e):
                    raise NoAnswer(reason) from e
                raise RegistryError(
                    f"MLflow at {self.address} refuses: {reason}; correct that, or "
                    "push.model_name and push.registry_uri, and run again"
                ) from e

        return patiently(once, f"MLflow at {self.address}")


def _registered(version: ModelVersion, created: bool = False) -> Registered:
    return Registered(version.name, version.version, created, version.uri)


def _folder(version: ModelVersion) -> Path:
    """Where a version's files lie, on this machine."""
    return Path(urllib.parse.unquote(urllib.parse.urlparse(version.uri).path))


def _run(client: Any, experiment: str, entry: Entry) -> str:
    """The MLflow run of this content, made if there is none. Returns its id."""
    same = f"tags.content_hash = '{entry.content_hash}'"
    for run in client.search_runs([experiment], same, order_by=["attributes.start_time ASC"]):
        return run.info.run_id
    tags = {"content_hash": entry.content_hash}
    return client.create_run(experiment, run_name=entry.run_id or None, tags=tags).info.run_id


def _log(client: Any, run_id: str, entry: Entry) -> None:
    """Gives the run all that is known, and the files; passes over what it has already."""
    from mlflow.entities import Metric, Param, RunTag

    data = client.get_run(run_id).data
    tags = [RunTag(*item) for item in version_tags(entry).items()]
    params = [Param(*item) for item in run_params(entry).items() if item[0] not in data.params]
    now = int(time.time() * 1000)
    metrics = [
        Metric(key, float(value), now, 0)
        for key, value in entry.metrics.items()
        if key not in data.metrics
    ]
    client.log_batch(run_id, metrics=metrics, tags=tags)
    for start in range(0, len(params), 100):  # as many as one request may hold
        client.log_batch(run_id, params=params[start : start + 100])
    client.log_dict(run_id, entry.to_json(), "entry.json")

    with entry.model_folder() as source:
        client.log_artifacts(run_id, str(source), f"model/{mlflow_model.SAVED_MODEL}")
    with tempfile.TemporaryDirectory() as folder:
        mlflow_model.write_mlmodel(Path(folder), entry, run_id)
        client.log_artifacts(run_id, folder, "model")
    client.set_terminated(run_id)


def _version(client: Any, run_id: str, entry: Entry) -> ModelVersion:
    """The version of this content, made if there is none.

    Without a lock two pushers may both make one: then both see both, and the lower number stays.
    """

    def same() -> list[ModelVersion]:
        versions = [
            version
            for version, tags in _versions(client, entry.name)
            if tags.get("content_hash") == entry.content_hash
        ]
        return sorted(versions, key=lambda version: int(version.version))

    if not same():
        unless(THERE, lambda: client.create_registered_model(entry.name))
        source = f"{client.get_run(run_id).info.artifact_uri}/model"
        client.create_model_version(
            entry.name, source, run_id, tags=version_tags(entry), await_creation_for=0
        )
    first, *others = same()
    for other in others:
        remove = functools.partial(client.delete_model_version, entry.name, other.version)
        unless(GONE, remove)  # the other pusher may be the quicker one
    return first


def _versions(client: Any, name: str) -> list[Found]:
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


def _is_mlflows(e: Exception) -> bool:
    """Whether an exception comes from MLflow, its database or the network."""
    return isinstance(e, OSError) or type(e).__module__.split(".")[0] in ("mlflow", "sqlalchemy")


def _may_pass(e: Exception) -> bool:
    """Whether another try could help: no answer, rather than a clear refusal."""
    if isinstance(e, OSError) and e.errno in _DISK:
        return False
    return getattr(e, "error_code", _TRANSIENT[0]) in _TRANSIENT

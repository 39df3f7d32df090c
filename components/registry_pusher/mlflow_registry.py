"""MLflow as a model registry: a SQLite file by default, or a server.

A registration is: an MLflow run with parameters, metrics, tags and the model's files; a version
of the registered model that points to them; the alias "challenger". Each step looks first for
what an earlier, killed one left, by the tag `content_hash`. A version keeps its number where its
files or its run are lost (`mlflow gc`): the files come back to where it says that they are.

The champion is the alias "champion"; those before it stand in a tag of the registered model.
"""

import dataclasses
import errno
import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from components.errors import GraftError, RegistryError
from components.files import read_json
from components.registry_pusher import mlflow_client, mlflow_model, mlflow_sqlite, mlflow_steps
from components.registry_pusher.addresses import (
    address_of,
    check_address,
    check_name,
    path_of,
    redacted,
)
from components.registry_pusher.mlflow_client import THERE, unless
from components.registry_pusher.mlflow_steps import Found
from components.registry_pusher.mlflow_tags import CHAMPIONS, COMPLETE, read_champions
from components.registry_pusher.patience import NoAnswer, patiently
from components.registry_pusher.registry import Entry, ModelVersion, Registered

ALIAS, CHAMPION = "challenger", "champion"
MOST_CHAMPIONS = 100
_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC)
_TRANSIENT = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED")

T = TypeVar("T")


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

    def register(self, entry: Entry, challenger: bool = True, champion: bool = False) -> Registered:
        """See Registry.register."""
        check_name(entry.name)
        wanted = {alias for alias, asked in ((ALIAS, challenger), (CHAMPION, champion)) if asked}

        def work() -> Registered:
            done = self._complete(self._read(entry.name), entry.content_hash)
            if done and self._has_files(done) and wanted <= set(done.aliases):
                return _registered(done)
            with self._alone():
                return self._register(entry, challenger, champion)

        return self._patiently(work)

    def find(self, name: str, content_hash: str) -> Registered | None:
        """See Registry.find."""
        done = self._patiently(lambda: self._complete(self._read(name), content_hash))
        return _registered(done) if done else None

    def versions(self, name: str) -> list[ModelVersion]:
        """See Registry.versions."""
        return self._patiently(lambda: [it for it, tags in self._read(name) if _is_whole(tags)])

    def entry(self, name: str, version: str) -> Entry | None:
        """See Registry.entry."""

        def work() -> Entry | None:
            for it, tags in self._read(name):
                if it.version == version and _is_whole(tags):
                    if COMPLETE not in tags:
                        return None
                    # The file is shared with other names of this content, and as old as the run.
                    told = self._entry(it)
                    path = tags.get("pushed_path", told.pushed_path)
                    return dataclasses.replace(told, name=name, pushed_path=path)
            raise RegistryError(f"{name}: MLflow at {self.address} has no version {version} of it")

        return self._patiently(work)

    def champions(self, name: str) -> list[str]:
        """See Registry.champions."""

        def work() -> list[str]:
            holders = [it.version for it, _ in self._read(name) if CHAMPION in it.aliases]
            return read_champions(self._tag(name), holders[0]) if holders else []

        return self._patiently(work)

    def set_champions(self, name: str, versions: list[str]) -> None:
        """See Registry.set_champions."""

        def work() -> None:
            with self._alone():
                self._set_champions(mlflow_client.client(self._uri), name, versions)

        self._patiently(work)

    def delete(self, name: str, version: str) -> None:
        """See Registry.delete. The run is deleted as MLflow does it: `mlflow gc` takes its rest."""

        def work() -> None:
            if any(it.version == version for it, _ in self._read(name)):
                with self._alone():
                    mlflow_steps.delete(mlflow_client.client(self._uri), self._uri, name, version)

        self._patiently(work)

    def _register(self, entry: Entry, challenger: bool, champion: bool) -> Registered:
        """All steps; whichever an earlier call has done changes nothing."""
        client = mlflow_client.client(self._uri)
        before = self._complete(mlflow_steps.read_versions(client, entry.name), entry.content_hash)
        version = before or self._made(client, entry)
        if not self._has_files(version):
            run_id = client.get_model_version(entry.name, version.version).run_id
            mlflow_model.write_whole(_folder(version), entry, run_id)
        if challenger:
            client.set_registered_model_alias(entry.name, ALIAS, version.version)
        if not before:
            client.set_model_version_tag(entry.name, version.version, COMPLETE, "complete")
        elif challenger and entry.pushed_path:
            client.set_model_version_tag(
                entry.name, version.version, "pushed_path", entry.pushed_path
            )
        if champion:
            others = [it for it in self.champions(entry.name) if it != version.version]
            self._set_champions(client, entry.name, [*others, version.version])
        return _registered(version, created=not before)

    @staticmethod
    def _set_champions(client: Any, name: str, versions: list[str]) -> None:
        # The alias last: it is the truth, and whoever is killed before it has changed nothing.
        client.set_registered_model_tag(name, CHAMPIONS, json.dumps(versions[-MOST_CHAMPIONS:]))
        client.set_registered_model_alias(name, CHAMPION, versions[-1])

    def _tag(self, name: str) -> str:
        """The list of champions as it is written down."""
        found = mlflow_sqlite.read_tag(self._file, name, CHAMPIONS) if self._file else None
        if found is None:
            model = mlflow_client.client(self._uri).get_registered_model(name)
            found = model.tags.get(CHAMPIONS, "")
        return found

    def _entry(self, version: ModelVersion) -> Entry:
        """What was told of a whole version, from the file beside its model."""
        uri = f"{version.uri.rpartition('/')[0]}/entry.json"
        try:
            if _is_here(version):
                told = read_json(_folder(version).with_name("entry.json"))
            else:
                with mlflow_client.downloaded(uri, self._uri) as path:
                    told = read_json(path)
            return Entry.from_json(told)
        except (FileNotFoundError, ValueError, TypeError) as e:
            raise RegistryError(
                f"{uri}: what was told of version {version.version} of {version.name} cannot be "
                f"read ({e}); run the pipeline that made it, which registers it again"
            ) from None

    def _made(self, client: Any, entry: Entry) -> ModelVersion:
        """A version with its MLflow run and its files; what there is of them is used."""
        experiment = self._experiment(client, entry.pipeline or entry.name)
        run_id = mlflow_steps.find_run(client, experiment, entry)
        mlflow_steps.log(client, run_id, entry)
        return mlflow_steps.make_version(client, run_id, entry)

    def _read(self, name: str) -> list[Found]:
        if self._file:
            found = mlflow_sqlite.read_versions(self._file, name)
            if found is not None:
                return found
        return mlflow_steps.read_versions(mlflow_client.client(self._uri), name)

    @staticmethod
    def _complete(found: list[Found], content_hash: str) -> ModelVersion | None:
        for version, tags in found:
            if tags.get("content_hash") == content_hash and COMPLETE in tags:
                return version
        return None

    def _has_files(self, version: ModelVersion) -> bool:
        """Whether a version's files still lie on this machine; a server or a bucket is trusted."""
        return not (self._file and _is_here(version)) or (_folder(version) / "MLmodel").is_file()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keeps out other writers, as far as that can be done; `make_version` does the rest."""
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
                if "out-of-date database schema" in str(e):
                    raise RegistryError(
                        f"MLflow at {self.address}: the database is of another MLflow release; "
                        f"back it up, then bring it up to date: `mlflow db upgrade {self.address}`"
                    ) from e
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


def _is_whole(tags: dict[str, str]) -> bool:
    """Whether a version is no half-done registration: a whole one, or one by other hands."""
    return COMPLETE in tags or "content_hash" not in tags


def _is_here(version: ModelVersion) -> bool:
    return urllib.parse.urlparse(version.uri).scheme in ("", "file")


def _folder(version: ModelVersion) -> Path:
    """Where a version's files lie, on this machine."""
    return Path(urllib.parse.unquote(urllib.parse.urlparse(version.uri).path))


def _is_mlflows(e: Exception) -> bool:
    """Whether an exception comes from MLflow, its database or the network."""
    return isinstance(e, OSError) or type(e).__module__.split(".")[0] in ("mlflow", "sqlalchemy")


def _may_pass(e: Exception) -> bool:
    """Whether another try could help: no answer, rather than a clear refusal."""
    if isinstance(e, OSError) and e.errno in _DISK:
        return False
    return getattr(e, "error_code", _TRANSIENT[0]) in _TRANSIENT

"""An MLflow store that is one SQLite file: made whole, locked, and read without MLflow.

Importing MLflow takes about five seconds, which a question that one query answers should not
cost. So reading goes to the tables themselves, where they are as expected.
"""

import glob
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import filelock

from components.errors import RegistryError
from components.registry_pusher.addresses import address_of
from components.registry_pusher.mlflow_tags import model_version
from components.registry_pusher.registry import ModelVersion

LOCK_SECONDS = 600.0


def read_versions(path: Path, name: str) -> list[tuple[ModelVersion, dict[str, str]]] | None:
    """Reads all versions of a model, newest first, each with all its tags.

    Returns:
      None where MLflow itself must be asked: its tables are not as this module knows them, or
      the file is in use.

    Raises:
      RegistryError: the file is no SQLite database.
    """
    if not path.exists() or not path.stat().st_size:
        return []
    where = "name = ? AND workspace = 'default'"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            rows = store.execute(
                "SELECT version, creation_time, source FROM model_versions "
                f"WHERE {where} AND current_stage != 'Deleted_Internal' ORDER BY version DESC",
                (name,),
            ).fetchall()
            tags: dict[int, dict[str, str]] = {}
            for version, key, value in store.execute(
                f"SELECT version, key, value FROM model_version_tags WHERE {where}", (name,)
            ):
                tags.setdefault(version, {})[key] = value
            aliases: dict[int, list[str]] = {}
            for version, alias in store.execute(
                f"SELECT version, alias FROM registered_model_aliases WHERE {where}", (name,)
            ):
                aliases.setdefault(version, []).append(alias)
    except sqlite3.OperationalError:
        return None
    except sqlite3.DatabaseError as e:
        raise RegistryError(
            f"{path}: is no SQLite database that can be read ({e}); move it away, and the models "
            "are registered again, or set push.registry_uri to another one"
        ) from None
    return [
        (
            model_version(name, version, aliases.get(version, []), created, source, tags_of),
            tags_of,
        )
        for version, created, source in rows
        for tags_of in [tags.get(version, {})]
    ]


def read_tag(path: Path, name: str, key: str) -> str | None:
    """Reads a tag of a registered model, "" where it has none; None where MLflow must be asked."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            row = store.execute(
                "SELECT value FROM registered_model_tags "
                "WHERE name = ? AND workspace = 'default' AND key = ?",
                (name, key),
            ).fetchone()
    except sqlite3.DatabaseError:
        return None
    return row[0] if row else ""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Holds the store for one writer on this machine, and makes it first if it is not there.

    Raises:
      RegistryError: another one holds it too long, or it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_SECONDS):
            if not path.exists() or not path.stat().st_size:
                _make(path)
            yield
    except filelock.Timeout:
        raise RegistryError(
            f"{path}: another process has been writing for {LOCK_SECONDS:.0f} s; end it first"
        ) from None


def artifact_root(path: Path) -> str:
    """Where the models of a store lie: beside it, in the folder that MLflow's server uses too."""
    return (path.parent / "mlartifacts").as_uri()


def _make(path: Path) -> None:
    """Makes an empty store under another name, then renames it.

    MLflow builds its tables by some seventy migrations, SQLite keeps each apart, and a store that
    was killed half way through can never be opened again.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    partial = path.with_name(f".{path.name}.partial")
    for leftover in path.parent.glob(f"{glob.escape(partial.name)}*"):
        leftover.unlink()
    event.listen(Engine, "connect", _hurry)
    try:
        store = SqlAlchemyStore(address_of(partial), artifact_root(path))
        store.engine.dispose()
    finally:
        event.remove(Engine, "connect", _hurry)
    with partial.open("rb") as f:
        os.fsync(f.fileno())
    os.replace(partial, path)


def _hurry(connection: Any, _: Any) -> None:
    """Does not wait for the disk at each of hundreds of steps: once at the end is enough."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

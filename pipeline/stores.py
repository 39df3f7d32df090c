"""Metadata stores by their address: a SQLite file here, a MySQL server for many machines."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.errors import ConfigError, StoreError
from components.registry_pusher.addresses import holds_secret

if TYPE_CHECKING:
    import ml_metadata as mlmd
    from ml_metadata.proto import metadata_store_pb2 as pb

USER, PASSWORD = "GRAFT_METADATA_USER", "GRAFT_METADATA_PASSWORD"
"""Environment variables with which a server is logged in to."""

_PORT = 3306
_MEANWHILE = ("concurrent", "Deadlock")
_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 16.0)  # seconds


def check_uri(uri: str) -> None:
    """Checks the address of a metadata store that many machines can share.

    Raises:
      ConfigError: it is none, with the reason.
    """
    if holds_secret(uri) or "?" in uri or "#" in uri:
        # Without the address itself, which may hold a password.
        raise ConfigError(
            "holds a user, a password or options, which would stand in every report and log; give "
            "mysql://HOST:PORT/DATABASE: the rest comes from the secret"
        )
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{uri}: has no valid port; give mysql://HOST:PORT/DATABASE") from None
    if parts.username:
        raise ConfigError(f"{uri}: names a user; remove it: user and password come from the secret")
    if parts.scheme in ("sqlite", "file", "") or uri.endswith(".db"):
        raise ConfigError(
            f"{uri}: SQLite lets one machine write; tasks on a cluster are many, and a file lock "
            "over a network is none; give mysql://HOST:PORT/DATABASE"
        )
    if parts.scheme in ("postgres", "postgresql"):
        raise ConfigError(
            f"{uri}: with PostgreSQL ML Metadata loses the results of cached nodes and cannot "
            "write errors down (tried with TFX 1.16); give mysql://HOST:PORT/DATABASE"
        )
    if parts.scheme != "mysql":
        raise ConfigError(f"{uri}: the store is MySQL or MariaDB; give mysql://HOST:PORT/DATABASE")
    if not parts.hostname or not parts.path.strip("/") or "/" in parts.path.strip("/") or port == 0:
        raise ConfigError(f"{uri}: give mysql://HOST:PORT/DATABASE")


def connection(address: str | Path) -> "pb.ConnectionConfig":
    """How ML Metadata connects.

    Args:
      address: a SQLite file, or mysql://HOST[:PORT]/DATABASE; then user and password are taken
        from the environment.

    Raises:
      ConfigError: the variables are not set.
    """
    from ml_metadata.proto import metadata_store_pb2 as pb

    config = pb.ConnectionConfig()
    if "://" not in str(address):
        config.sqlite.filename_uri = str(address)
        config.sqlite.connection_mode = pb.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        return config
    parts = urlsplit(str(address))
    for name in (USER, PASSWORD):
        if name not in os.environ:
            raise ConfigError(f"{address}: the environment variable {name} is not set; set it")
    config.mysql.host, config.mysql.port = parts.hostname or "", parts.port or _PORT
    config.mysql.database = parts.path.strip("/")
    config.mysql.user, config.mysql.password = os.environ[USER], os.environ[PASSWORD]
    # Two transactions of ML Metadata at once may deadlock; the loser is tried again.
    config.retry_options.max_num_retries = 5
    return config


def open_store(address: str | Path) -> "mlmd.MetadataStore":
    """Opens a metadata store, making its tables where there are none.

    Args:
      address: see `connection`.

    Raises:
      StoreError: the file is something else, or damaged, or cannot be written; or the server
        cannot be reached.
    """
    import ml_metadata as mlmd

    config = connection(address)
    try:
        for wait in _WAITS:
            try:
                return mlmd.MetadataStore(config)
            except Exception as e:  # mlmd raises what its C++ code happens to
                # Of two that open an empty database at once, one waits for the tables of the other.
                if not any(sign in str(e) for sign in _MEANWHILE):
                    raise
                time.sleep(wait)
        return mlmd.MetadataStore(config)
    except Exception as e:
        reason = (str(e).splitlines() or [type(e).__name__])[0][:200]
        if "://" in str(address):
            raise StoreError(
                f"{address}: the metadata store cannot be opened ({reason}); see that the server "
                f"runs, that the database is there, and what {USER} and {PASSWORD} hold"
            ) from None
        raise StoreError(
            f"{address}: cannot be opened as a metadata store ({reason}); "
            "restore it from a copy, or move it away: the next run then begins anew"
        ) from None

"""MLflow's client, imported late and kept quiet."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import RegistryError

THERE, GONE = "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"


def client(uri: str) -> Any:
    """Returns an MlflowClient of this tracking URI, for runs and registered models alike."""
    import_quietly()
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def import_quietly() -> None:
    """Imports MLflow so that it sends nothing home, prints nothing, and gives up in time.

    These are MLflow's own environment variables; nothing of ours reads them.

    Raises:
      RegistryError: it is not installed.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read while it is imported
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A pooled connection would go on writing into a SQLite file that somebody deleted.
    os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    # Its own seven tries would take minutes, for each of ours.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    try:
        import mlflow  # noqa: F401
    except ImportError as e:
        raise RegistryError(
            f"push.registry: mlflow cannot be imported ({e}); install the environment again, or "
            "set push.registry to none"
        ) from None
    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    # It logs a traceback of what it raises, and what it raises becomes our message.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@contextmanager
def downloaded(uri: str, server: str) -> Iterator[Path]:
    """A file or folder that MLflow keeps, on this machine for a while.

    Args:
      uri: as MLflow names it: mlflow-artifacts:, s3:, gs: and so on.
      server: the tracking URI.

    Raises:
      FileNotFoundError: it is not there.
    """
    import_quietly()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    with tempfile.TemporaryDirectory() as folder:
        try:
            path = download_artifacts(uri, dst_path=folder, tracking_uri=server)
        except MlflowException as e:
            if e.error_code == GONE or "404" in str(e):
                raise FileNotFoundError(uri) from None
            raise
        yield Path(path)


def remove_files(uri: str, server: str) -> None:
    """Removes a folder that MLflow keeps; nothing where it is gone already."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    files = get_artifact_repository(uri, tracking_uri=server)
    if files.list_artifacts():
        files.delete_artifacts()


def unless(code: str, step: Callable[[], Any]) -> None:
    """Takes a step that another pusher may have taken in the meantime, as the code tells."""
    from mlflow.exceptions import MlflowException

    try:
        step()
    except MlflowException as e:
        if e.error_code != code:
            raise

"""A real MLflow server of a test's own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request

from ports import free_port


@contextlib.contextmanager
def mlflow_server(folder, *, port=None, store=None, **environment):
    """Runs it until the end of the block, the files of its models behind its own door.

    Args:
      folder: where it works.
      port: where it listens; a free one without it.
      store: address of its database; without it a SQLite file in `folder`.
      environment: variables that it is given besides.

    Yields:
      Its address.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", store or f"sqlite:///{folder}/server.db",
        "--artifacts-destination", str(folder / "files"), "--workers", "1",
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment}
    log = folder / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said, start_new_session=True, env=environment
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 240
        while not _answers(address):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _answers(address):
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False

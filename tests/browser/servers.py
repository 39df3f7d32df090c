"""Real servers of a test's own, on free ports: PostgreSQL and MLflow's."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

from debian import found

PASSWORD = "secret"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def postgresql(folder):
    """Yields the address of an empty database, its password kept out of it, in PGPASSFILE's file.

    It does not run as root, so that it is given to the user `postgres` where root starts it.
    """
    data, port = folder / "data", free_port()
    as_user = []
    folder.mkdir(parents=True)
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:
        for path in (folder, folder / "password"):
            shutil.chown(path, "postgres")
        for parent in folder.parents[:-1]:  # pytest's folders let nobody else through
            parent.chmod(parent.stat().st_mode | 0o011)
        as_user = ["runuser", "-u", "postgres", "--"]
    make = [found("initdb"), "-D", data, "-U", "mlflow", "-A", "scram-sha-256"]
    _run([*as_user, *make, f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C.UTF-8"])
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [*as_user, found("pg_ctl"), "-D", data, "-w"]
    _run([*control, "-l", folder / "log", "-o", options, "start"])
    try:
        yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres", _passwords(folder, port)
    finally:
        _run([*control, "-m", "immediate", "stop"])


@contextmanager
def mlflow_server(folder, store, **environment):
    """Yields the address of `mlflow server`, with its files in `folder`/mlartifacts.

    Args:
      folder: where it works.
      store: address of the database.
      environment: what it is told besides.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", store, "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "mlartifacts")]
    log = folder / "server.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            command,
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            with suppress(OSError):
                urllib.request.urlopen(f"{address}/health", timeout=5)
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        else:
            raise AssertionError(log.read_text())
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, 15)
        server.wait(30)


def _passwords(folder, port):
    path = folder / "pgpass"
    path.write_text(f"127.0.0.1:{port}:*:mlflow:{PASSWORD}\n")
    path.chmod(0o600)
    return path


def _run(command):
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr

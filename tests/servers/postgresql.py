"""A real PostgreSQL server of a test's own, on a free port."""

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from debian import found
from ports import free_port

PASSWORD = "secret"


@contextmanager
def postgresql():
    """Yields the address of an empty database, its password kept out of it, in PGPASSFILE's file.

    It does not run as root, so that it is given to the user `postgres` where root starts it, in a
    folder of its own: pytest's let nobody else through.
    """
    with tempfile.TemporaryDirectory(prefix="postgresql-") as place:
        folder, port = Path(place), free_port()
        data, password, as_user = folder / "data", folder / "password", []
        password.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, password):
                shutil.chown(path, "postgres")
            as_user = ["runuser", "-u", "postgres", "--"]
        make = [found("initdb"), "-D", data, "-U", "mlflow", "-A", "scram-sha-256"]
        _run([*as_user, *make, f"--pwfile={password}", "-E", "UTF8", "--locale=C.UTF-8"])
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        control = [*as_user, found("pg_ctl"), "-D", data, "-w"]
        _run([*control, "-l", folder / "log", "-o", options, "start"])
        try:
            yield (
                f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres",
                _passwords(folder, port),
            )
        finally:
            _run([*control, "-m", "immediate", "stop"])


def _passwords(folder, port):
    path = folder / "pgpass"
    path.write_text(f"127.0.0.1:{port}:*:mlflow:{PASSWORD}\n")
    path.chmod(0o600)
    return path


def _run(command):
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr

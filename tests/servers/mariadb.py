"""A MariaDB server of a test's own, from Debian's package, on a free port."""

import contextlib
import getpass
import subprocess
import time
from pathlib import Path

from ports import free_port

USER, PASSWORD = "graft", "a password"


class MariaDB:
    """A server with one user; `start` and `stop` keep what it holds."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.port = free_port()
        self.environment = {"GRAFT_METADATA_USER": USER, "GRAFT_METADATA_PASSWORD": PASSWORD}
        folder.mkdir(parents=True)
        self._as = f"--user={getpass.getuser()}"
        # Without its anonymous users, who keep any other from logging in over localhost.
        said = subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                self._as,
                f"--datadir={folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
            ],
            capture_output=True,
            text=True,
        )
        assert said.returncode == 0, said.stderr
        self.start()
        self.sql(
            "DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES; "
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'; "
            f"GRANT ALL ON *.* TO '{USER}'@'%'"
        )

    def database(self, name):
        """Makes an empty database; returns its address."""
        self.sql(f"CREATE DATABASE {name}")
        return f"mysql://127.0.0.1:{self.port}/{name}"

    def start(self):
        """Starts the server and waits until it answers."""
        self._server = subprocess.Popen(
            [
                "mariadbd",
                "--no-defaults",
                self._as,
                f"--datadir={self._folder / 'data'}",
                f"--socket={self._folder / 'socket'}",
                f"--pid-file={self._folder / 'pid'}",
                "--bind-address=127.0.0.1",
                f"--port={self.port}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "log").open("ab"),
        )
        for _ in range(300):
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.sql("SELECT 1")
            assert self._server.poll() is None, (self._folder / "log").read_text()
            time.sleep(0.1)
        raise AssertionError((self._folder / "log").read_text())

    def stop(self):
        """Stops the server, as a restarted pod would."""
        self._server.terminate()
        self._server.wait()

    def sql(self, statements):
        """Runs statements as root."""
        subprocess.run(
            ["mariadb", "--no-defaults", "-u", "root", f"--socket={self._folder / 'socket'}"],
            input=statements,
            text=True,
            check=True,
            capture_output=True,
        )

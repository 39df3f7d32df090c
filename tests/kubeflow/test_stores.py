"""The metadata store on a real MariaDB."""

import os
import subprocess
import sys

import pytest

from components.errors import StoreError
from pipeline.stores import open_store

OPEN = "from pipeline.stores import open_store; open_store({!r}).get_context_types()"


@pytest.mark.slow
def test_those_who_open_an_empty_database_at_once_wait_for_its_tables(server):
    for number in range(3):
        program = OPEN.format(server.database(f"empty_{number}"))
        command = [sys.executable, "-c", program]
        environment = {**os.environ, **server.environment}
        together = [subprocess.Popen(command, env=environment) for _ in range(3)]
        assert [process.wait() for process in together] == [0, 0, 0]


@pytest.mark.slow
def test_a_server_that_is_away_is_said(server, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="the metadata store cannot be opened .* server runs"):
        open_store("mysql://127.0.0.1:1/graft")

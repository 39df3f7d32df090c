"""What cannot be registered is said in one message."""

import dataclasses
import time
from pathlib import Path

import filelock
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from components.errors import ConfigError, RegistryError
from components.registry_pusher import mlflow_sqlite
from components.registry_pusher.registry import get_registry, restore


def test_a_model_that_is_gone_or_changed_is_not_registered(registry, entry, tmp_path):
    Path(entry.model_path, "saved_model.pb").write_text("changed")
    with pytest.raises(RegistryError, match="neither in .*delete the Trainer's folder"):
        registry.register(entry)
    assert registry.versions("ripeness") == []
    (tmp_path / "half.json").write_text("{")
    with pytest.raises(RegistryError, match="no registration that .* delete the folder"):
        restore(tmp_path / "half.json", {"kind": "mlflow", "uri": "sqlite:///x.db"})


def test_a_server_that_is_down_is_named_after_a_bounded_number_of_tries(entry, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = get_registry({"kind": "mlflow", "uri": "http://me:secret@127.0.0.1:9"})
    started = time.monotonic()
    with pytest.raises(RegistryError) as error:
        down.register(entry)
    said = str(error.value)
    assert "127.0.0.1:9 does not answer, after 3 tries" in said and "registry_uri" in said
    assert "secret" not in said and time.monotonic() - started < 20


def test_a_refusal_is_said_at_once(registry, entry, monkeypatch):
    calls = []

    def refuse(*_, **__):
        calls.append(1)
        raise MlflowException("not yours", error_code=7)

    monkeypatch.setattr(MlflowClient, "create_run", refuse)
    with pytest.raises(RegistryError, match="refuses: not yours"):
        registry.register(entry)
    assert len(calls) == 1


def test_a_file_that_is_no_database_and_a_folder_that_cannot_be_are_said(entry, tmp_path):
    (tmp_path / "text.db").write_text("no database at all " * 100)
    with pytest.raises(RegistryError, match="text.db: is no SQLite database"):
        get_registry({"kind": "mlflow", "uri": f"sqlite:///{tmp_path}/text.db"}).register(entry)
    with pytest.raises(RegistryError, match="refuses.*text.db"):
        uri = f"sqlite:///{tmp_path}/text.db/mlflow.db"
        get_registry({"kind": "mlflow", "uri": uri}).register(entry)


def test_a_writer_that_never_ends_is_not_waited_for_without_end(
    registry, entry, store, monkeypatch
):
    monkeypatch.setattr(mlflow_sqlite, "LOCK_SECONDS", 0.1)
    with filelock.FileLock(store.with_name(".mlflow.db.lock")):
        with pytest.raises(RegistryError, match="another process has been writing"):
            registry.register(entry)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///mlruns", "mlflow.db", "sqlite:///", ""])
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(uri):
    with pytest.raises(ConfigError, match="sqlite:///PATH"):
        get_registry({"kind": "mlflow", "uri": uri})


def test_names_and_kinds_that_cannot_be_are_mistakes_in_the_configuration(registry, entry):
    with pytest.raises(ConfigError, match="model_name"):
        registry.register(dataclasses.replace(entry, name="it's/mine"))
    with pytest.raises(ConfigError, match="no registry 'vertex'"):
        get_registry({"kind": "vertex", "uri": "x://y"})

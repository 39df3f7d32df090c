"""The MLflow back end against a real server, whose files lie behind its own door."""

import dataclasses
import shutil
import threading

import pytest
from mlflow_server import mlflow_server
from ports import free_port

from components.content import content_hash
from components.errors import RegistryError
from components.pusher.push import newest, push
from components.registry_pusher import mlflow_client, patience
from components.registry_pusher.promotion import previous, rollback
from components.registry_pusher.registry import get_registry

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("server")) as address:
        yield address


def test_a_server_keeps_what_a_file_keeps(address, make_entry, tmp_path):
    registry = get_registry({"kind": "mlflow", "uri": address})
    pushed = []
    for text in ("good", "bad"):
        entry = make_entry(text, intervals={"accuracy": [0.9, 1.0]}, card={"limits": "few"})
        path = push(entry.model_path, tmp_path / "serving", entry.content_hash)
        pushed.append(dataclasses.replace(entry, pushed_path=path))
        registry.register(pushed[-1], champion=text == "good")
    good, bad = pushed
    assert [it.aliases for it in registry.versions("ripeness")] == [["challenger"], ["champion"]]
    assert registry.versions("ripeness")[0].uri.startswith("mlflow-artifacts:")
    assert registry.entry("ripeness", "2") == bad
    assert registry.champions("ripeness") == ["1"]

    # The training is cleaned away: what is left of the model is what the server has.
    shutil.rmtree(good.model_path)
    shutil.rmtree(good.pushed_path)
    version = previous(registry, "ripeness", tmp_path / "serving")
    rollback(registry, version, tmp_path / "serving")
    served = newest(tmp_path / "serving")
    assert (served.version, content_hash(served.path)) == (3, good.content_hash)
    assert registry.versions("ripeness")[1].aliases == ["challenger", "champion"]

    registry.delete("ripeness", "2")
    registry.delete("ripeness", "2")
    assert [it.version for it in registry.versions("ripeness")] == ["1"]
    with pytest.raises(RegistryError, match="no version 2"):
        registry.entry("ripeness", "2")
    assert registry.register(bad).version == "3"
    assert registry.entry("ripeness", "3") == bad


def test_files_that_the_server_lost_are_one_clear_message(address, make_entry, tmp_path):
    registry = get_registry({"kind": "mlflow", "uri": address})
    entry = dataclasses.replace(make_entry("lost"), name="freshness")
    registry.register(entry)
    client = mlflow_client.client(address)
    run_id = client.get_model_version("freshness", "1").run_id
    mlflow_client.remove_files(client.get_run(run_id).info.artifact_uri, address)
    with pytest.raises(RegistryError, match="version 1 of freshness cannot be read"):
        registry.entry("freshness", "1")


def test_a_server_that_comes_up_while_it_is_asked_is_registered_with_once(
    make_entry, tmp_path, monkeypatch
):
    monkeypatch.setattr(patience, "WAITS", (5.0,) * 48)  # a busy machine starts it slowly
    port, made = free_port(), []
    registry = get_registry({"kind": "mlflow", "uri": f"http://127.0.0.1:{port}"})
    asking = threading.Thread(target=lambda: made.append(registry.register(make_entry("patient"))))
    asking.start()
    with mlflow_server(tmp_path / "server", port=port):
        asking.join(300)
        assert [it.version for it in made] == ["1"]
        assert len(registry.versions("ripeness")) == 1

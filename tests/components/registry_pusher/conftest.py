"""A small model, what is known of it, and an empty store to register it in."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from components.content import content_hash
from components.registry_pusher import (
    kubeflow_client,
    mlflow_client,
    mlflow_sqlite,
    mlflow_tags,
    patience,
)
from components.registry_pusher.registry import Entry, get_registry

mlflow_client.import_quietly()  # before a test module imports it


def entry_of(folder: Path, text: str = "weights", **facts) -> Entry:
    """An entry about a small folder that is laid out as a SavedModel."""
    (folder / "variables").mkdir(parents=True, exist_ok=True)
    (folder / "saved_model.pb").write_text(text)
    (folder / "variables" / "variables.index").write_text(text * 100)
    known = Entry(
        name="ripeness",
        content_hash=content_hash(folder),
        model_path=str(folder),
        pushed_path="/serving/1",
        run_id="2026-11-24T20-00-00",
        pipeline="bananas",
        span=7,
        data_fingerprint="d" * 16,
        counts={"train": 80, "eval": 10, "test": 10, "rejected": 1},
        module_handle="./modules/efficientnet_lite0",
        module_hash="e" * 16,
        metrics={"accuracy": 0.96, "log_loss": 0.2},
        blessed=True,
        blessing_reasons=["accuracy 0.96 is at least 0.9"],
        labels=["green", "ripe"],
        image_size=[224, 224],
        config={"train": {"batch_size": 32, "phases": [{"train": "head"}]}, "model": {}},
    )
    return dataclasses.replace(known, **facts)


@pytest.fixture(scope="module")
def made_store(tmp_path_factory):
    """An empty store, made once: its migrations take a second."""
    path = tmp_path_factory.mktemp("made") / "mlflow.db"
    with mlflow_sqlite.held(path):
        pass
    return path


@pytest.fixture
def store(tmp_path, made_store):
    path = tmp_path / "runs" / "mlflow.db"
    path.parent.mkdir()
    shutil.copyfile(made_store, path)
    return path


@pytest.fixture
def registry(store):
    return get_registry({"kind": "mlflow", "uri": f"sqlite:///{store}"})


@pytest.fixture
def entry(tmp_path):
    return entry_of(tmp_path / "model")


@pytest.fixture
def client(store):
    return mlflow_client.client(f"sqlite:///{store}")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(patience, "WAITS", (0.01, 0.01))


@pytest.fixture
def make_entry(tmp_path):
    """An entry about a small folder of its own that is laid out as a SavedModel."""
    return lambda text, **facts: entry_of(tmp_path / text, text, **facts)


@pytest.fixture(params=["v1", "v1alpha3"])
def api_version(request):
    return request.param


@pytest.fixture
def server(api_version, monkeypatch, tmp_path):
    """A Kubeflow Model Registry that knows one version of the API; no call may be off it."""
    from model_registry_api import ModelRegistryApi

    monkeypatch.delenv("KF_PIPELINES_SA_TOKEN_PATH", raising=False)
    monkeypatch.setattr(kubeflow_client, "POD_TOKEN", str(tmp_path / "no-pod"))
    with ModelRegistryApi() as server:
        server.api_versions = (api_version,)
        yield server
    assert not server.offences, server.offences


@pytest.fixture
def kubeflow(server):
    return get_registry({"kind": "kubeflow", "uri": server.address})


@pytest.fixture
def assert_one_whole_version(client, registry, entry):
    """Checks that the entry is registered once, with all that belongs to it."""

    def check():
        (version,) = client.search_model_versions("name = 'ripeness'")
        assert version.tags[mlflow_tags.COMPLETE] == "complete"
        assert client.get_registered_model("ripeness").aliases == {"challenger": version.version}
        experiment = client.get_experiment_by_name("bananas").experiment_id
        (run,) = client.search_runs([experiment])
        assert run.data.metrics == entry.metrics and run.info.status == "FINISHED"
        folder = Path(registry.find("ripeness", entry.content_hash).uri.removeprefix("file://"))
        assert content_hash(folder / "saved_model") == entry.content_hash
        assert (folder / "MLmodel").is_file()

    return check

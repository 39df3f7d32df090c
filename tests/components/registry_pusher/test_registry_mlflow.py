"""What a registration promises, on a real MLflow store in a SQLite file."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import filelock
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from components.content import content_hash
from components.errors import ConfigError, RegistryError
from components.registry_pusher import mlflow_registry, mlflow_sqlite, mlflow_tags
from components.registry_pusher.registry import (
    Entry,
    get_registry,
    restore,
    write_registration,
)

ROOT = Path(__file__).parents[3]


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
    return MlflowClient(f"sqlite:///{store}", f"sqlite:///{store}")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(mlflow_registry, "WAITS", (0.01, 0.01))


def test_a_model_is_registered_with_all_that_is_known_of_it(registry, entry, client):
    registered = registry.register(entry)
    assert (registered.name, registered.version, registered.created) == ("ripeness", "1", True)

    version = client.get_model_version("ripeness", "1")
    assert version.aliases == ["challenger"] and version.status == "READY"
    tags = version.tags
    assert tags["content_hash"] == entry.content_hash
    assert tags["run_id"] == "2026-11-24T20-00-00" and tags["pipeline"] == "bananas"
    assert tags["span"] == "7" and tags["data_fingerprint"] == "d" * 16
    assert json.loads(tags["counts"]) == entry.counts
    assert tags["module_handle"] == entry.module_handle and tags["module_hash"] == "e" * 16
    assert tags["blessing_reasons"] == "accuracy 0.96 is at least 0.9"
    assert json.loads(tags["config"]) == entry.config

    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == entry.run_id
    assert run.data.metrics == entry.metrics
    assert run.data.params["train.batch_size"] == "32"
    assert run.data.params["train.phases"] == '[{"train": "head"}]'


def test_the_model_lies_beside_the_store_and_is_what_was_trained(registry, entry, store):
    uri = registry.register(entry).uri
    folder = Path(uri.removeprefix("file://"))
    assert folder.is_relative_to(store.parent / "mlartifacts")
    assert content_hash(folder / "saved_model") == entry.content_hash
    told = json.loads((folder.parent / "entry.json").read_text())
    assert Entry.from_json(told) == entry


def test_the_same_content_is_registered_once_and_other_content_is_the_next_version(
    registry, entry, tmp_path, client
):
    registry.register(entry)
    again = registry.register(dataclasses.replace(entry, run_id="later", metrics={"accuracy": 1}))
    assert (again.version, again.created) == ("1", False)
    other = registry.register(entry_of(tmp_path / "other", "other weights"))
    assert (other.version, other.created) == ("2", True)
    assert registry.register(entry).version == "1"
    assert client.get_registered_model("ripeness").aliases == {"challenger": 2}


def test_find_tells_content_apart_and_knows_nothing_of_what_is_not_there(registry, entry):
    assert registry.find("ripeness", entry.content_hash) is None
    registry.register(entry)
    found = registry.find("ripeness", entry.content_hash)
    assert (found.version, found.created) == ("1", False)
    assert registry.find("ripeness", "0" * 16) is None
    assert registry.find("freshness", entry.content_hash) is None


def test_versions_say_what_a_list_of_them_needs(registry, entry, tmp_path):
    assert registry.versions("ripeness") == []
    registry.register(entry)
    registry.register(entry_of(tmp_path / "other", "other", metrics={}, span=None))
    second, first = (version.to_json() for version in registry.versions("ripeness"))
    assert (first["version"], second["version"]) == ("1", "2")
    assert (first["aliases"], second["aliases"]) == ([], ["challenger"])
    assert first["run_id"] == entry.run_id and first["content_hash"] == entry.content_hash
    assert first["data_fingerprint"] == entry.data_fingerprint
    assert first["module"] == {"handle": entry.module_handle, "hash": entry.module_hash}
    assert first["metrics"] == entry.metrics and second["metrics"] == {}
    assert first["blessed"] is True and first["uri"].endswith("/artifacts/model")
    made = time.strptime(first["created"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.time() - time.mktime(made) + time.timezone) < 3600 * 2
    assert list(first) == [
        "name", "version", "aliases", "created", "run_id", "content_hash", "data_fingerprint",
        "module", "metrics", "blessed", "uri",
    ]  # fmt: skip


def test_the_quick_reading_and_mlflows_own_agree(registry, entry, tmp_path, store, client):
    for text in ("first", "second", "third"):
        registry.register(entry_of(tmp_path / text, text))
    client.delete_model_version("ripeness", "2")
    client.set_registered_model_alias("ripeness", "champion", "1")
    client.create_model_version("ripeness", "somewhere", tags={"metrics": "mine"})
    quick = mlflow_sqlite.read_versions(store, "ripeness")
    assert quick == mlflow_registry._versions(client, "ripeness")
    assert [version.version for version, _ in quick] == ["4", "3", "1"]
    assert [version.aliases for version, _ in quick] == [[], ["challenger"], ["champion"]]
    assert (quick[0][0].blessed, quick[0][0].metrics) == (None, {})


def test_a_store_with_unknown_tables_is_read_by_mlflow_itself(registry, entry, monkeypatch):
    registry.register(entry)
    monkeypatch.setattr(mlflow_sqlite, "read_versions", lambda *_: None)
    assert registry.find("ripeness", entry.content_hash).version == "1"
    assert [version.version for version in registry.versions("ripeness")] == ["1"]
    assert registry.versions("freshness") == []


STEPS = [
    "create_experiment", "create_run", "log_batch", "log_dict", "log_artifacts", "set_terminated",
    "create_registered_model", "create_model_version", "set_registered_model_alias",
    "set_model_version_tag",
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_registration_that_ended_at_any_step_is_finished_by_the_next(
    registry, entry, client, monkeypatch, step, when
):
    real = getattr(MlflowClient, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, dying)
        with pytest.raises(KeyboardInterrupt):
            registry.register(entry)
    registry.register(entry)
    assert_one_whole_version(client, registry, entry)


def assert_one_whole_version(client, registry, entry):
    (version,) = client.search_model_versions("name = 'ripeness'")
    assert version.tags[mlflow_tags.COMPLETE] == "complete"
    assert client.get_registered_model("ripeness").aliases == {"challenger": version.version}
    experiment = client.get_experiment_by_name("bananas").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.data.metrics == entry.metrics and run.info.status == "FINISHED"
    folder = Path(registry.find("ripeness", entry.content_hash).uri.removeprefix("file://"))
    assert content_hash(folder / "saved_model") == entry.content_hash
    assert (folder / "MLmodel").is_file()


def test_of_two_pushers_without_a_lock_the_first_version_stays(
    registry, entry, client, monkeypatch
):
    monkeypatch.setattr(type(registry), "_alone", lambda _: nullcontext())
    real = MlflowClient.create_model_version

    def twice(*args, **kwargs):
        real(*args, **kwargs)  # the other pusher, between our look and our step
        return real(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert registry.register(entry).version == "1"
    assert_one_whole_version(client, registry, entry)


def test_a_registered_model_whose_files_were_deleted_gets_them_back(registry, entry, client, store):
    registry.register(entry)
    shutil.rmtree(store.parent / "mlartifacts")
    again = registry.register(entry)
    assert (again.version, again.created) == ("1", False)
    assert_one_whole_version(client, registry, entry)


def test_a_deleted_experiment_is_restored(registry, entry, client, tmp_path):
    registry.register(entry)
    client.delete_experiment(client.get_experiment_by_name("bananas").experiment_id)
    assert registry.register(entry_of(tmp_path / "other", "other")).version == "2"


def test_a_lost_registry_is_filled_again_from_the_registration(registry, entry, store, tmp_path):
    told = tmp_path / "registration.json"
    write_registration(told, registry, registry.register(entry), entry)
    said = json.loads(told.read_text())
    assert (said["registry"], said["name"], said["version"]) == ("mlflow", "ripeness", "1")
    assert said["registry_uri"] == f"sqlite:///{store}" and said["created"] is True
    before = told.read_text()
    spec = {"kind": "mlflow", "uri": f"sqlite:///{store}", "model_name": "ripeness"}
    assert restore(told, spec).created is False and told.read_text() == before

    shutil.rmtree(store.parent)
    registered = restore(told, json.dumps(spec))
    assert (registered.version, registered.created) == ("1", True)
    assert registry.versions("ripeness")[0].metrics == entry.metrics
    assert json.loads(told.read_text())["uri"] == registered.uri


def test_a_lost_model_is_taken_from_where_it_was_pushed(registry, entry, tmp_path):
    shutil.copytree(entry.model_path, tmp_path / "serving" / "1")
    (tmp_path / "serving" / "1" / ".pushed.json").write_text("{}")
    shutil.rmtree(entry.model_path)
    pushed = dataclasses.replace(entry, pushed_path=str(tmp_path / "serving" / "1"))
    uri = registry.register(pushed).uri
    assert content_hash(Path(uri.removeprefix("file://")) / "saved_model") == entry.content_hash


def test_a_model_that_is_gone_or_changed_is_not_registered(registry, entry, tmp_path):
    Path(entry.model_path, "saved_model.pb").write_text("changed")
    with pytest.raises(RegistryError, match="neither in .*run the training again"):
        registry.register(entry)
    assert registry.versions("ripeness") == []
    (tmp_path / "half.json").write_text("{")
    with pytest.raises(RegistryError, match="no registration that could be restored"):
        restore(tmp_path / "half.json", {"kind": "mlflow", "uri": "sqlite:///x.db"})


def test_what_passes_is_tried_again_and_registered_once(registry, entry, client, monkeypatch):
    real, calls = MlflowClient.create_model_version, []

    def shaky(*args, **kwargs):
        calls.append(1)
        made = real(*args, **kwargs)
        if len(calls) < 3:
            raise MlflowException("the answer got lost")
        return made

    monkeypatch.setattr(MlflowClient, "create_model_version", shaky)
    assert registry.register(entry).version == "1"
    assert_one_whole_version(client, registry, entry)


def test_a_server_that_is_down_is_named_after_a_bounded_number_of_tries(entry, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = get_registry({"kind": "mlflow", "uri": "http://me:secret@127.0.0.1:9"})
    started = time.monotonic()
    with pytest.raises(RegistryError) as error:
        down.register(entry)
    said = str(error.value)
    assert "127.0.0.1:9 does not answer, after 3 tries" in said and "registry_uri" in said
    assert "me:secret" not in said.partition("tries")[0] and time.monotonic() - started < 20


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


def test_a_configuration_too_long_for_tags_stands_in_the_run(registry, entry, client):
    config = {"transform": {f"op_{i}": "x" * 600 for i in range(250)}}
    registry.register(dataclasses.replace(entry, config=config, blessing_reasons=["y" * 9000]))
    version = client.get_model_version("ripeness", "1")
    assert "config" not in version.tags and len(version.tags["blessing_reasons"]) == 5000
    params = client.get_run(version.run_id).data.params
    assert len(params) == 250 and len(params["transform.op_0"]) == 500


def run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    plain = {k: v for k, v in os.environ.items() if k not in ("CI", "PYTEST_CURRENT_TEST")}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env={**plain, **environment},
    )


QUIET = """
import logging, sys
logging.basicConfig(level=logging.INFO)
def no_network(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        print("network", event, arguments)
sys.addaudithook(no_network)
import json
from components.registry_pusher.registry import Entry, get_registry
registry = get_registry({"kind": "mlflow", "uri": sys.argv[1]})
registry.register(Entry.from_json(json.loads(sys.argv[2])))
assert "tensorflow" not in sys.modules and "tfx" not in sys.modules
"""


def test_registering_says_nothing_and_calls_nobody(tmp_path, entry):
    uri = f"sqlite:///{tmp_path}/new/folder/mlflow.db"
    done = run(QUIET, uri, json.dumps(entry.to_json()), HOME=str(tmp_path / "home"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "home").exists()
    left = {p.name for p in (tmp_path / "new" / "folder").iterdir()}
    assert left == {"mlflow.db", "mlartifacts", ".mlflow.db.lock"}


KNOWN = """
import json, sys
from components.registry_pusher.registry import Entry, get_registry
registry = get_registry({"kind": "mlflow", "uri": sys.argv[1]})
assert registry.register(Entry.from_json(json.loads(sys.argv[2]))).version == "1"
assert len(registry.versions("ripeness")) == 1
assert not {"mlflow", "sqlalchemy", "tensorflow", "tfx", "pandas"} & set(sys.modules)
"""


def test_what_is_registered_already_costs_no_import_of_mlflow(registry, entry, store):
    registry.register(entry)
    done = run(KNOWN, f"sqlite:///{store}", json.dumps(entry.to_json()))
    assert done.returncode == 0, done.stderr


# Forks after the slow import, so that a registration, and so its death, takes milliseconds.
KILLED = """
import json, os, random, signal, sys, time
from components.registry_pusher import mlflow_registry
from components.registry_pusher.registry import Entry, get_registry
mlflow_registry._quiet()
import mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store
import mlflow.pyfunc
folder, entries = sys.argv[1], [Entry.from_json(e) for e in json.loads(sys.argv[2])]
moments = random.Random(int(sys.argv[3]))

def register(entry, uri, die_after=None):
    child = os.fork()
    if not child:
        get_registry({"kind": "mlflow", "uri": uri}).register(entry)
        os._exit(0)
    started = time.monotonic()
    if die_after is not None:
        time.sleep(die_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return time.monotonic() - started, os.WIFSIGNALED(status)

trial, uri = f"sqlite:///{folder}/trial/mlflow.db", f"sqlite:///{folder}/mlflow.db"
with_store, plain = (register(entry, trial)[0] for entry in entries[:2])
kills = 0
for entry in entries:
    seconds = plain if kills else with_store
    for _ in range(2):
        kills += register(entry, uri, moments.uniform(0, seconds))[1]
    register(entry, uri)
print("kills", kills, file=sys.stderr)
"""


@pytest.mark.slow
def test_killed_registrations_are_finished_and_never_doubled(tmp_path):
    entries = [entry_of(tmp_path / str(i), str(i)) for i in range(6)]
    told = json.dumps([entry.to_json() for entry in entries])
    done = run(KILLED, tmp_path / "runs", told, 1)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) >= 3, "hardly any registration was killed"
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    versions = client.search_model_versions("name = 'ripeness'", order_by=["version_number ASC"])
    hashes = [version.tags["content_hash"] for version in versions]
    assert hashes == [entry.content_hash for entry in entries]
    for version in versions:
        assert version.tags[mlflow_tags.COMPLETE] == "complete"
        assert client.get_run(version.run_id).info.status == "FINISHED"
        source = Path(version.source.removeprefix("file://"))
        assert content_hash(source / "saved_model") == version.tags["content_hash"]

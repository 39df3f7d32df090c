"""What a registration promises, on a real MLflow store in a SQLite file."""

import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from components.content import content_hash
from components.errors import RegistryError
from components.pusher.push import push
from components.registry_pusher import mlflow_sqlite, mlflow_steps, patience
from components.registry_pusher.registry import (
    Entry,
    restore,
    write_registration,
)

ROOT = Path(__file__).parents[3]


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
    assert run.data.params["train.phases.1.train"] == "head"


def test_a_label_that_mlflow_takes_in_no_name_holds_up_no_registration(registry, entry, client):
    weights = {"pepper, red": 2, "a//b": 1, "../c": 1, "grün: ja": 3, "long" * 100: 1}
    config = {"train": {"class_weights": weights}}
    registry.register(dataclasses.replace(entry, config=config))
    params = client.get_run(client.get_model_version("ripeness", "1").run_id).data.params
    assert params["train.class_weights.pepper_ red"] == "2"
    assert params["train.class_weights.grün: ja"] == "3" and len(params) == 5
    assert registry.entry("ripeness", "1").config == config


def test_a_database_of_an_older_mlflow_is_not_asked_again_and_the_message_says_what_helps(
    registry, entry, store, monkeypatch
):
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'older'")
    monkeypatch.setattr(patience.time, "sleep", lambda _: pytest.fail("it is asked again"))
    with pytest.raises(
        RegistryError, match=f"another MLflow release; .*`mlflow db upgrade sqlite:///{store}`"
    ):
        registry.register(entry)


def test_the_model_lies_beside_the_store_and_is_what_was_trained(registry, entry, store):
    uri = registry.register(entry).uri
    folder = Path(uri.removeprefix("file://"))
    assert folder.is_relative_to(store.parent / "mlartifacts")
    assert content_hash(folder / "saved_model") == entry.content_hash
    told = json.loads((folder.parent / "entry.json").read_text())
    assert Entry.from_json(told) == entry


def test_the_same_content_is_registered_once_and_other_content_is_the_next_version(
    registry, entry, client, make_entry
):
    registry.register(entry)
    again = registry.register(dataclasses.replace(entry, run_id="later", metrics={"accuracy": 1}))
    assert (again.version, again.created) == ("1", False)
    other = registry.register(make_entry("other"))
    assert (other.version, other.created) == ("2", True)
    assert registry.register(entry).version == "1"
    assert len(client.search_model_versions("name = 'ripeness'")) == 2


def test_find_tells_content_apart_and_knows_nothing_of_what_is_not_there(registry, entry):
    assert registry.find("ripeness", entry.content_hash) is None
    registry.register(entry)
    found = registry.find("ripeness", entry.content_hash)
    assert (found.version, found.created) == ("1", False)
    assert registry.find("ripeness", "0" * 16) is None
    assert registry.find("freshness", entry.content_hash) is None


def test_versions_say_what_a_list_of_them_needs(registry, entry, make_entry):
    assert registry.versions("ripeness") == []
    registry.register(entry)
    registry.register(make_entry("other", metrics={}, span=None))
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


def test_the_quick_reading_and_mlflows_own_agree(registry, store, client, make_entry):
    for text in ("first", "second", "third"):
        registry.register(make_entry(text))
    client.delete_model_version("ripeness", "2")
    client.set_registered_model_alias("ripeness", "champion", "1")
    client.create_model_version("ripeness", "somewhere", tags={"metrics": "mine"})
    quick = mlflow_sqlite.read_versions(store, "ripeness")
    assert quick == mlflow_steps.read_versions(client, "ripeness")
    assert [version.version for version, _ in quick] == ["4", "3", "1"]
    assert [version.aliases for version, _ in quick] == [[], ["challenger"], ["champion"]]
    assert (quick[0][0].blessed, quick[0][0].metrics) == (None, {})


def test_a_store_with_unknown_tables_is_read_by_mlflow_itself(registry, entry, monkeypatch):
    registry.register(entry)
    monkeypatch.setattr(mlflow_sqlite, "read_versions", lambda *_: None)
    assert registry.find("ripeness", entry.content_hash).version == "1"
    assert [version.version for version in registry.versions("ripeness")] == ["1"]
    assert registry.versions("freshness") == []


def test_a_registered_model_whose_files_were_deleted_gets_them_back(
    registry, entry, store, assert_one_whole_version
):
    registry.register(entry)
    shutil.rmtree(store.parent / "mlartifacts")
    again = registry.register(entry)
    assert (again.version, again.created) == ("1", False)
    assert_one_whole_version()


def test_what_mlflow_gc_took_comes_back_in_its_place(registry, entry, client, make_entry):
    uri = registry.register(entry).uri
    run_id = client.get_model_version("ripeness", "1").run_id
    registry.register(make_entry("other"))
    client.set_registered_model_alias("ripeness", "champion", "1")
    client.delete_run(run_id)
    gc = ["gc", "--backend-store-uri", registry.address, "--tracking-uri", registry.address]
    subprocess.run([Path(sys.executable).with_name("mlflow"), *gc], check=True, timeout=120)
    assert not Path(uri.removeprefix("file://")).exists()

    assert registry.register(entry, challenger=False) == ("ripeness", "1", False, uri)
    folder = Path(client.get_model_version_download_uri("ripeness", "1").removeprefix("file://"))
    assert content_hash(folder / "saved_model") == entry.content_hash
    assert f"run_id: {run_id}" in (folder / "MLmodel").read_text()
    assert Entry.from_json(json.loads((folder.parent / "entry.json").read_text())) == entry
    assert client.get_registered_model("ripeness").aliases == {"champion": 1, "challenger": 2}

    before = (folder / "MLmodel").stat().st_ino
    registry.register(entry, challenger=False)
    assert (folder / "MLmodel").stat().st_ino == before  # nothing is copied again
    (experiment,) = client.search_experiments(filter_string="name = 'bananas'")
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_a_version_whose_files_lie_in_a_bucket_is_trusted(registry, entry, client):
    registry.register(entry)
    tags = client.get_model_version("ripeness", "1").tags
    client.delete_model_version("ripeness", "1")
    client.create_model_version("ripeness", "s3://bucket/1/artifacts/model", tags=tags)
    registered = registry.register(entry, challenger=False)
    assert registered == ("ripeness", "2", False, "s3://bucket/1/artifacts/model")


def test_a_deleted_experiment_is_restored(registry, entry, client, make_entry):
    registry.register(entry)
    client.delete_experiment(client.get_experiment_by_name("bananas").experiment_id)
    assert registry.register(make_entry("other")).version == "2"


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


def test_an_earlier_model_that_is_pushed_anew_is_the_challenger_again(
    registry, client, make_entry, tmp_path
):
    def pushed(entry):
        path = push(entry.model_path, tmp_path / "serving", entry.content_hash)
        return dataclasses.replace(entry, pushed_path=path)

    def challenger():
        return str(client.get_model_version_by_alias("ripeness", "challenger").version)

    a, b = make_entry("a"), make_entry("b")
    for entry, version in ((a, "1"), (b, "2"), (a, "1")):
        assert registry.register(pushed(entry)).version == version
        assert challenger() == version
    tags = client.get_model_version("ripeness", "1").tags
    assert tags["pushed_path"] == str(tmp_path / "serving" / "3")


def test_a_cached_run_moves_the_challenger_only_where_it_pushed_anew(
    registry, client, make_entry, store, tmp_path
):
    def challenger():
        return str(client.get_model_version_by_alias("ripeness", "challenger").version)

    spec = {"kind": "mlflow", "uri": f"sqlite:///{store}", "model_name": "ripeness"}
    a, b = make_entry("a"), make_entry("b")
    for entry in (a, b):
        path = push(entry.model_path, tmp_path / "serving", entry.content_hash)
        entry = dataclasses.replace(entry, pushed_path=path)
        told = tmp_path / f"{Path(path).name}.json"
        write_registration(told, registry, registry.register(entry), entry)
    client.set_registered_model_alias("ripeness", "challenger", "1")  # by hand
    assert restore(tmp_path / "2.json", spec).version == "2" and challenger() == "1"
    client.set_registered_model_alias("ripeness", "challenger", "2")
    assert restore(tmp_path / "1.json", spec).version == "1" and challenger() == "2"

    path = push(a.model_path, tmp_path / "serving", a.content_hash)
    assert restore(tmp_path / "1.json", spec).version == "1" and challenger() == "1"
    assert json.loads((tmp_path / "1.json").read_text())["entry"]["pushed_path"] == path
    client.set_registered_model_alias("ripeness", "challenger", "2")
    assert restore(tmp_path / "1.json", spec).version == "1" and challenger() == "2"


def test_a_lost_model_is_taken_from_where_it_was_pushed(registry, entry, tmp_path):
    shutil.copytree(entry.model_path, tmp_path / "serving" / "1")
    (tmp_path / "serving" / "1" / ".pushed.json").write_text("{}")
    shutil.rmtree(entry.model_path)
    pushed = dataclasses.replace(entry, pushed_path=str(tmp_path / "serving" / "1"))
    uri = registry.register(pushed).uri
    assert content_hash(Path(uri.removeprefix("file://")) / "saved_model") == entry.content_hash


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

"""What a registration promises on Kubeflow Model Registry, by its own client over real HTTP."""

import asyncio
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ConfigError, RegistryError
from components.registry_pusher.registry import get_registry, restore, write_registration

ROOT = Path(__file__).parents[3]


def _plain(properties):
    """Custom properties without what says their type."""
    return {
        key: next(value for field, value in held.items() if field != "metadataType")
        for key, held in properties.items()
    }


def test_a_model_is_registered_with_all_that_is_known_of_it(kubeflow, entry, server):
    registered = kubeflow.register(entry)
    assert registered == ("ripeness", "1", True, "/serving/1")
    (model,), (version,), (artifact,) = server.models, server.versions, server.artifacts
    assert (model["name"], model["state"]) == ("ripeness", "LIVE")
    assert _plain(model["customProperties"]) == {"challenger": "1"}
    assert (version["name"], version["state"]) == ("1", "LIVE")
    assert version["externalId"] == f"{model['id']}:{entry.content_hash}"
    facts = _plain(version["customProperties"])
    assert facts["content_hash"] == entry.content_hash and facts["uri"] == "/serving/1"
    assert facts["run_id"] == "2026-11-24T20-00-00" and facts["pipeline"] == "bananas"
    assert facts["span"] == "7" and facts["data_fingerprint"] == "d" * 16
    assert json.loads(facts["counts"]) == entry.counts
    assert facts["module_handle"] == entry.module_handle and facts["module_hash"] == "e" * 16
    assert facts["metric_accuracy"] == 0.96 and facts["blessed"] is True
    assert facts["blessing_reasons"] == "accuracy 0.96 is at least 0.9"
    assert (artifact["name"], artifact["uri"]) == ("ripeness", "/serving/1")
    assert artifact["artifactType"] == "model-artifact"
    assert artifact["modelFormatName"] == "tensorflow"
    assert _plain(artifact["customProperties"])["content_hash"] == entry.content_hash


def test_the_whole_entry_comes_back_however_long_it_is(kubeflow, make_entry):
    slices = {"label": {f"Grün {i}": {"images": i, "accuracy": i / 5000} for i in range(5000)}}
    entry = make_entry("long", slices=slices, card={"description": "Bananas, läuft"})
    kubeflow.register(entry)
    assert kubeflow.entry("ripeness", "1") == entry


def test_a_number_that_json_has_no_word_for_is_left_out_of_the_facts(kubeflow, make_entry, server):
    kubeflow.register(make_entry("bad", metrics={"log_loss": math.nan, "accuracy": 0.5}))
    assert "metric_log_loss" not in server.versions[0]["customProperties"]
    assert kubeflow.versions("ripeness")[0].metrics == {"accuracy": 0.5}
    assert math.isnan(kubeflow.entry("ripeness", "1").metrics["log_loss"])


def test_the_same_content_is_registered_once_and_other_content_is_the_next_version(
    kubeflow, entry, server, make_entry
):
    kubeflow.register(entry)
    again = kubeflow.register(dataclasses.replace(entry, run_id="later", metrics={"accuracy": 1}))
    assert (again.version, again.created) == ("1", False)
    other = kubeflow.register(make_entry("other"))
    assert (other.version, other.created) == ("2", True)
    assert kubeflow.register(entry).version == "1"
    assert [version["name"] for version in server.versions] == ["1", "2"]
    assert kubeflow.entry("ripeness", "1") == entry


def test_what_is_registered_already_is_told_nothing(kubeflow, entry, server):
    kubeflow.register(entry)
    server.calls.clear()
    kubeflow.register(entry)
    assert all(call.startswith("GET") for call in server.calls), server.calls


def test_one_content_may_be_a_version_of_two_models(kubeflow, entry):
    assert kubeflow.register(entry).version == "1"
    assert kubeflow.register(dataclasses.replace(entry, name="freshness")).created
    assert kubeflow.find("freshness", entry.content_hash).version == "1"


def test_find_tells_content_apart_and_knows_nothing_of_what_is_not_there(kubeflow, entry):
    assert kubeflow.find("ripeness", entry.content_hash) is None
    kubeflow.register(entry)
    assert kubeflow.find("ripeness", entry.content_hash) == ("ripeness", "1", False, "/serving/1")
    assert kubeflow.find("ripeness", "0" * 16) is None
    assert kubeflow.find("freshness", entry.content_hash) is None


def test_versions_say_what_a_list_of_them_needs(kubeflow, entry, make_entry, server):
    assert kubeflow.versions("ripeness") == []
    server.page_limit = 1
    for text in ("one", "two", "three"):
        kubeflow.register(make_entry(text, metrics={}, span=None))
    kubeflow.register(entry)
    newest, *others = (version.to_json() for version in kubeflow.versions("ripeness"))
    assert newest.pop("created").endswith("Z")
    assert newest == {
        "name": "ripeness",
        "version": "4",
        "aliases": ["challenger"],
        "run_id": entry.run_id,
        "content_hash": entry.content_hash,
        "data_fingerprint": entry.data_fingerprint,
        "module": {"handle": entry.module_handle, "hash": entry.module_hash},
        "metrics": entry.metrics,
        "blessed": True,
        "uri": "/serving/1",
    }
    assert [(it["version"], it["aliases"]) for it in others] == [("3", []), ("2", []), ("1", [])]


def test_names_that_the_server_reads_as_patterns_are_told_apart(kubeflow, entry):
    for name in ("fruit-1", "fruit_1", "fruit.1", "Früchte"):
        assert kubeflow.register(dataclasses.replace(entry, name=name)).created
        assert [v.version for v in kubeflow.versions(name)] == ["1"]


def test_a_name_that_differs_by_case_alone_is_refused_where_the_server_takes_them_for_one(
    kubeflow, entry, server
):
    server.ignores_case = True
    kubeflow.register(entry)
    with pytest.raises(RegistryError, match="model_name.*upper and lower case"):
        kubeflow.register(dataclasses.replace(entry, name="Ripeness"))


def test_versions_of_others_are_listed_and_counted_and_have_no_entry(kubeflow, entry, server):
    kubeflow.register(entry)
    model = server.models[0]["id"]
    for name in ("7", "v8"):
        version = {"registeredModelId": model, "name": name}
        made = server._post_model_versions({}, version)
        artifact = {"artifactType": "model-artifact", "name": "theirs", "uri": f"s3://b/{name}"}
        server._post_model_versions_one_artifacts(made["id"], {}, artifact)
    listed = kubeflow.versions("ripeness")
    assert [(it.version, it.uri) for it in listed] == [
        ("v8", "s3://b/v8"), ("7", "s3://b/7"), ("1", "/serving/1"),
    ]  # fmt: skip
    assert (listed[0].blessed, listed[0].metrics) == (None, {})
    assert kubeflow.entry("ripeness", "7") is None
    with pytest.raises(RegistryError, match="no version 9"):
        kubeflow.entry("ripeness", "9")


def test_the_next_number_follows_the_highest(kubeflow, entry, server, make_entry):
    kubeflow.register(entry)
    version = {"registeredModelId": server.models[0]["id"], "name": "7"}
    server._post_model_versions({}, version)
    assert kubeflow.register(make_entry("next")).version == "8"


def test_an_earlier_version_becomes_the_challenger_only_where_it_was_pushed(
    kubeflow, entry, make_entry
):
    kubeflow.register(entry)
    kubeflow.register(make_entry("other"))
    kubeflow.register(entry, challenger=False)
    assert kubeflow.versions("ripeness")[0].aliases == ["challenger"]
    kubeflow.register(entry)
    assert [it.aliases for it in kubeflow.versions("ripeness")] == [[], ["challenger"]]


def test_a_model_pushed_anew_lies_elsewhere_and_is_the_same_in_all_else(kubeflow, entry, server):
    kubeflow.register(entry)
    moved = dataclasses.replace(entry, pushed_path="/serving/3", run_id="later")
    assert kubeflow.register(moved, challenger=False).uri == "/serving/1"
    assert kubeflow.register(moved) == ("ripeness", "1", False, "/serving/3")
    assert server.artifacts[0]["uri"] == kubeflow.versions("ripeness")[0].uri == "/serving/3"
    told = kubeflow.entry("ripeness", "1")
    assert told == dataclasses.replace(entry, pushed_path="/serving/3")


def test_champions_follow_one_another_and_the_alias_is_the_truth(kubeflow, entry, make_entry):
    assert kubeflow.champions("ripeness") == []
    for text in ("one", "two"):
        kubeflow.register(make_entry(text), champion=True)
    kubeflow.register(entry)
    assert kubeflow.champions("ripeness") == ["1", "2"]
    kubeflow.set_champions("ripeness", ["1"])
    assert kubeflow.champions("ripeness") == ["1"]
    aliases = {it.version: it.aliases for it in kubeflow.versions("ripeness")}
    assert aliases == {"1": ["champion"], "2": [], "3": ["challenger"]}
    with pytest.raises(RegistryError, match="no version 9"):
        kubeflow.set_champions("ripeness", ["1", "9"])


def test_a_champion_that_somebody_else_chose_stands_last(kubeflow, make_entry, server):
    for text in ("one", "two"):
        kubeflow.register(make_entry(text), champion=True)
    properties = server.models[0]["customProperties"]
    properties["champion"] = {"metadataType": "MetadataStringValue", "string_value": "1"}
    assert kubeflow.champions("ripeness") == ["1", "2", "1"]
    del properties["champion"]
    assert kubeflow.champions("ripeness") == []


def test_what_others_keep_at_the_model_stays(kubeflow, entry, server):
    kubeflow.register(entry)
    theirs = {"metadataType": "MetadataStructValue", "struct_value": "eyJhIjogMX0="}
    server.models[0]["customProperties"]["theirs"] = theirs
    kubeflow.set_champions("ripeness", ["1"])
    assert server.models[0]["customProperties"]["theirs"] == theirs


def test_a_deleted_version_is_gone_and_so_are_its_aliases(kubeflow, entry, make_entry, server):
    kubeflow.register(entry)
    kubeflow.register(make_entry("other"), champion=True)
    kubeflow.delete("ripeness", "2")
    assert [it.version for it in kubeflow.versions("ripeness")] == ["1"]
    assert kubeflow.find("ripeness", make_entry("other").content_hash) is None
    assert kubeflow.champions("ripeness") == []
    assert "challenger" not in server.models[0]["customProperties"]
    with pytest.raises(RegistryError, match="no version 2"):
        kubeflow.entry("ripeness", "2")
    for gone in (("ripeness", "2"), ("ripeness", "9"), ("freshness", "1")):
        kubeflow.delete(*gone)


def test_a_deleted_content_that_is_registered_again_has_its_old_number(
    kubeflow, entry, make_entry, server
):
    kubeflow.register(entry)
    kubeflow.register(make_entry("other"))
    kubeflow.delete("ripeness", "1")
    anew = dataclasses.replace(entry, run_id="later", pushed_path="/serving/5")
    assert kubeflow.register(anew) == ("ripeness", "1", True, "/serving/5")
    assert kubeflow.entry("ripeness", "1") == anew
    assert kubeflow.versions("ripeness")[1].run_id == "later"
    assert len(server.versions) == len(server.artifacts) == 2


def test_what_the_registry_lost_is_restored_from_its_registration(
    kubeflow, entry, server, tmp_path
):
    path = tmp_path / "registration.json"
    write_registration(path, kubeflow, kubeflow.register(entry), entry)
    said = json.loads(path.read_text())
    assert (said["registry"], said["registry_uri"]) == ("kubeflow", server.address)
    kubeflow.delete("ripeness", "1")
    restored = restore(path, {"kind": "kubeflow", "uri": server.address})
    assert (restored.version, restored.created) == ("1", True)
    assert kubeflow.entry("ripeness", "1") == entry


def test_it_works_inside_a_running_event_loop_and_leaves_that_as_it_is(kubeflow, entry):
    before = asyncio.run

    async def notebook():
        kubeflow.register(entry)
        with pytest.raises(RuntimeError, match="running event loop"):
            asyncio.run(asyncio.sleep(0))

    with pytest.warns(RuntimeWarning, match="never awaited"):
        asyncio.run(notebook())
    assert asyncio.run is before


def test_the_client_is_imported_for_its_own_registry_alone_and_says_nothing(server):
    program = f"""
import logging, sys
from components.registry_pusher.registry import get_registry
assert "mr_openapi" not in sys.modules
registry = get_registry({{"kind": "kubeflow", "uri": "{server.address}"}})
assert registry.versions("ripeness") == []
assert not logging.getLogger().handlers
assert "model_registry" not in sys.modules and "nest_asyncio2" not in sys.modules
assert "mlflow" not in sys.modules and "tensorflow" not in sys.modules
"""
    command = [sys.executable, "-W", "always", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    "uri", ["registry:8080", "mysql://host/x", "http://", "http://h:1?x=1", "sqlite:///x.db"]
)
def test_an_address_that_is_none_is_a_mistake_in_the_configuration(uri):
    with pytest.raises(ConfigError, match=r"http\(s\)://HOST:PORT"):
        get_registry({"kind": "kubeflow", "uri": uri})


def test_an_address_that_goes_too_far_says_so():
    with pytest.raises(ConfigError, match="leave out /api/model_registry"):
        get_registry({"kind": "kubeflow", "uri": "http://h:8080/api/model_registry/v1"})

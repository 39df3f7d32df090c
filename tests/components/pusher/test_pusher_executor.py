"""What the Pusher makes of blessings."""

import json
import socket
from pathlib import Path

import pytest
from tfx.types import channel_utils, standard_artifacts

from components.content import content_hash
from components.errors import ServingError
from components.pusher import aliases, executor
from components.pusher.component import CODE_VERSION, Pusher
from components.pusher.executor import Executor
from components.pusher.push import is_withdrawn, newest, withdraw
from components.pusher.push import push as push_folder
from components.registry_pusher.registry import Entry, get_registry


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("weights")
    artifact = standard_artifacts.Model()
    artifact.uri = str(tmp_path / "model")
    artifact.set_string_custom_property("content_hash", content_hash(folder))
    return artifact


def blessing(kind, folder: Path, blessed: bool, reasons=()):
    folder.mkdir(parents=True)
    artifact = kind()
    artifact.uri = str(folder)
    artifact.set_int_custom_property("blessed", int(blessed))
    infra = kind is standard_artifacts.InfraBlessing
    name = "infra_blessing.json" if infra else "blessing.json"
    (folder / name).write_text(json.dumps({"blessed": blessed, "reasons": list(reasons)}))
    return artifact


def push(inputs, tmp_path, registry=None, keep=3):
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed_model")
    Executor().Do(
        {key: [artifact] for key, artifact in inputs.items()},
        {"pushed_model": [pushed]},
        {
            "destination": str(tmp_path / "serving"),
            "keep": keep,
            "registry": json.dumps(registry or {"kind": "none"}),
            "code_version": "1",
        },
    )
    return pushed


def test_a_blessed_model_is_pushed_and_the_artifact_says_where(model, tmp_path):
    pushed = push(
        {
            "model": model,
            "blessing": blessing(standard_artifacts.ModelBlessing, tmp_path / "b", True),
            "infra_blessing": blessing(standard_artifacts.InfraBlessing, tmp_path / "i", True),
        },
        tmp_path,
    )
    assert pushed.get_int_custom_property("pushed") == 1
    assert pushed.get_int_custom_property("pushed_version") == 1
    assert pushed.get_string_custom_property("pushed_destination") == str(tmp_path / "serving/1")
    digest = model.get_string_custom_property("content_hash")
    assert pushed.get_string_custom_property("content_hash") == digest
    assert content_hash(tmp_path / "serving" / "1") == digest


def test_a_model_that_nobody_was_asked_about_is_pushed(model, tmp_path):
    assert push({"model": model}, tmp_path).get_int_custom_property("pushed") == 1


@pytest.mark.parametrize("key", ["blessing", "infra_blessing"])
def test_a_model_that_one_did_not_bless_is_not_pushed_and_the_reason_is_kept(model, tmp_path, key):
    kinds = {
        "blessing": standard_artifacts.ModelBlessing,
        "infra_blessing": standard_artifacts.InfraBlessing,
    }
    inputs = {
        name: blessing(kind, tmp_path / name, name != key, ["accuracy 0.41 is below 0.5"])
        for name, kind in kinds.items()
    }
    pushed = push({"model": model, **inputs}, tmp_path)
    assert pushed.has_custom_property("pushed")
    assert pushed.get_int_custom_property("pushed") == 0
    assert "accuracy 0.41 is below 0.5" in pushed.get_string_custom_property("reason")
    assert not (tmp_path / "serving").exists()


def test_a_blessing_that_says_nothing_is_no_blessing(model, tmp_path):
    silent = standard_artifacts.ModelBlessing()
    silent.uri = str(tmp_path / "nothing")
    pushed = push({"model": model, "blessing": silent}, tmp_path)
    assert pushed.get_int_custom_property("pushed") == 0


def test_a_model_that_changed_after_its_evaluation_fails_the_node(model, tmp_path):
    Path(model.uri, "Format-Serving", "saved_model.pb").write_text("other weights")
    with pytest.raises(ServingError, match="was changed since"):
        push({"model": model}, tmp_path)


def test_a_withdrawn_model_is_not_pushed_and_the_note_says_what_brings_it_back(model, tmp_path):
    digest = model.get_string_custom_property("content_hash")
    withdraw(tmp_path / "serving", digest)
    pushed = push({"model": model}, tmp_path)
    assert pushed.has_custom_property("pushed")
    assert pushed.get_int_custom_property("pushed") == 0
    assert "`graft registry promote`" in pushed.get_string_custom_property("reason")
    assert "was rolled back from" in pushed.get_string_custom_property("note")
    assert newest(tmp_path / "serving") is None and is_withdrawn(tmp_path / "serving", digest)


def test_a_model_that_is_rolled_back_from_while_its_push_begins_stays_away(
    model, tmp_path, monkeypatch
):
    """A registry is asked for its aliases up to 20 seconds long."""
    digest = model.get_string_custom_property("content_hash")

    def slow(*_):
        withdraw(tmp_path / "serving", digest)
        return set()

    monkeypatch.setattr(executor, "aliased_contents", slow)
    pushed = push({"model": model}, tmp_path)
    assert pushed.get_int_custom_property("pushed") == 0
    assert newest(tmp_path / "serving") is None and is_withdrawn(tmp_path / "serving", digest)


def old_version(tmp_path):
    """The first version, with the challenger's alias on it."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "saved_model.pb").write_text("old weights")
    digest = content_hash(folder)
    path = push_folder(folder, tmp_path / "serving", digest)
    spec = {"kind": "mlflow", "uri": f"sqlite:///{tmp_path}/mlflow.db", "model_name": "bananas"}
    get_registry(spec).register(Entry("bananas", digest, str(folder)))
    return path, spec


def test_a_version_with_an_alias_in_the_registry_outlives_those_that_are_kept(model, tmp_path):
    path, spec = old_version(tmp_path)
    pushed = push({"model": model}, tmp_path, spec, keep=1)
    assert pushed.get_int_custom_property("pushed_version") == 2
    assert not pushed.has_custom_property("note")
    assert Path(path).is_dir()
    push({"model": model}, tmp_path, {**spec, "model_name": "apples"}, keep=1)
    assert not Path(path).exists()


def test_a_registry_that_does_not_answer_holds_up_no_push_and_nothing_is_removed(
    model, tmp_path, monkeypatch
):
    path, spec = old_version(tmp_path)
    # Takes connections, and never says a word.
    with socket.create_server(("localhost", 0)) as server:
        monkeypatch.setattr(aliases, "ANSWER_SECONDS", 0.5)
        silent = {**spec, "uri": f"http://localhost:{server.getsockname()[1]}"}
        pushed = push({"model": model}, tmp_path, silent, keep=1)
    assert pushed.get_int_custom_property("pushed_version") == 2
    assert "the registry did not say" in pushed.get_string_custom_property("note")
    assert Path(path).is_dir()


def test_where_no_version_could_be_removed_the_registry_is_not_asked(model, tmp_path):
    nowhere = {"kind": "mlflow", "uri": "http://localhost:9", "model_name": "bananas"}
    pushed = push({"model": model}, tmp_path, nowhere)
    assert pushed.get_int_custom_property("pushed") == 1 and not pushed.has_custom_property("note")


def test_the_component_takes_blessings_or_none():
    model = channel_utils.as_channel([standard_artifacts.Model()])
    alone = Pusher(model=model, destination="/somewhere")
    assert set(alone.inputs) == {"model"} and alone.id == "Pusher"
    assert alone.exec_properties == {
        "destination": "/somewhere",
        "keep": 5,
        "registry": '{"kind": "none"}',
        "code_version": CODE_VERSION,
    }
    asked = Pusher(
        model=model,
        blessing=channel_utils.as_channel([standard_artifacts.ModelBlessing()]),
        infra_blessing=channel_utils.as_channel([standard_artifacts.InfraBlessing()]),
        destination="/somewhere",
        keep=2,
    )
    assert set(asked.inputs) == {"model", "blessing", "infra_blessing"}
    assert asked.outputs["pushed_model"].type is standard_artifacts.PushedModel

"""Champions, what was told of a version, and deletion, on a real MLflow store in a SQLite file."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from components.errors import RegistryError
from components.registry_pusher import mlflow_sqlite
from components.registry_pusher.registry import Entry, restore, write_registration

ROOT = Path(__file__).parents[3]


@pytest.fixture
def three(registry, make_entry):
    """Three entries that are registered as versions 1, 2 and 3."""
    entries = [make_entry(text) for text in ("first", "second", "third")]
    for entry in entries:
        registry.register(entry)
    return entries


def alias(client, name="champion"):
    return str(client.get_registered_model("ripeness").aliases.get(name))


@pytest.fixture(params=["quick", "by MLflow itself"])
def reading(request, monkeypatch):
    """Both ways of reading a store."""
    if request.param != "quick":
        monkeypatch.setattr(mlflow_sqlite, "read_versions", lambda *_: None)
        monkeypatch.setattr(mlflow_sqlite, "read_tag", lambda *_: None)


def test_nobody_is_champion_before_somebody_says_so(registry, three, reading):
    assert registry.champions("ripeness") == []
    assert registry.champions("freshness") == []


def test_the_last_of_the_champions_has_the_alias(registry, three, client, reading):
    registry.set_champions("ripeness", ["1", "3"])
    assert registry.champions("ripeness") == ["1", "3"] and alias(client) == "3"
    registry.set_champions("ripeness", ["1"])
    assert registry.champions("ripeness") == ["1"] and alias(client) == "1"
    assert registry.versions("ripeness")[-1].aliases == ["champion"]


def test_the_alias_is_the_truth_where_somebody_moved_it(registry, three, client):
    registry.set_champions("ripeness", ["1", "2"])
    client.set_registered_model_alias("ripeness", "champion", "3")
    assert registry.champions("ripeness") == ["1", "2", "3"]
    client.set_registered_model_alias("ripeness", "champion", "1")
    assert registry.champions("ripeness") == ["1"]
    client.delete_registered_model_alias("ripeness", "champion")
    assert registry.champions("ripeness") == []


@pytest.mark.parametrize("step", ["set_registered_model_tag", "set_registered_model_alias"])
@pytest.mark.parametrize("after", [["1", "2", "3"], ["1"], ["2", "1"]])
def test_a_change_that_ended_between_alias_and_list_has_changed_nothing(
    registry, three, monkeypatch, after, step
):
    registry.set_champions("ripeness", ["1", "2"])
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, dying)
        with pytest.raises(KeyboardInterrupt):
            registry.set_champions("ripeness", after)
    left = registry.champions("ripeness")
    assert left == ["1", "2"] or (left == ["2"] and after == ["2", "1"])  # 1 is on its way
    registry.set_champions("ripeness", after)
    assert registry.champions("ripeness") == after


def dying(*_, **__):
    raise KeyboardInterrupt


def test_a_version_that_is_not_there_cannot_be_champion(registry, three):
    with pytest.raises(RegistryError, match="refuses: .*not found"):
        registry.set_champions("ripeness", ["7"])


def test_a_push_can_make_the_champion(registry, entry, make_entry, client):
    registry.register(entry, champion=True)
    registry.register(make_entry("other"))
    assert (alias(client), alias(client, "challenger")) == ("1", "2")
    registry.register(make_entry("other"), champion=True)
    assert registry.champions("ripeness") == ["1", "2"]
    registry.register(entry, champion=True)  # pushed again
    assert registry.champions("ripeness") == ["2", "1"] and alias(client, "challenger") == "1"


def test_what_was_told_of_a_version_is_read_back(registry, make_entry, reading):
    told = make_entry(
        "told",
        intervals={"accuracy": [0.91, 0.98]},
        slices={"label": {"ripe": {"images": 6, "accuracy": 1.0}}},
        git_commit="c" * 40,
        card={"limits": "none | known"},
    )
    registry.register(told)
    assert registry.entry("ripeness", "1") == told
    with pytest.raises(RegistryError, match="no version 2"):
        registry.entry("ripeness", "2")


def test_a_version_by_other_hands_has_no_entry_and_half_a_one_is_not_there(
    registry, entry, client, reading
):
    client.create_registered_model("ripeness")
    client.create_model_version("ripeness", "somewhere")
    client.create_model_version("ripeness", "else", tags={"content_hash": entry.content_hash})
    assert [version.version for version in registry.versions("ripeness")] == ["1"]
    assert registry.entry("ripeness", "1") is None
    with pytest.raises(RegistryError, match="no version 2"):
        registry.entry("ripeness", "2")


def test_an_entry_says_where_the_version_was_pushed_last(registry, entry, make_entry, reading):
    registry.register(entry)
    moved = dataclasses.replace(entry, pushed_path="/serving/4")
    registry.register(make_entry("other"))
    registry.register(moved)
    assert registry.entry("ripeness", "1") == moved


def test_lost_files_are_one_clear_message(registry, entry):
    uri = registry.register(entry).uri
    Path(uri.removeprefix("file://")).with_name("entry.json").unlink()
    with pytest.raises(RegistryError, match="version 1 of ripeness cannot be read .* run the"):
        registry.entry("ripeness", "1")


def test_the_page_shows_intervals_card_and_commit(registry, make_entry, client):
    registry.register(make_entry("told", intervals={"accuracy": [0.91, 0.98]}, git_commit="c" * 40))
    version = client.get_model_version("ripeness", "1")
    run = client.get_run(version.run_id)
    assert run.data.metrics["accuracy"] == 0.96
    ends = run.data.metrics["accuracy_low"], run.data.metrics["accuracy_high"]
    assert ends == (0.91, 0.98) and json.loads(version.tags["intervals"])["accuracy"] == [*ends]
    assert run.data.tags["mlflow.source.git.commit"] == version.tags["git_commit"] == "c" * 40
    card = Path(version.source.removeprefix("file://"), "MODEL_CARD.md").read_text()
    assert version.description == card and "0.9100 to 0.9800" in card


def test_a_card_too_long_for_the_page_is_whole_among_the_files(registry, entry, client):
    registry.register(dataclasses.replace(entry, card={"limits": "long\n" * 2000}))
    version = client.get_model_version("ripeness", "1")
    assert len(version.description) <= 5000 and "MODEL_CARD.md" in version.description
    assert len(Path(version.source.removeprefix("file://"), "MODEL_CARD.md").read_text()) > 10_000


def test_a_deleted_version_leaves_no_file_and_its_number_is_not_given_again(
    registry, three, client, store, reading
):
    run_id = client.get_model_version("ripeness", "3").run_id
    folder = Path(registry.versions("ripeness")[0].uri.removeprefix("file://"))
    registry.delete("ripeness", "3")
    assert [version.version for version in registry.versions("ripeness")] == ["2", "1"]
    assert not list(folder.parent.parent.rglob("*.pb")) and not folder.exists()
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    registry.delete("ripeness", "3")  # gone already
    registry.delete("ripeness", "77")
    assert registry.register(three[2]).version == "4"
    assert registry.entry("ripeness", "4") == three[2]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["delete_run", "delete_model_version"])
def test_a_deletion_that_ended_at_any_step_is_finished_by_the_next(
    registry, three, client, monkeypatch, step, when
):
    real = getattr(MlflowClient, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, dying)
        with pytest.raises(KeyboardInterrupt):
            registry.delete("ripeness", "2")
    registry.delete("ripeness", "2")
    assert [version.version for version in registry.versions("ripeness")] == ["3", "1"]
    (experiment,) = client.search_experiments(filter_string="name = 'bananas'")
    assert len(client.search_runs([experiment.experiment_id])) == 2


def test_what_two_names_share_stays_until_the_last_of_them_is_deleted(registry, entry):
    registry.register(entry)
    registry.register(dataclasses.replace(entry, name="freshness"))
    assert registry.entry("ripeness", "1") == entry  # one file tells of both
    (kept,) = registry.versions("freshness")
    files = Path(kept.uri.removeprefix("file://"))
    registry.delete("ripeness", "1")
    assert registry.versions("ripeness") == [] and (files / "MLmodel").is_file()
    assert registry.entry("freshness", "1").name == "freshness"
    registry.delete("freshness", "1")
    assert not files.exists()


def test_a_version_whose_run_is_gone_for_good_can_be_deleted(registry, three, client, store):
    (version,) = (it for it in registry.versions("ripeness") if it.version == "2")
    run_id = client.get_model_version("ripeness", "2").run_id
    client.delete_run(run_id)
    SqlAlchemyStore(f"sqlite:///{store}", str(store.parent))._hard_delete_run(run_id)  # as gc does
    registry.delete("ripeness", "2")
    assert [it.version for it in registry.versions("ripeness")] == ["3", "1"]
    assert not Path(version.uri.removeprefix("file://")).exists()


def test_a_version_by_other_hands_is_deleted_without_its_run(registry, client):
    experiment = client.create_experiment("theirs")
    run = client.create_run(experiment).info
    client.create_registered_model("ripeness")
    client.create_model_version("ripeness", f"{run.artifact_uri}/model", run.run_id)
    registry.delete("ripeness", "1")
    assert registry.versions("ripeness") == []
    assert client.get_run(run.run_id).info.lifecycle_stage == "active"


def test_restoring_moves_no_alias(registry, three, client, store, tmp_path):
    """What was rolled back from stays away when its pipeline runs again, all cached."""
    told = tmp_path / "registration.json"
    write_registration(told, registry, registry.register(three[2]), three[2])
    registry.register(three[0])  # gone back to, so the challenger
    registry.set_champions("ripeness", ["1"])
    restore(told, {"kind": "mlflow", "uri": f"sqlite:///{store}"})
    assert (alias(client), alias(client, "challenger")) == ("1", "1")


QUICK = """
import json, sys
from components.registry_pusher.registry import get_registry
registry = get_registry({"kind": "mlflow", "uri": sys.argv[1]})
assert registry.champions("ripeness") == ["1"]
assert registry.entry("ripeness", "1").run_id
registry.delete("ripeness", "7")
assert not {"mlflow", "sqlalchemy", "tensorflow", "tfx", "pandas"} & set(sys.modules)
"""


def test_questions_cost_no_import_of_mlflow(registry, entry, store):
    registry.register(entry, champion=True)
    done = subprocess.run(
        [sys.executable, "-c", QUICK, f"sqlite:///{store}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_an_entry_of_a_later_release_is_read(registry, entry):
    uri = registry.register(entry).uri
    path = Path(uri.removeprefix("file://")).with_name("entry.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "mood": "good"}))
    assert isinstance(registry.entry("ripeness", "1"), Entry)

"""What stands after a run, also where something goes wrong at its very end."""

import dataclasses
import json
import os
import shutil
import time

import pytest

from components.content import content_hash
from components.errors import StoreError
from components.pusher.push import is_withdrawn, push, withdraw
from components.pusher.versions import WITHDRAWN
from components.registry_pusher.registry import Entry, get_registry, write_registration
from pipeline import finish as finishing
from pipeline.config import Config
from pipeline.finish import _sweep_checkpoints, finish, restore_push, restore_registration
from pipeline.lineage import Artifact, Node, Run, record_start
from pipeline.places import Places
from pipeline.stores import open_store
from pipeline.summary import summarize

CONFIG = Config.model_validate({"name": "task", "data": {"source": "images"}})


@pytest.fixture
def places(tmp_path):
    places = Places(tmp_path, "task")
    places.home.mkdir()
    return places


@pytest.fixture
def store(places):
    store = open_store(places.metadata)
    config = CONFIG.model_dump(mode="json")
    record_start(store, Run("1", config, "0" * 12, 0.0, {}, [Node("Trainer", "skipped")]), "task")
    return store


def written(places):
    return json.loads(places.summary.read_text())


def test_a_run_that_got_nowhere_has_summary_and_report(store, places):
    error = {"node": "pipeline", "message": "RuntimeError: it is late"}
    summary = finish(store, "1", places, CONFIG, 1.0, error)
    assert written(places) == summary
    assert (summary["status"], summary["error"]) == ("failed", error)
    assert "it is late" in (places.report("1") / "index.html").read_text()


def test_a_report_that_cannot_be_written_does_not_take_the_summary_with_it(store, places):
    (places.home / "reports").write_text("a file")
    finish(store, "1", places, CONFIG, 1.0)
    assert written(places)["status"] == "failed"
    assert written(places)["error"]["node"] == "report"
    assert "cannot be written" in written(places)["error"]["message"]


def test_a_summary_that_cannot_be_written_is_one_clear_error(store, places):
    places.summary.mkdir()
    with pytest.raises(StoreError, match="the summary cannot be written .* is cached"):
        finish(store, "1", places, CONFIG, 1.0)


def test_checkpoints_go_once_the_model_is_on_record_and_forgotten_ones_too(places):
    for name in ("done", "stopped", "forgotten"):
        (places.checkpoints / name).mkdir(parents=True)
    month_ago = time.time() - 30 * 24 * 3600
    os.utime(places.checkpoints / "forgotten", (month_ago, month_ago))
    model = Artifact(1, "Model", "model", {"checkpoints": "done"})
    trainer = Node("Trainer", "ran", outputs={"model": [model]})
    _sweep_checkpoints(Run("1", {}, "", 0.0, {}, [trainer]), places)
    assert [folder.name for folder in places.checkpoints.iterdir()] == ["stopped"]


@pytest.fixture
def pushed_before(places):
    """A run in which Trainer and Pusher are cached, and the model's content hash."""
    folder = places.home / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_text("weights")
    content = content_hash(folder)
    path = push(folder, places.serving(None), content)
    said = {"pushed": 1, "pushed_destination": path, "content_hash": content}
    model = Artifact(1, "Model", str(folder.parent), {"content_hash": content})
    nodes = [
        Node("Trainer", "cached", outputs={"model": [model]}),
        Node("Pusher", "cached", outputs={"pushed_model": [Artifact(2, "PushedModel", "", said)]}),
    ]
    return Run("1", {}, "", 0.0, {}, nodes), content


def test_what_a_cached_run_had_pushed_comes_back(places, pushed_before):
    run, _ = pushed_before
    shutil.rmtree(places.serving(None))
    path, notes = restore_push(run, CONFIG, places)
    assert os.path.isfile(os.path.join(path, "saved_model.pb")) and notes == []


@pytest.mark.parametrize("reason", [{}, {"pushed": 0, "reason": WITHDRAWN}])
def test_what_somebody_rolled_back_from_comes_back_once_it_was_promoted(
    places, pushed_before, reason
):
    run, content = pushed_before
    run.output("Pusher", "pushed_model").properties.update(reason)
    withdraw(places.serving(None), content)
    shutil.rmtree(os.path.join(places.serving(None), "1"))
    path, notes = restore_push(run, CONFIG, places)
    assert path is None and "was rolled back from" in notes[0]
    assert not os.path.exists(os.path.join(places.serving(None), "1"))
    model = run.output("Trainer", "model").path("Format-Serving")
    promoted = push(model, places.serving(None), content)
    assert restore_push(run, CONFIG, places) == (promoted, [])


def test_what_is_rolled_back_from_while_a_cached_run_ends_stays_away(
    places, pushed_before, monkeypatch
):
    run, content = pushed_before
    shutil.rmtree(os.path.join(places.serving(None), "1"))

    def slow(*_):
        withdraw(places.serving(None), content)
        return set()

    monkeypatch.setattr(finishing, "aliased_contents", slow)
    path, notes = restore_push(run, CONFIG, places)
    assert path is None and "was rolled back from" in notes[0]
    assert is_withdrawn(places.serving(None), content)


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_lost_registration_comes_back_unless_it_was_rolled_back_from(
    places, pushed_before, rolled_back
):
    run, content = pushed_before
    model = run.output("Trainer", "model").path("Format-Serving")
    path = run.output("Pusher", "pushed_model").properties["pushed_destination"]
    spec = places.registry(CONFIG.push)
    entry = Entry("task", content, model, path)
    there = get_registry(spec)
    file = places.home / "registered" / "registration.json"
    file.parent.mkdir()
    write_registration(file, there, there.register(entry), entry)
    told = Artifact(3, "Registration", str(file.parent), {"registered": 1})
    run.nodes.append(Node("RegistryPusher", "cached", outputs={"registration": [told]}))
    there.delete("task", "1")
    if rolled_back:
        withdraw(places.serving(None), content)
    values = {**CONFIG.model_dump(), "push": {"champion": "push"}}
    stands = restore_registration(run, Config.model_validate(values), places)
    told = {"registry": "mlflow", "name": "task", "version": "2"}
    assert stands == (None if rolled_back else told)
    found = {it.version: it.aliases for it in there.versions("task")}
    assert found == ({} if rolled_back else {"2": ["challenger", "champion"]})


def test_a_model_that_was_not_blessed_does_not_come_back(places, pushed_before):
    run, _ = pushed_before
    said = run.output("Pusher", "pushed_model").properties
    said.update(pushed=0, reason="the Evaluator did not bless it")
    shutil.rmtree(places.serving(None))
    assert restore_push(run, CONFIG, places) == (None, [])
    assert not os.path.exists(places.serving(None))


def test_what_the_pusher_notes_is_a_warning_of_that_run_alone(places, pushed_before):
    run, _ = pushed_before
    run.output("Pusher", "pushed_model").properties["note"] = "no old version was removed"
    assert summarize(run, "", 0.0)["warnings"] == []
    ran = dataclasses.replace(run, nodes=[dataclasses.replace(n, state="ran") for n in run.nodes])
    assert summarize(ran, "", 0.0)["warnings"] == ["no old version was removed"]

"""What stands after a run, also where something goes wrong at its very end."""

import json
import os
import time

import pytest

from components.errors import StoreError
from pipeline.config import Config
from pipeline.finish import _sweep_checkpoints, finish
from pipeline.lineage import Artifact, Node, Run, record_start
from pipeline.places import Places
from pipeline.stores import open_store

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

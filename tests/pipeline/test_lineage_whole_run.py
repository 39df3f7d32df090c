"""`graft lineage` over real runs: two spans, a warm start, a cached run, a failed one, a clean."""

import hashlib
import json

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from pipeline.config_file import load_config
from pipeline.lineage import read_run, read_runs, run_ids
from pipeline.places import Places
from pipeline.sightings import read_pictures
from pipeline.stores import open_store
from pipeline.tracing import Trace

pytestmark = pytest.mark.slow


class Task:
    """A small task, a span a run."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "shades.yaml"
        split = {"train": 0.5, "eval": 0.2, "test": 0.3}
        source = str(folder / "span-{SPAN}")
        self.path.write_text(
            yaml.safe_dump(
                {
                    "name": "shades",
                    "data": {"source": source, "min_per_class": 2, "split": split},
                    "transform": {"image_size": [32, 32]},
                    "train": {
                        "warm_start": True,
                        "phases": [{"train": "head", "epochs": 1, "learning_rate": 1e-2}],
                    },
                    "evaluate": {"thresholds": {"accuracy": {"at_least": 0.0}}},
                }
            )
        )
        self.places = Places.of(folder / "runs", load_config(self.path))

    def add_span(self, span):
        for label, level in (("dark", 60), ("light", 190)):
            place = self.folder / f"span-{span}" / label
            place.mkdir(parents=True)
            for i in range(16):
                rng = np.random.default_rng([span, level, i])
                pixels = rng.normal(level, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")

    def graft(self, *words, code=0):
        result = CliRunner().invoke(main, [*words, "--runs", str(self.folder / "runs")])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    def ask(self, *words):
        return json.loads(self.graft("lineage", *words, "--json"))

    def trace(self):
        return Trace(read_runs(open_store(self.places.metadata), "shades"))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    task = Task(tmp_path_factory.mktemp("task"))
    for span in (1, 2):
        task.add_span(span)
        task.graft("run", str(task.path), "--quiet")
    task.graft("run", str(task.path), "--quiet")  # all from the cache
    task.add_span(3)
    broken = task.folder / "span-3" / "dark" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    task.graft("run", str(task.path), "--quiet", "--set", "data.max_rejected=0", code=1)
    return task


def test_the_model_that_is_challenger_names_its_span_its_runs_and_the_one_it_began_from(task):
    first, second = task.ask("1"), task.ask("challenger")
    ids = [run.id for run in task.trace().runs]
    assert (first["data"]["span"], second["data"]["span"]) == (1, 2)
    assert [one["content_hash"] for one in second["began_from"]] == [first["content_hash"]]
    assert second["compared_with"] == first["content_hash"]
    assert [run["run_id"] for run in second["runs"]] == ids[1:3]
    assert [run["run_id"] for run in first["runs"]] == ids[:3]
    assert second["registered"][0]["aliases"] == ["challenger"]
    assert second["pushed"][0]["newest"] and not first["pushed"][0]["newest"]
    assert second["blessed"] and second["blessing_reasons"]
    assert second["module"]["hash"] and second["code"]["versions"]["tensorflow"]
    assert sum(second["data"]["counts"].values()) == 32
    printed = task.graft("lineage", "challenger")
    assert second["content_hash"] in printed and "served now" in printed


def test_every_picture_is_found_by_its_bytes_in_its_own_split(task):
    expected = {1: {}, 2: {}}
    for dataset in task.trace().datasets.values():
        for picture in read_pictures(dataset):
            file = task.folder / f"span-{dataset.span}" / picture.path
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            assert content.startswith(picture.content)
            expected[dataset.span][picture.path] = picture.split
    assert {span: len(found) for span, found in expected.items()} == {1: 32, 2: 32}
    one_of = {split: path for path, split in expected[1].items()}
    words = [f"--image={task.folder / 'span-1' / path}" for path in one_of.values()]
    saw = {}
    for split, answer in zip(one_of, task.ask(*words)["images"], strict=True):
        (picture,) = answer["pictures"]
        (stands,) = picture["datasets"]
        assert (stands["span"], stands["splits"]) == (1, [split])
        saw[split] = [model["saw"] for model in picture["models"]]
    one = task.ask("1")["content_hash"]
    assert saw == {
        "train": [["trained on it"], [f"began from {one}, which was trained on it"]],
        "eval": [
            ["watched on it in training"],
            [f"began from {one}, which was watched on it in training"],
        ],
        "test": [["tested on it"]],
    }


def test_all_runs_read_at_once_are_those_read_one_by_one(task):
    store = open_store(task.places.metadata)
    ids = run_ids(store, "shades")
    assert len(ids) == 4
    assert read_runs(store, "shades") == [read_run(store, run_id) for run_id in ids]


def test_after_a_clean_it_is_still_known_who_saw_a_picture(task):
    gone = task.folder / "span-1" / "dark" / "0.png"
    (before,) = task.ask("--image", str(gone))["images"][0]["pictures"]
    gone.unlink()
    task.graft("clean", "--keep", "1", "--yes")
    said = task.ask("--image", str(gone))
    (after,) = said["images"][0]["pictures"]
    assert [model["saw"] for model in after["models"]] == [m["saw"] for m in before["models"]]
    kinds = {one["what"] for one in before["held_by"]}
    assert "its bytes, among the Examples" in kinds
    assert "its bytes, among the Examples" not in {one["what"] for one in after["held_by"]}
    assert said["searched"]["unknown"] == []

"""`graft clean` on real runs: what goes, what stays, and what the next run finds."""

import json
import os

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as pb
from mlflow import MlflowClient
from PIL import Image

from components.registry_pusher.registry import get_registry
from pipeline.clean import plan
from pipeline.cli import main
from pipeline.config_file import load_config
from pipeline.lineage import read_run, run_ids
from pipeline.places import Places
from pipeline.stores import open_store


class Task:
    """Runs of a small task, each on a span of its own."""

    def __init__(self, folder):
        self.folder, self.span = folder, 0
        self.path = folder / "shades.yaml"
        self.path.write_text(
            yaml.safe_dump(
                {
                    "name": "shades",
                    "data": {
                        "source": str(folder / "span-{SPAN}"),
                        "min_per_class": 2,
                        "split": {"train": 0.5, "eval": 0.2, "test": 0.3},
                    },
                    "transform": {"image_size": [32, 32]},
                    "train": {"phases": [{"train": "head", "epochs": 1, "learning_rate": 1e-2}]},
                    "evaluate": {"thresholds": {"accuracy": {"at_least": 0.0}}},
                }
            )
        )
        self.places = Places.of(folder / "runs", load_config(self.path))

    def run(self, new_span=True, *overrides, succeeds=True):
        if new_span:
            self.span += 1
            for label, level in (("dark", 60), ("light", 190)):
                place = self.folder / f"span-{self.span}" / label
                place.mkdir(parents=True)
                for i in range(16):
                    rng = np.random.default_rng([self.span, level, i])
                    pixels = rng.normal(level, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(place / f"{i}.png")
        words = ["run", str(self.path), "--runs", str(self.folder / "runs"), "--quiet"]
        for override in overrides:
            words += ["--set", override]
        assert (CliRunner().invoke(main, words).exit_code == 0) is succeeds
        return json.loads(self.places.summary.read_text())

    def clean(self, keep, *words):
        arguments = ["clean", "--keep", str(keep), "--runs", str(self.folder / "runs"), *words]
        result = CliRunner().invoke(main, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def output(self, number, node, key):
        store = open_store(self.places.metadata)
        run = read_run(store, run_ids(store, "shades")[number])
        return run.output(node, key).uri


@pytest.mark.slow
def test_old_runs_are_freed_and_what_is_needed_stays(tmp_path):
    task = Task(tmp_path)
    for _ in range(4):
        assert task.run()["blessed"]
    # Somebody made the first version the champion: the alias must keep its model.
    spec = task.places.registry(load_config(task.path).push)
    first = get_registry(spec).versions("shades")[-1]
    client = MlflowClient(tracking_uri=spec["uri"], registry_uri=spec["uri"])
    client.set_registered_model_alias("shades", "champion", first.version)

    asked = task.clean(1)
    assert asked.exit_code == 1 and "Remove them?" in asked.output  # nobody said yes
    assert os.path.isdir(task.output(1, "Trainer", "model"))

    done = json.loads(task.clean(1, "--yes", "--json").output)
    assert done["bytes"] > 0 and len(done["runs_kept"]) == 1
    assert any("champion" in kept["what"] for kept in done["kept_for"])
    assert os.path.isdir(task.output(0, "Trainer", "model"))
    assert not os.path.exists(task.output(0, "ImageExampleGen", "examples"))
    assert not os.path.exists(task.output(1, "Trainer", "model"))
    # The kept run's own, and the blessed model that it was compared with.
    assert os.path.isdir(task.output(3, "Trainer", "model"))
    assert os.path.isdir(task.output(2, "Trainer", "model"))
    # The groups in them hold the split together.
    assert os.path.isdir(task.output(0, "ImageExampleGen", "facts"))
    assert "nothing to remove" in task.clean(1, "--yes").output

    assert task.run(new_span=False)["unchanged"]
    summary = task.run(False, "train.phases=[{train: head, epochs: 2, learning_rate: 0.01}]")
    assert summary["status"] == "succeeded"


@pytest.mark.slow
def test_after_a_run_that_failed_the_blessed_model_and_the_groups_stay(tmp_path):
    task = Task(tmp_path)
    assert task.run()["blessed"]
    task.run()
    # A picture that only decoding finds broken: the run begins, and fails in ImageExampleGen.
    broken = tmp_path / "span-2" / "dark" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    failed = task.run(False, "data.max_rejected=0", succeeds=False)
    assert failed["error"]["node"] == "ImageExampleGen"
    planned = plan(open_store(task.places.metadata), task.places, 1)
    blessed = task.output(1, "Trainer", "model")
    assert ("the latest blessed model", blessed) in planned.kept_for
    gone = [artifact.uri for artifact in planned.artifacts]
    assert task.output(0, "Trainer", "model") in gone
    assert task.output(0, "ImageExampleGen", "examples") in gone
    for number in (0, 1):
        assert task.output(number, "ImageExampleGen", "facts") not in gone
    assert all(artifact.state == pb.Artifact.LIVE for artifact in planned.artifacts)

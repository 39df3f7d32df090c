"""The whole pipeline as a user runs it: by the command line, in a process of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.lineage import read_run, run_ids
from pipeline.stores import open_store

pytestmark = pytest.mark.slow

CONFIG = """
name: hues
data: {source: SOURCE, split: {train: 0.6, eval: 0.1, test: 0.3}}
transform: {image_size: [64, 64], crop_fraction: 1.0, augment: AUGMENT}
train:
  batch_size: 16
  phases: PHASES
evaluate: {thresholds: {accuracy: {at_least: 0.9, no_worse_than_blessed_by: 0.05}}}
"""
ANY = "evaluate.thresholds={accuracy: {at_least: 0.0}}"
FROZEN = "[{train: head, epochs: 20, learning_rate: 3.0e-3}]"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Noisy squares of two hues: learnt in a few steps."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for label, hue in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (folder / label).mkdir()
        for i in range(40):
            pixels = np.clip(rng.normal(hue, 30, (48, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.jpg")
    return folder


class Task:
    """A configuration and the folder of its runs."""

    def __init__(self, folder: Path, source: Path, augment="none", phases=FROZEN):
        self.config, self.runs = folder / "hues.yaml", folder / "runs"
        self.home = self.runs / "hues"
        text = CONFIG.replace("SOURCE", str(source)).replace("AUGMENT", augment)
        self.config.write_text(text.replace("PHASES", phases))

    def start(self, *arguments):
        command = [sys.executable, "-m", "pipeline", *arguments, "--runs", str(self.runs)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments):
        process = self.start("run", str(self.config), *arguments)
        printed, _ = process.communicate(timeout=600)
        assert process.returncode == 0, printed
        return self.summary()

    def summary(self):
        return json.loads((self.home / "summary.json").read_text())

    def states(self):
        return {node["id"]: node["state"] for node in self.summary()["nodes"]}

    def served(self):
        return sorted(p.name for p in (self.home / "serving").iterdir() if p.name.isdigit())

    def failed_nodes(self):
        store = open_store(self.home / "metadata.db")
        runs = [read_run(store, run_id) for run_id in run_ids(store, self.home.name)]
        return {node.id for run in runs for node in run.nodes if node.state == "failed"}

    def registered(self):
        from components.registry_pusher.registry import get_registry

        registry = get_registry(
            {"kind": "mlflow", "uri": f"sqlite:///{self.runs / 'mlflow.db'}", "model_name": "hues"}
        )
        return [version.version for version in registry.versions("hues")]


@pytest.fixture(scope="module")
def done(tmp_path_factory, images):
    """A task after its first run."""
    task = Task(tmp_path_factory.mktemp("task"), images)
    task.run()
    return task


def test_the_first_run_is_blessed_pushed_and_registered(done):
    summary = done.summary()
    assert summary["status"] == "succeeded"
    assert summary["blessed"], summary["blessing_reasons"]
    assert summary["pushed"].endswith("/serving/1")
    assert summary["registered"] == {"registry": "mlflow", "name": "hues", "version": "1"}
    assert set(summary["images"]) == {"train", "eval", "test", "rejected"}
    assert done.states()["FeatureExtractor"] == "ran"
    assert (Path(summary["pushed"]) / "saved_model.pb").is_file()
    assert "red" in Path(summary["report"]).read_text()


def test_the_second_run_does_nothing_twice(done):
    done.run()
    assert set(done.states().values()) == {"cached"}
    assert (done.served(), done.registered()) == (["1"], ["1"])


def test_a_served_folder_that_was_deleted_is_restored(done):
    shutil.rmtree(done.home / "serving")
    summary = done.run()
    assert done.served() == ["1"]
    assert summary["pushed"].endswith("/serving/1")
    assert done.registered() == ["1"]


def test_predict_asks_the_pushed_model(done, images, tmp_path):
    (tmp_path / "no picture.jpg").write_text("text")
    process = done.start(
        "predict", "--json", str(images / "red" / "0.jpg"), str(images / "blue" / "0.jpg"),
        str(tmp_path / "no picture.jpg"), str(tmp_path / "not there.jpg"),
    )  # fmt: skip
    printed = process.communicate(timeout=120)[0]
    answers = json.loads(printed[printed.index("[\n") :])
    assert [answer.get("label") for answer in answers] == ["red", "blue", None, None]
    assert "is no picture" in answers[2]["error"]
    assert "cannot be read" in answers[3]["error"]
    assert process.returncode == 1


def test_a_second_run_at_the_same_time_is_refused(done):
    first = done.start("run", str(done.config))
    lock = done.home / ".lock"
    deadline = time.monotonic() + 60
    while not _is_locked(lock) and time.monotonic() < deadline:
        time.sleep(0.05)
    second = done.start("run", str(done.config))
    printed = second.communicate(timeout=120)[0]
    assert second.returncode == 2
    assert "another run is going on there" in printed
    assert "Traceback" not in printed
    assert first.wait(timeout=300) == 0


def test_a_worse_model_is_not_pushed_and_the_reason_is_said(done):
    summary = done.run("--set", "train.phases=[{train: head, epochs: 1, learning_rate: 1.0e-9}]")
    assert summary["status"] == "succeeded"
    assert not summary["blessed"]
    assert any("below" in reason for reason in summary["blessing_reasons"])
    assert (done.served(), done.registered()) == (["1"], ["1"])


def test_a_nasty_folder_is_trained_on_what_is_good_in_bounded_memory(tmp_path):
    images = tmp_path / "images"
    nasty = Path(__file__).parents[1] / "components" / "image_example_gen" / "nasty.py"
    said = subprocess.check_output([sys.executable, nasty, images], text=True)
    assert said == "287 good, 30 bad\n"
    task = Task(
        tmp_path,
        images,
        augment="natural",
        phases="[{train: all, epochs: 1, learning_rate: 1.0e-4}]",
    )
    process = task.start("run", str(task.config), "--set", ANY, "--set", "data.max_rejected=0.1")
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, printed
    images = task.summary()["images"]
    assert images.pop("rejected") == 30
    assert sum(images.values()) == 287
    report = Path(task.summary()["report"]).read_text()
    for reason in (
        "bomb.png",
        "1600000000 pixels",
        "cut off",
        "is a text",
        "is HEIC",
        "leads back to itself",
    ):
        assert reason in report
    print(usage.ru_maxrss / 2**20, "GiB at the peak")
    assert usage.ru_maxrss < 3_000_000_000 / 1024


KILLED_AT = (
    "ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "DataGate",
    "ImageTransform", "FeatureExtractor", "Trainer", "Evaluator", "ServingCheck", "Pusher",
    "RegistryPusher",
)  # fmt: skip


def test_a_run_killed_at_every_node_ends_as_if_never_killed(tmp_path, images):
    head = "{train: head, epochs: 2, learning_rate: 3.0e-3}"
    everything = "{train: all, epochs: 3, learning_rate: 3.0e-4}"
    settings = {"augment": "overhead", "phases": f"[{head}, {everything}]"}
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = Task(tmp_path / "whole", images, **settings)
    whole.run("--set", ANY)
    seconds = {node["id"]: node["seconds"] for node in whole.summary()["nodes"]}

    killed = Task(tmp_path / "killed", images, **settings)
    for number, node in enumerate(KILLED_AT):
        for share in (0.0, 0.5, 0.95):  # its start, middle and end
            process = killed.start("run", str(killed.config), "--set", ANY)
            if _wait_for(killed.home / "artifacts" / node, process):
                # No later than the next node's start: that one is still to be killed.
                later = [killed.home / "artifacts" / other for other in KILLED_AT[number + 1 :]]
                _wait_for_any(later, share * seconds[node])
            process.send_signal(signal.SIGKILL)
            process.wait()

    summary = killed.run("--set", ANY)
    assert killed.failed_nodes() == set(KILLED_AT)
    assert summary["metrics"] == whole.summary()["metrics"]
    assert summary["images"] == whole.summary()["images"]
    assert summary["blessed"]
    assert (killed.served(), killed.registered()) == (["1"], ["1"])


def _wait_for(node: Path, process: subprocess.Popen) -> bool:
    """Waits until a new execution of a node has begun; False where the process ended before."""
    before = _executions(node)
    while process.poll() is None:
        if _executions(node) > before:
            return True
        time.sleep(0.002)
    return False


def _wait_for_any(nodes: list[Path], seconds: float) -> None:
    """Waits so long, or until one of the nodes has begun."""
    before = [_executions(node) for node in nodes]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and [_executions(node) for node in nodes] == before:
        time.sleep(0.002)


def _executions(node: Path) -> int:
    return len(list((node / ".system" / "executor_execution").glob("*")))


def _is_locked(path: Path) -> bool:
    import fcntl

    if not path.exists():
        return False
    with path.open("a") as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False

"""Whole runs against a real MLflow server: what its page shows, and what others load from it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import real_runs
from debian import install
from mlflow_server import mlflow_server
from PIL import Image
from postgresql import postgresql
from pseudo_terminal import PseudoTerminal

from components.harmless import harmless

pytestmark = pytest.mark.slow

CONFIG = """
name: hues
data: {source: SOURCE, split: {train: 0.6, eval: 0.1, test: 0.3}}
transform: {image_size: [64, 64], crop_fraction: 1.0, augment: none}
train: {batch_size: 16, phases: [{train: head, epochs: 20, learning_rate: 3.0e-3}]}
evaluate: {thresholds: {accuracy: {at_least: 0.5}}}
card: {description: Tells two hues apart., data_licence: CC0}
"""
# With names that importing the project would need taken away.
ELSEWHERE = """
import json, sys
sys.modules["components"] = sys.modules["pipeline"] = None
import mlflow
uri, picture, how = sys.argv[1:]
mlflow.set_tracking_uri(uri)
image = open(picture, "rb").read()
if how == "pyfunc":
    import pandas
    model = mlflow.pyfunc.load_model("models:/hues@challenger")
    said = model.predict(pandas.DataFrame({"image_bytes": [image]}))
    row = {key: said[key][0] for key in ("label", "score", "probabilities")}
else:
    import tensorflow as tf
    model = mlflow.tensorflow.load_model("models:/hues@challenger")
    said = model(image_bytes=tf.constant([image]))
    row = {key: said[key].numpy()[0] for key in ("label", "score", "probabilities")}
label = row["label"].decode() if isinstance(row["label"], bytes) else row["label"]
print(json.dumps([label, float(row["score"]), [float(p) for p in row["probabilities"]]]))
"""


class Task:
    """A configuration, its pictures, and the folder of its runs."""

    def __init__(self, folder):
        self.folder, self.runs = folder, folder / "runs"
        rng = np.random.default_rng(0)
        for label, hue in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
            (folder / "images" / label).mkdir(parents=True)
            for i in range(40):
                pixels = np.clip(rng.normal(hue, 30, (48, 40, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / "images" / label / f"{i}.jpg")
        self.picture = folder / "images" / "red" / "3.jpg"
        (folder / "hues.yaml").write_text(CONFIG.replace("SOURCE", str(folder / "images")))

    def graft(self, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *arguments, "--runs", str(self.runs)],
            capture_output=True,
            text=True,
            timeout=590,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run(self, *overrides):
        self.graft("run", str(self.folder / "hues.yaml"), *overrides)
        return json.loads((self.runs / "hues" / "summary.json").read_text())

    def elsewhere(self, uri, how):
        """What the registered model says of a picture, in a process that knows MLflow alone."""
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, uri, str(self.picture), how],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=environment,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def served(self):
        """What the pushed model says of the same picture."""
        (answer,) = json.loads(self.graft("predict", str(self.picture), "--json", "--top", "2"))
        return {one["label"]: one["score"] for one in answer["top"]}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return Task(tmp_path_factory.mktemp("task"))


def check_page(page, address, summary, shot):
    """The web page shows the version with alias, card, signature, and its run with the metrics."""
    version = summary["registered"]["version"]
    page.goto(f"{address}/#/models/hues/versions/{version}")
    page.get_by_text(f"Version {version}").first.wait_for()
    for text in ("challenger", "image_bytes", "probabilities", "Tells two hues apart."):
        page.get_by_text(text, exact=False).first.wait_for()
    page.screenshot(path=shot / "version.png", full_page=True)
    page.get_by_role("link", name=summary["run_id"]).first.click()
    page.wait_for_url("**/runs/**")
    page.goto(page.url.removesuffix("/artifacts/model"))  # the link shows the files first
    page.locator("text=accuracy_low >> visible=true").first.wait_for()
    page.screenshot(path=shot / "run.png", full_page=True)


def check_models(task, address):
    """Loaded by others, the model says what the pushed one says."""
    served = task.served()
    for how in ("pyfunc", "tensorflow"):
        label, score, probabilities = task.elsewhere(address, how)
        assert score == pytest.approx(served[label], abs=1e-6)
        assert sorted(probabilities) == pytest.approx(sorted(served.values()), abs=1e-6)


def test_a_server_on_postgresql_holds_all_that_is_known_of_a_version(task, page, tmp_path):
    if not install("initdb", "postgresql"):
        pytest.skip("there is no PostgreSQL here, and it cannot be installed")
    with (
        postgresql() as (store, passwords),
        mlflow_server(tmp_path / "server", store=store, PGPASSFILE=str(passwords)) as address,
    ):
        summary = task.run("--set", f"push.registry_uri={address}")
        assert summary["registered"] == {"registry": "mlflow", "name": "hues", "version": "1"}
        check_page(page, address, summary, tmp_path)
        check_models(task, address)
        again = task.run("--set", f"push.registry_uri={address}")
        assert again["unchanged"] and again["registered"] == summary["registered"]


def test_the_sqlite_default_can_be_served_and_shows_the_same(task, page, tmp_path):
    summary = task.run()
    store = f"sqlite:///{task.runs / 'mlflow.db'}"
    with mlflow_server(tmp_path / "server", store=store) as address:
        check_page(page, address, summary, tmp_path)
        check_models(task, address)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A registered run whose labels and file names are hostile: (address, runs, summary)."""
    folder = tmp_path_factory.mktemp("hostile")
    with mlflow_server(folder / "server") as address:
        config = real_runs.write_hostile(folder / "task")
        summary = real_runs.run(config, folder / "runs", f"push.registry_uri={address}")
        assert summary["registered"] == {"registry": "mlflow", "name": "hostile", "version": "1"}
        assert_harmless(summary["printed"])
        yield address, folder / "runs", summary


def assert_harmless(text):
    """Nothing in it moves a cursor, turns a line round, or is not to be seen."""
    assert harmless(text, lines=True) == text


def assert_text(part, *expected):
    """A part of a page shows these, and has no markup that data could have brought."""
    part.wait_for()
    words = " ".join(part.inner_text().split())
    assert [it for it in map(harmless, expected) if it not in words] == []
    assert_harmless(part.inner_text().replace("\t", " "))
    assert part.locator("a, img, script, b, em, strong, del").count() == 0


def test_labels_are_text_on_the_pages_of_a_server(hostile, page, tmp_path):
    address, _, summary = hostile
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{address}/#/models/hostile/versions/1")
    card = page.locator("[data-testid=note-editor-preview-content]")
    assert_text(card, *real_runs.LABELS, *real_runs.ORIGINS)
    tag = page.get_by_text('["<script>', exact=False)
    assert json.loads(tag.first.inner_text()) == sorted(real_runs.LABELS)
    assert "\u202e" not in tag.first.inner_text()
    page.screenshot(path=tmp_path / "version.png", full_page=True)

    page.get_by_role("link", name=summary["run_id"]).first.click()
    page.wait_for_url("**/runs/**")
    run = page.url.removesuffix("/artifacts/model")
    page.goto(run)
    page.locator("text=accuracy_low >> visible=true").first.wait_for()
    assert_harmless(page.inner_text("body").replace("\t", " "))
    page.screenshot(path=tmp_path / "run.png", full_page=True)

    page.goto(f"{run}/artifacts")
    page.get_by_text("model", exact=True).first.click()
    for name in ("MODEL_CARD.md", "MLmodel", "entry.json"):
        page.get_by_text(name, exact=True).first.click()
        page.get_by_text("<script>alert(1)</script>", exact=False).first.wait_for()
        if name != "entry.json":  # there MLflow undoes JSON's escapes, each on a line of its own
            assert_harmless(page.inner_text("body").replace("\t", " "))
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    assert page.locator("img[src=x]").count() == 0
    assert not dialogs


def test_labels_are_text_where_the_registry_is_asked_on_a_terminal(hostile):
    _, runs, _ = hostile
    for words in (["list"], ["show", "1"], ["list", "--json"], ["show", "1", "--json"]):
        done = real_runs.graft("registry", *words, runs=runs)
        assert done.returncode == 0, done.stderr
        assert_harmless(done.stdout)
    # At a terminal the card is drawn, not its markdown shown.
    command = [sys.executable, "-m", "pipeline", "registry", "show", "1", "--runs", runs]
    terminal = PseudoTerminal(command, columns=200, TERM="dumb", NO_COLOR="1")
    assert terminal.end() == 0
    assert_harmless(terminal.seen)
    words = " ".join(terminal.seen.split())
    assert [it for it in map(harmless, real_runs.LABELS) if it not in words] == []

"""Whole runs against a real MLflow server: what its page shows, and what others load from it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from debian import install
from mlflow_server import mlflow_server
from PIL import Image
from postgresql import postgresql

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

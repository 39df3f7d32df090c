import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tiny_evaluator as tiny
from PIL import Image
from tfx.types import standard_artifacts

from components.artifacts import Predictions
from components.evaluator import predictions
from components.files import split_files
from components.serving_check import executor as serving_executor
from components.serving_check.executor import Executor

NAMES = ["blue", "green", "red"]


def rotated():
    held = Image.Exif()
    held[0x0112] = 6
    return tiny.picture(tiny.COLOURS["red"], 5, format="JPEG", exif=held)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Examples, a model, and what the evaluation had that model say of them."""
    folder = tmp_path_factory.mktemp("evaluated")
    records = [*tiny.test_split(80), tiny.example(rotated(), "red", 900)]
    examples = tiny.examples_artifact(folder / "examples", records)
    model = tiny.model_artifact(folder / "model", tiny.ColourModel(NAMES), id=7)
    files = split_files(os.path.join(examples.uri, "Split-test"))
    rows, (scores,) = predictions.predict(files, [os.path.join(model.uri, "Format-Serving")])
    said = tiny.output(Predictions, folder / "predictions")
    predictions.write(said.uri, rows, scores)
    return examples, model, said


def check(evaluated, tmp_path, model=None, max_images=16):
    """Runs the executor, on another model where one is given; returns blessing and verdict."""
    examples, evaluated_model, said = evaluated
    blessing = tiny.output(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    Executor().Do(
        {"model": [model or evaluated_model], "examples": [examples], "predictions": [said]},
        {"infra_blessing": [blessing]},
        {"max_images": max_images, "tolerance": 1e-5},
    )
    verdict = json.loads(Path(blessing.uri, "infra_blessing.json").read_text())
    assert blessing.get_int_custom_property("blessed") == int(verdict["passed"])
    file = "INFRA_BLESSED" if verdict["passed"] else "INFRA_NOT_BLESSED"
    assert sorted(os.listdir(blessing.uri)) == [file, "infra_blessing.json"]
    return blessing, verdict


def test_the_model_that_was_evaluated_passes(evaluated, tmp_path):
    tiny.output(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    (tmp_path / "blessing" / "INFRA_NOT_BLESSED").touch()  # of a killed execution
    blessing, verdict = check(evaluated, tmp_path)
    assert verdict["passed"]
    assert "a fresh process scores 16 original test pictures" in verdict["reasons"][0]
    assert verdict["max_difference"] <= 1e-5
    assert verdict["kinds"] == {"JPEG RGB orientation 6": 1, "PNG RGB": 15}
    assert verdict["load_seconds"] > 0
    assert set(verdict["latency_ms"]) == {"1", "32"}
    assert blessing.get_int_custom_property("images") == 16
    assert blessing.get_int_custom_property("current_model_id") == 7


def test_a_model_that_resizes_otherwise_is_caught(evaluated, tmp_path):
    planted = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES, side=5))
    _, verdict = check(evaluated, tmp_path, planted)
    assert not verdict["passed"]
    assert "are scored otherwise than in the evaluation" in verdict["reasons"][0]
    assert verdict["max_difference"] > 1e-5


@pytest.mark.slow
def test_a_slightly_other_model_is_caught(evaluated, tmp_path):
    planted = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES, sharpness=8.001))
    _, verdict = check(evaluated, tmp_path, planted)
    assert not verdict["passed"]
    assert 1e-5 < verdict["max_difference"] < 1e-2


class Mislabelled(tiny.ColourModel):
    """Its served labels are not in the order of its probabilities."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes):
        probabilities = self._probabilities(image_bytes)
        return {
            "label": tf.gather(self.labels[::-1], tf.argmax(probabilities, -1)),
            "score": tf.reduce_max(probabilities, -1),
            "probabilities": probabilities,
        }


class Shapeless(tiny.ColourModel):
    """Gives a score of another shape, and no label."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes):
        probabilities = self._probabilities(image_bytes)
        return {"score": probabilities, "probabilities": probabilities}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Mislabelled, "is most probable"), (Shapeless, "of 3 classes give no label")],
)
def test_wrong_labels_and_shapes_are_caught(evaluated, tmp_path, kind, reason):
    _, verdict = check(evaluated, tmp_path, tiny.model_artifact(tmp_path / "model", kind(NAMES)))
    assert not verdict["passed"]
    assert any(reason in r for r in verdict["reasons"]), verdict["reasons"]


def break_variables(folder):
    path = next(folder.glob("Format-Serving/variables/variables.data*"))
    path.write_bytes(path.read_bytes()[:10])


def break_graph(folder):
    (folder / "Format-Serving" / "saved_model.pb").write_bytes(b"\xff" * 100)


@pytest.mark.parametrize(
    "break_it", [break_variables, pytest.param(break_graph, marks=pytest.mark.slow)]
)
def test_a_broken_saved_model_withholds_the_blessing(evaluated, tmp_path, break_it):
    model = tiny.model_artifact(tmp_path / "model", tiny.ColourModel(NAMES))
    break_it(tmp_path / "model")
    _, verdict = check(evaluated, tmp_path, model)
    assert not verdict["passed"]
    assert "in a fresh process the exported model does not answer" in verdict["reasons"][0]
    assert verdict["load_seconds"] is None


@pytest.mark.slow
def test_a_model_without_the_signature_withholds_the_blessing(evaluated, tmp_path):
    model = tiny.model_artifact(
        tmp_path / "model", tiny.ColourModel(NAMES), signatures=["serving_examples"]
    )
    _, verdict = check(evaluated, tmp_path, model)
    assert not verdict["passed"]
    assert "serving_default" in verdict["reasons"][0]


def test_a_process_that_dies_withholds_the_blessing(evaluated, tmp_path, monkeypatch):
    monkeypatch.setattr(serving_executor.sys, "executable", "/bin/false")
    _, verdict = check(evaluated, tmp_path)
    assert not verdict["passed"]
    assert "the process ended with 1" in verdict["reasons"][0]


def test_the_probe_imports_no_tfx_and_no_beam():
    code = (
        "import components.serving_check.probe, sys;"
        "print([m for m in ('tfx', 'apache_beam', 'tensorflow') if m in sys.modules])"
    )
    root = Path(serving_executor.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
import tiny_evaluator as tiny
import tiny_served
import trainer_samples
from PIL import Image
from tfx.types import standard_artifacts
from tiny_served import NAMES, Served

from components.artifacts import Predictions, Preprocessing
from components.errors import ServingError
from components.evaluator import predictions
from components.files import split_files
from components.serving_check import executor as serving_executor
from components.serving_check.executor import Executor

CHECKS = {
    "loads", "equal", "preprocessing", "latency", "memory", "bad_pictures", "empty_batch",
    "huge_batch", "json", "no_python", "no_paths",
}  # fmt: skip
NO_LIMITS = {"max_load_seconds": None, "max_memory_mb": None, "max_latency_ms": None}


def rotated():
    held = Image.Exif()
    held[0x0112] = 6
    return tiny.picture(tiny.COLOURS["red"], 5, format="JPEG", exif=held)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Examples, a model, what the evaluation had that model say of them, the preprocessing."""
    folder = tmp_path_factory.mktemp("evaluated")
    records = [*tiny.test_split(80), tiny.example(rotated(), "red", 900)]
    examples = tiny.examples_artifact(folder / "examples", records)
    model = tiny.model_artifact(folder / "model", Served(NAMES), id=7)
    files = split_files(os.path.join(examples.uri, "Split-test"))
    rows, (scores,) = predictions.predict(files, [os.path.join(model.uri, "Format-Serving")])
    said = tiny.output(Predictions, folder / "predictions")
    predictions.write(said.uri, rows, scores)
    preprocessing = tiny.output(Preprocessing, folder / "preprocessing")
    trainer_samples.write_preprocessing(preprocessing.uri, labels=NAMES, size=tiny_served.SIZE)
    return examples, model, said, preprocessing


def check(evaluated, tmp_path, model=None, max_images=16, **limits):
    """Runs the executor, on another model where one is given; returns blessing and verdict."""
    examples, evaluated_model, said, preprocessing = evaluated
    blessing = tiny.output(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    Executor().Do(
        {
            "model": [model or evaluated_model],
            "examples": [examples],
            "predictions": [said],
            "preprocessing": [preprocessing],
        },
        {"infra_blessing": [blessing]},
        {
            "max_images": max_images,
            "tolerance": 1e-5,
            "limits": json.dumps(NO_LIMITS | limits),
        },
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
    assert 0 < verdict["memory_mb"]["loaded"] <= verdict["memory_mb"]["answering"]
    assert verdict["huge_batch"]["images"] == 256
    assert {each["name"] for each in verdict["checks"]} == CHECKS
    assert all(each["passed"] and each["sentence"] for each in verdict["checks"])
    assert len(verdict["reasons"]) == 3
    assert blessing.get_int_custom_property("images") == 16
    assert blessing.get_int_custom_property("current_model_id") == 7


def test_a_model_that_resizes_otherwise_is_caught(evaluated, tmp_path):
    planted = tiny.model_artifact(tmp_path / "model", Served(NAMES, side=5))
    _, verdict = check(evaluated, tmp_path, planted)
    assert not verdict["passed"]
    assert "are scored otherwise than in the evaluation" in verdict["reasons"][0]
    assert verdict["max_difference"] > 1e-5


@pytest.mark.slow
def test_a_slightly_other_model_is_caught(evaluated, tmp_path):
    planted = tiny.model_artifact(tmp_path / "model", Served(NAMES, sharpness=8.001))
    _, verdict = check(evaluated, tmp_path, planted)
    assert not verdict["passed"]
    assert 1e-5 < verdict["max_difference"] < 1e-2


class Mislabelled(Served):
    """Its served labels are not in the order of its probabilities."""

    def answers(self, image_bytes):
        held = super().answers(image_bytes)
        label = tf.gather(self.labels[::-1], tf.argmax(held["probabilities"], -1))
        return held | {"label": tf.where(held["error"] == "", label, "")}


class Shapeless(Served):
    """Gives a score of another shape, and no label."""

    def answers(self, image_bytes):
        probabilities = super().answers(image_bytes)["probabilities"]
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


def failed(verdict):
    return {each["name"]: each["sentence"] for each in verdict["checks"] if not each["passed"]}


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        (tiny_served.Raising, "bad_pictures", "fail their whole batch: InvalidArgumentError"),
        pytest.param(tiny_served.Unmarked, "bad_pictures", "comes back with no error", marks=SLOW),
        pytest.param(tiny_served.Markless, "bad_pictures", "is no output error", marks=SLOW),
        pytest.param(tiny_served.HalfMarked, "bad_pictures", "with the score 0.5", marks=SLOW),
        pytest.param(tiny_served.Disturbed, "bad_pictures", "otherwise than alone", marks=SLOW),
        pytest.param(tiny_served.NeverEmpty, "empty_batch", "an empty batch fails", marks=SLOW),
        pytest.param(tiny_served.Shrinking, "huge_batch", "256 pictures of 3 classes", marks=SLOW),
        pytest.param(tiny_served.Undefined, "json", "Out of range float", marks=SLOW),
        pytest.param(tiny_served.CallsPython, "no_python", "calls Python", marks=SLOW),
    ],
)
def test_each_break_of_what_is_served_is_caught(evaluated, tmp_path, kind, name, reason):
    _, verdict = check(evaluated, tmp_path, tiny.model_artifact(tmp_path / "model", kind(NAMES)))
    assert not verdict["passed"]
    assert reason in failed(verdict)[name]
    assert list(failed(verdict).values()) == verdict["reasons"]
    if kind is not tiny_served.CallsPython:  # it does not load at all
        assert set(failed(verdict)) - {"bad_pictures"} <= {name}


@pytest.mark.slow
def test_a_model_that_reads_a_file_of_this_machine_is_caught(evaluated, tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join(NAMES))
    model = tiny.model_artifact(tmp_path / "model", tiny_served.ReadsAFile(str(path)))
    _, verdict = check(evaluated, tmp_path, model)
    assert failed(verdict) == {
        "no_paths": f"it holds paths of this machine: {path} (in saved_model.pb)"
    }


@pytest.mark.slow
def test_a_model_above_its_limits_is_refused(evaluated, tmp_path):
    _, verdict = check(
        evaluated, tmp_path, max_load_seconds=1e-6, max_memory_mb=1.5, max_latency_ms=1e-6
    )
    assert set(failed(verdict)) == {"loads", "memory", "latency"}
    assert "serving.max_memory_mb allows 1.5" in failed(verdict)["memory"]


def break_variables(folder):
    path = next(folder.glob("Format-Serving/variables/variables.data*"))
    path.write_bytes(path.read_bytes()[:10])


def break_graph(folder):
    (folder / "Format-Serving" / "saved_model.pb").write_bytes(b"\xff" * 100)


@pytest.mark.parametrize(
    "break_it", [break_variables, pytest.param(break_graph, marks=pytest.mark.slow)]
)
def test_a_broken_saved_model_withholds_the_blessing(evaluated, tmp_path, break_it):
    model = tiny.model_artifact(tmp_path / "model", Served(NAMES))
    break_it(tmp_path / "model")
    _, verdict = check(evaluated, tmp_path, model)
    assert not verdict["passed"]
    assert "in a fresh process the exported model does not answer" in verdict["reasons"][0]
    assert verdict["load_seconds"] is None


@pytest.mark.slow
def test_a_model_without_the_signature_withholds_the_blessing(evaluated, tmp_path):
    model = tiny.model_artifact(tmp_path / "model", Served(NAMES), signatures=["serving_examples"])
    _, verdict = check(evaluated, tmp_path, model)
    assert not verdict["passed"]
    assert "serving_default" in verdict["reasons"][0]


@pytest.mark.slow
def test_a_model_that_cannot_be_asked_about_prepared_pictures_is_refused(evaluated, tmp_path):
    model = tiny.model_artifact(tmp_path / "model", Served(NAMES), signatures=["serving_default"])
    _, verdict = check(evaluated, tmp_path, model)
    (reason,) = verdict["reasons"]
    assert "the model has no signature serving_images; export" in reason


def test_a_process_that_dies_withholds_the_blessing(evaluated, tmp_path, monkeypatch):
    monkeypatch.setattr(serving_executor.sys, "executable", "/bin/false")
    _, verdict = check(evaluated, tmp_path)
    assert not verdict["passed"]
    assert "the process ended with 1" in verdict["reasons"][0]


@pytest.mark.parametrize(
    ("script", "said"),
    [("kill -9 $$", "was killed, most often because"), ("exec sleep 60", "within 0.5 s; run")],
)
def test_what_the_machine_did_is_no_verdict(evaluated, tmp_path, monkeypatch, script, said):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(serving_executor.sys, "executable", str(program))
    if "sleep" in script:
        monkeypatch.setattr(serving_executor, "_LONGEST_SECONDS", 0.5)
    with pytest.raises(ServingError, match=said):
        check(evaluated, tmp_path)
    assert os.listdir(tmp_path / "blessing") == []


def test_the_probe_imports_no_tfx_and_no_beam():
    code = (
        "import components.serving_check.probe, sys;"
        "print([m for m in ('tfx', 'apache_beam', 'tensorflow') if m in sys.modules])"
    )
    root = Path(serving_executor.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr

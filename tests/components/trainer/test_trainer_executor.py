import json
import os

import pytest
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from trainer_samples import model_section, picture, train_section

from components.artifacts import Features, Preprocessing
from components.content import content_hash
from components.errors import ConfigError
from components.progress import read_progress
from components.trainer import executor
from components.trainer.component import Trainer
from components.trainer.executor import Executor

RUN_FN = "components.trainer.run_fn.run_fn"


def artifact(kind, uri):
    made = kind()
    made.uri = str(uri)
    return made


@pytest.fixture
def do(tmp_path, module, examples, preprocessing):
    """Runs the executor as TFX's launcher would; returns (model, model_run)."""

    def run(name="1", run_fn=RUN_FN, inputs=None, **changes):
        model = artifact(standard_artifacts.Model, tmp_path / name / "model")
        model_run = artifact(standard_artifacts.ModelRun, tmp_path / name / "model_run")
        for folder in (model.uri, model_run.uri):
            os.makedirs(folder, exist_ok=True)
        properties = {
            "run_fn": run_fn,
            "model_section": json.dumps(model_section(module)),
            "train_section": json.dumps(train_section(("head", 1, 1e-2))),
            "seed": 3,
            "module_hash": "abc",
            "checkpoints": str(tmp_path / "checkpoints"),
            "code_version": "1",
        }
        given = {
            "examples": [artifact(standard_artifacts.Examples, examples)],
            "transformed_examples": [artifact(standard_artifacts.Examples, examples)],
            "preprocessing": [artifact(Preprocessing, preprocessing)],
        }
        context = base_executor.BaseExecutor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id=name)
        outputs = {"model": [model], "model_run": [model_run]}
        Executor(context).Do(given | (inputs or {}), outputs, properties | changes)
        return model, model_run

    return run


class Found(Exception):
    """There are checkpoints of an earlier attempt at the same work."""


class Stopped(Exception):
    """There were none; now there are."""


def stop(fn_args):
    """A training function that never ends well."""
    if os.path.exists(fn_args.checkpoints):
        raise Found
    os.makedirs(fn_args.checkpoints)
    raise Stopped


def test_the_model_carries_what_the_pusher_and_the_registry_ask(do, module, tmp_path):
    model, model_run = do()
    serving = os.path.join(model.uri, "Format-Serving")
    assert model.get_string_custom_property("content_hash") == content_hash(serving)
    assert model.get_string_custom_property("module_handle") == module
    assert model.get_string_custom_property("module_hash") == "abc"
    assert model.get_int_custom_property("images") == 48
    assert sorted(os.listdir(model_run.uri)) == ["calibration.json", "history.json", "logs"]
    call = tf.saved_model.load(serving).signatures["serving_default"]
    assert call(tf.constant([picture("bars", 1)]))["label"].shape == (1,)


def test_the_next_training_begins_from_the_weights_of_an_earlier_one(do, tmp_path):
    first, _ = do("1", inputs={"facts": [artifact(standard_artifacts.Examples, "facts-1")]})
    assert first.get_string_custom_property("began_from") == ""
    facts = artifact(standard_artifacts.Examples, "facts-2")
    second, model_run = do("2", inputs={"warm_start": [first], "facts": [facts]})
    assert second.get_string_custom_property("began_from") == first.uri
    assert json.loads(second.get_string_custom_property("learnt_from")) == ["facts-1", "facts-2"]
    losses = [
        json.loads((tmp_path / name / "model_run" / "history.json").read_text())[0]["loss"]
        for name in ("1", "2")
    ]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("name", ["module_hash", "head"])
def test_a_model_on_another_module_or_with_another_head_is_no_beginning(do, name):
    first, _ = do("1")
    first.set_string_custom_property(name, "other")
    second, _ = do("2", inputs={"warm_start": [first]})
    assert second.get_string_custom_property("began_from") == ""


def test_checkpoints_stay_until_the_execution_is_on_record(do, tmp_path):
    model, _ = do()
    kept = model.get_string_custom_property("checkpoints")
    assert sorted(os.listdir(tmp_path / "checkpoints")) == [f".{kept}.lock", kept]


def test_progress_is_reported_in_images(do, tmp_path):
    do()
    progress = read_progress(str(tmp_path / "tmp" / "1"))
    assert progress["unit"] == "images" and progress["total"] == 48
    assert progress["note"].startswith("phase 1/1 epoch 1/1 loss ")


def test_the_same_work_finds_its_checkpoints_again_and_other_work_does_not(do):
    run_fn = f"{__name__}.stop"
    with pytest.raises(Stopped):
        do("1", run_fn)
    with pytest.raises(Found):
        do("2", run_fn)
    for other in ({"seed": 4}, {"module_hash": "abd"}, {"code_version": "2"}):
        with pytest.raises(Stopped):
            do("3", run_fn, **other)


begin_again = []


def stop_after_another(fn_args):
    """A training function during which another execution begins the same work."""
    os.makedirs(fn_args.checkpoints)  # fails where it is not this execution's own
    if begin_again:
        begin_again.pop()()
    raise Stopped


def test_the_same_work_at_the_same_time_has_checkpoints_of_its_own(do, monkeypatch):
    monkeypatch.setattr(executor, "LOCK_SECONDS", 0.1)
    run_fn = f"{__name__}.stop_after_another"

    def another():
        with pytest.raises(Stopped):
            do("2", run_fn)

    begin_again.append(another)
    with pytest.raises(Stopped):
        do("1", run_fn)
    assert not begin_again


def test_leftovers_of_a_killed_execution_are_cleared(do, tmp_path):
    for folder in ("model", "model_run"):
        (tmp_path / "1" / folder).mkdir(parents=True)
        (tmp_path / "1" / folder / "leftover").write_text("")
    model, model_run = do()
    assert sorted(os.listdir(model.uri)) == ["Format-Serving", "weights"]
    assert "leftover" not in os.listdir(model_run.uri)


@pytest.mark.parametrize("run_fn", ["nowhere", "components.trainer.run_fn.nothing", "no.such.f"])
def test_a_run_fn_that_cannot_be_imported_is_an_error(do, run_fn):
    with pytest.raises(ConfigError, match="train.run_fn: .* cannot be imported"):
        do(run_fn=run_fn)


@pytest.mark.parametrize("with_features", [False, True])
def test_the_component_takes_features_or_none(with_features):
    features = types.Channel(type=Features) if with_features else None
    trainer = Trainer(
        examples=types.Channel(type=standard_artifacts.Examples),
        transformed_examples=types.Channel(type=standard_artifacts.Examples),
        preprocessing=types.Channel(type=Preprocessing),
        features=features,
        run_fn=RUN_FN,
        model="{}",
        train="{}",
        seed=0,
        module_hash="abc",
        checkpoints="checkpoints",
    )
    assert trainer.id == "Trainer"
    assert ("features" in trainer.inputs) == with_features
    assert set(trainer.outputs) == {"model", "model_run"}

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts
from trainer_samples import (
    model_section,
    picture,
    train_section,
    write_module,
    write_preprocessing,
    write_split,
)

from components.artifacts import Features, Preprocessing
from components.backbone.backbone import load_backbone
from components.feature_extractor.component import FeatureExtractor
from components.feature_extractor.executor import Executor
from components.trainer.fn_args import FnArgs
from components.trainer.records import FEATURE, load_preprocessing, load_records, record_files
from components.trainer.run_fn import run_fn


def artifact(kind, uri):
    made = kind()
    made.uri = str(uri)
    return made


def extract(tmp_path, examples, preprocessing, module):
    features = artifact(Features, tmp_path / "features")
    context = base_executor.BaseExecutor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
    Executor(context).Do(
        {
            "examples": [artifact(standard_artifacts.Examples, examples)],
            "preprocessing": [artifact(Preprocessing, preprocessing)],
        },
        {"features": [features]},
        {"handle": module, "module_hash": "abc", "code_version": "1"},
    )
    return features


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    write_split(folder / "examples", "train", 50)
    write_split(folder / "examples", "eval", 19)
    write_split(folder / "examples", "test", 4)
    preprocessing = write_preprocessing(folder / "preprocessing")
    return str(folder / "examples"), preprocessing, write_module(folder / "tiny")


@pytest.fixture(scope="module")
def features(tmp_path_factory, inputs):
    return extract(tmp_path_factory.mktemp("extracted"), *inputs)


def test_each_picture_of_train_and_eval_has_its_vector(features, inputs):
    examples, preprocessing, module = inputs
    assert sorted(os.listdir(features.uri)) == ["Split-eval", "Split-train"]
    assert features.get_int_custom_property("images") == 69
    records = load_records(record_files(features.uri, "train"), FEATURE)
    assert records["feature"].shape == (50, 8)
    assert [records["id"][13], records["label"][13]] == [f"{13:016x}".encode(), b"dots"]
    image = load_preprocessing(preprocessing).serving()(tf.constant(picture("dots", 13)))
    backbone = load_backbone(module, batch_norm="inference")
    expected = backbone.endpoints(image[None], training=False)["default"][0]
    np.testing.assert_allclose(records["feature"][13], expected, atol=1e-5)


def test_progress_counts_the_pictures(tmp_path, inputs):
    extract(tmp_path, *inputs)
    progress = json.loads((tmp_path / "tmp" / "1" / "progress.json").read_text())
    assert progress["unit"] == "images" and progress["done"] >= 50


def test_an_empty_eval_split_is_an_empty_file(tmp_path, inputs):
    _, preprocessing, module = inputs
    write_split(tmp_path / "examples", "train", 5)
    features = extract(tmp_path, tmp_path / "examples", preprocessing, module)
    assert load_records(record_files(features.uri, "eval"), FEATURE) is None
    assert features.get_int_custom_property("images") == 5


def train(folder, inputs, **changes):
    examples, preprocessing, module = inputs
    folder.mkdir(parents=True)
    values = {
        "train_files": record_files(examples, "train"),
        "eval_files": record_files(examples, "eval"),
        "train_feature_files": (),
        "eval_feature_files": (),
        "preprocessing": preprocessing,
        "model": model_section(module),
        "train": train_section(("head", 4, 3e-2)),
        "seed": 11,
        "checkpoints": str(folder / "checkpoints"),
        "serving_model": str(folder / "Format-Serving"),
        "model_run": str(folder),
    }
    run_fn(FnArgs(**(values | changes)))
    history = json.loads((folder / "history.json").read_text())
    return tf.saved_model.load(str(folder / "Format-Serving")), history


def test_training_on_features_equals_training_on_pictures(tmp_path, inputs, features):
    by_pictures, history = train(tmp_path / "pictures", inputs)
    given = {
        "train_files": (),
        "eval_files": (),
        "train_feature_files": record_files(features.uri, "train"),
        "eval_feature_files": record_files(features.uri, "eval"),
    }
    by_features, same_history = train(tmp_path / "features", inputs, **given)
    np.testing.assert_allclose(by_pictures.head.kernel, by_features.head.kernel, atol=1e-4)
    np.testing.assert_allclose(by_pictures.head.bias, by_features.head.bias, atol=1e-4)
    for entry, same in zip(history, same_history, strict=True):
        for key in ("loss", "accuracy", "eval_loss", "eval_accuracy"):
            assert entry[key] == pytest.approx(same[key], abs=1e-4)
    pictures = tf.constant([picture("bars", 1), picture("dots", 2)])
    np.testing.assert_allclose(
        *(
            m.signatures["serving_default"](pictures)["probabilities"]
            for m in (by_pictures, by_features)
        ),
        atol=1e-4,
    )


def test_the_frozen_backbone_at_every_step_equals_features_once(tmp_path, inputs, monkeypatch):
    """The way of a head-only phase with augmentation, made comparable by leaving that out."""
    from components.trainer.input_pipeline import Pictures

    once, history = train(tmp_path / "once", inputs)
    monkeypatch.setattr(Pictures, "once", lambda self, batch_size: None)
    always, same_history = train(tmp_path / "always", inputs)
    np.testing.assert_allclose(once.head.kernel, always.head.kernel, atol=1e-4)
    assert history[-1]["loss"] == pytest.approx(same_history[-1]["loss"], abs=1e-4)


def test_the_component_names_itself_and_its_code():
    component = FeatureExtractor(
        examples=types.Channel(type=standard_artifacts.Examples),
        preprocessing=types.Channel(type=Preprocessing),
        handle="modules/some",
        module_hash="abc",
    )
    assert component.id == "FeatureExtractor"
    assert set(component.outputs) == {"features"}
    assert component.exec_properties["code_version"] == "1"

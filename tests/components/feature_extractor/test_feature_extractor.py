import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from feature_extractor_launch import launch
from tfx import types
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
from components.content import content_hash
from components.feature_extractor.component import FeatureExtractor
from components.feature_extractor.executor import Executor
from components.image_transform.decoding import decode
from components.progress import read_progress
from components.trainer.fn_args import FnArgs
from components.trainer.records import (
    FEATURE,
    files_by_view,
    load_preprocessing,
    load_records,
    record_files,
)
from components.trainer.run_fn import run_fn

SETUP = Path(__file__).parents[3] / "setup.py"  # without it TFX packs itself, which takes seconds
VIEWS = 3


def artifact(kind, uri):
    made = kind()
    made.uri = str(uri)
    return made


def extract(tmp_path, examples, preprocessing, module, transformed="", views=1):
    features = artifact(Features, tmp_path / "features")
    raw = artifact(standard_artifacts.Examples, examples)
    raw.set_json_value_custom_property("counts", {"train": 50, "eval": 19, "test": 4})
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", f"--setup_file={SETUP}"],
        tmp_dir=str(tmp_path / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(
        {
            "examples": [raw],
            "transformed_examples": [artifact(standard_artifacts.Examples, transformed)],
            "preprocessing": [artifact(Preprocessing, preprocessing)],
        },
        {"features": [features]},
        {"handle": module, "module_hash": "abc", "views": views, "code_version": "2"},
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


@pytest.fixture(scope="module")
def augmenting(tmp_path_factory, inputs):
    """The inputs, and a policy with the train split as ImageTransform would have stored it."""
    examples, _, module = inputs
    folder = tmp_path_factory.mktemp("augmenting")
    write_split(folder / "transformed", "train", 50, files=3)
    policy = [{"op": "random_resized_crop"}, {"op": "brightness"}]
    preprocessing = write_preprocessing(folder / "preprocessing", policy)
    return examples, preprocessing, module, str(folder / "transformed")


@pytest.fixture(scope="module")
def views(tmp_path_factory, augmenting):
    return extract(tmp_path_factory.mktemp("views"), *augmenting, views=VIEWS)


def run_backbone(module, image):
    backbone = load_backbone(module, batch_norm="inference")
    return backbone.endpoints(image[None], training=False)["default"][0]


def records_of(features, split, view=0):
    files = files_by_view(record_files(features.uri, split))[view]
    return load_records(files, FEATURE)


def test_each_picture_of_train_and_eval_has_its_vector(features, inputs):
    _, preprocessing, module = inputs
    assert sorted(os.listdir(features.uri)) == ["Split-eval", "Split-train"]
    assert features.get_int_custom_property("images") == 69
    assert features.get_int_custom_property("views") == 1
    records = load_records(record_files(features.uri, "train"), FEATURE)
    assert records["feature"].shape == (50, 8)
    assert [records["id"][13], records["label"][13]] == [f"{13:016x}".encode(), b"dots"]
    image = load_preprocessing(preprocessing).serving()(tf.constant(picture("dots", 13)))
    np.testing.assert_allclose(records["feature"][13], run_backbone(module, image), atol=1e-5)


@pytest.mark.parametrize("view", range(VIEWS))
def test_a_view_is_what_the_augmentation_graph_draws(views, augmenting, view):
    _, preprocessing, module, _ = augmenting
    assert views.get_int_custom_property("images") == 69
    assert views.get_int_custom_property("views") == VIEWS
    records = records_of(views, "train", view)
    assert records["feature"].shape == (50, 8) and set(records["view"]) == {view}
    graph = tf.saved_model.load(f"{preprocessing}/augmentation")
    for number, label in ((0, b"bars"), (13, b"dots"), (47, b"plain")):
        assert records["label"][number] == label
        drawn = graph.augment(
            decode(tf.constant(picture(label.decode(), number))),
            tf.constant(records["id"][number]),
            tf.constant(view, tf.int64),
        )
        expected = run_backbone(module, tf.image.convert_image_dtype(drawn, tf.float32))
        np.testing.assert_allclose(records["feature"][number], expected, atol=1e-5)


def test_views_differ_from_each_other_in_every_picture(views):
    drawn = np.stack([records_of(views, "train", view)["feature"] for view in range(VIEWS)])
    for one, other in ((0, 1), (1, 2), (2, 0)):
        assert (np.abs(drawn[one] - drawn[other]).max(-1) > 1e-4).all()


def test_the_eval_split_is_not_augmented(views, features):
    assert len(files_by_view(record_files(views.uri, "eval"))) == 1
    served, held_out = (records_of(one, "eval") for one in (features, views))
    np.testing.assert_array_equal(served["id"], held_out["id"])
    np.testing.assert_array_equal(served["feature"], held_out["feature"])


def test_two_runs_write_the_same_bytes(tmp_path, views, augmenting):
    again = extract(tmp_path, *augmenting, views=VIEWS)
    names = os.listdir(os.path.join(again.uri, "Split-train"))
    assert len(names) == 3 * VIEWS  # files of the transformed examples
    assert content_hash(again.uri) == content_hash(views.uri)


def test_leftovers_of_a_killed_execution_are_cleared(tmp_path, features, inputs):
    leftover = tmp_path / "features" / "Split-train" / "view_07-00000-of-00001.gz"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("")
    assert content_hash(extract(tmp_path, *inputs).uri) == content_hash(features.uri)


def test_progress_counts_each_view_of_the_pictures(tmp_path, augmenting):
    extract(tmp_path, *augmenting, views=2)
    progress = read_progress(str(tmp_path / "tmp" / "1"))
    assert progress["unit"] == "images" and progress["total"] == 2 * 50 + 19
    assert progress["done"] >= 50


def test_an_empty_eval_split_gives_no_examples(tmp_path, inputs):
    _, preprocessing, module = inputs
    write_split(tmp_path / "examples", "train", 5)
    features = extract(tmp_path, tmp_path / "examples", preprocessing, module)
    assert load_records(record_files(features.uri, "eval"), FEATURE) is None
    assert features.get_int_custom_property("images") == 5


def test_an_unchanged_run_is_cached_and_a_changed_one_is_not(tmp_path, augmenting):
    run = lambda **changes: launch(tmp_path, *augmenting, **changes)
    first, second = run(), run()
    assert (first.state, second.state) == ("COMPLETE", "CACHED")
    assert first.uri == second.uri
    for changed in ({"views": 1}, {"module_hash": "abd"}):
        other = run(**changed)
        assert (other.state, other.uri == first.uri) == ("COMPLETE", False)


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


def test_the_component_names_itself_and_its_output():
    component = FeatureExtractor(
        examples=types.Channel(type=standard_artifacts.Examples),
        transformed_examples=types.Channel(type=standard_artifacts.Examples),
        preprocessing=types.Channel(type=Preprocessing),
        handle="modules/some",
        module_hash="abc",
        views=4,
    )
    assert component.id == "FeatureExtractor"
    assert set(component.outputs) == {"features"}

"""A real export with a real backbone: it passes, unless it resizes otherwise than training."""

import json
import os

import pytest
import tensorflow as tf
import tiny_evaluator as tiny
import trainer_samples as samples
from tfx.types import standard_artifacts

from components.artifacts import Predictions, Preprocessing
from components.backbone.backbone import load_backbone
from components.evaluator import predictions
from components.files import split_files
from components.image_transform import decoding
from components.serving_check.executor import Executor
from components.trainer.network import Network
from components.trainer.records import load_preprocessing
from components.trainer.signatures import ServedModel, export

pytestmark = pytest.mark.slow


def bilinear(image_bytes):
    """As many a serving stack resizes: from the nearest four pixels, without antialias."""
    pixels = tf.cast(decoding.decode(image_bytes), tf.float32) * (1 / 255)
    return tf.ensure_shape(tf.image.resize(pixels, samples.SIZE), [*samples.SIZE, 3])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Parts of a served model, the preprocessing's artifact, and Examples."""
    folder = tmp_path_factory.mktemp("trained")
    module = samples.write_module(folder / "module")
    preprocessing = tiny.output(Preprocessing, folder / "preprocessing")
    settings = load_preprocessing(samples.write_preprocessing(preprocessing.uri))
    backbone = load_backbone(module, batch_norm="inference")
    network = Network(backbone, 3, samples.model_section(module), samples.SIZE, seed=1)
    network.head.kernel.assign(30 * tf.random.stateless_normal([8, 3], [0, 3]))

    records = [
        tiny.example(samples.picture(label, i), label, i)
        for i, label in enumerate(samples.LABELS * 20)
    ]
    examples = tiny.examples_artifact(folder / "examples", records)
    return (backbone, network, settings), preprocessing, examples


def check(trained, tmp_path, planted=None):
    """Exports, evaluates and checks as a run does; where something is planted, it prepares."""
    (backbone, network, settings), preprocessing, examples = trained
    model = ServedModel(backbone.export(), network.head, settings)
    if planted:
        model._preprocess = planted
    artifact = standard_artifacts.Model()
    artifact.uri, artifact.id = str(tmp_path / "model"), 1
    folder = os.path.join(artifact.uri, "Format-Serving")
    export(model, folder, {})
    rows, (scores,) = predictions.predict(
        split_files(os.path.join(examples.uri, "Split-test")), [folder]
    )
    said = tiny.output(Predictions, tmp_path / "predictions")
    predictions.write(said.uri, rows, scores)
    blessing = tiny.output(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    limits = {"max_load_seconds": None, "max_memory_mb": None, "max_latency_ms": None}
    Executor().Do(
        {
            "model": [artifact],
            "examples": [examples],
            "predictions": [said],
            "preprocessing": [preprocessing],
        },
        {"infra_blessing": [blessing]},
        {"max_images": 60, "tolerance": 1e-5, "limits": json.dumps(limits)},
    )
    with open(os.path.join(blessing.uri, "infra_blessing.json"), encoding="utf-8") as f:
        return json.load(f)


def test_the_export_passes(trained, tmp_path):
    verdict = check(trained, tmp_path)
    assert verdict["passed"], verdict["reasons"]
    assert "16 pictures prepared as the training prepares them" in verdict["reasons"][0]


def test_a_resize_that_is_not_the_training_s_is_refused(trained, tmp_path):
    # Planted before the evaluation, which sees nothing: it goes through the same graph.
    verdict = check(trained, tmp_path, planted=bilinear)
    assert [each["name"] for each in verdict["checks"] if not each["passed"]] == ["preprocessing"]
    assert "otherwise as served than prepared as the training prepares" in verdict["reasons"][0]

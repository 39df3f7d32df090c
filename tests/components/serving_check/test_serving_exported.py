"""A real export with a real backbone: it passes, and a planted difference in serving does not."""

import json
import os

import pytest
import tensorflow as tf
import tiny_evaluator as tiny
import trainer_samples as samples
from tfx.types import standard_artifacts

from components.artifacts import Predictions
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
def evaluated(tmp_path_factory):
    """Examples, what is served, and what the evaluation had the export say of them."""
    folder = tmp_path_factory.mktemp("evaluated")
    module = samples.write_module(folder / "module")
    settings = load_preprocessing(samples.write_preprocessing(folder / "preprocessing"))
    backbone = load_backbone(module, batch_norm="inference")
    network = Network(backbone, 3, samples.model_section(module), samples.SIZE, seed=1)
    network.head.kernel.assign(30 * tf.random.stateless_normal([8, 3], [0, 3]))

    records = [
        tiny.example(samples.picture(label, i), label, i)
        for i, label in enumerate(samples.LABELS * 20)
    ]
    examples = tiny.examples_artifact(folder / "examples", records)
    model = ServedModel(backbone.export(), network.head, settings)
    artifact = exported(folder / "model", model)
    files = split_files(os.path.join(examples.uri, "Split-test"))
    rows, (scores,) = predictions.predict(files, [os.path.join(artifact.uri, "Format-Serving")])
    said = tiny.output(Predictions, folder / "predictions")
    predictions.write(said.uri, rows, scores)
    return examples, artifact, said, (backbone, network, settings)


def exported(folder, model):
    export(model, str(folder / "Format-Serving"), {})
    artifact = standard_artifacts.Model()
    artifact.uri, artifact.id = str(folder), 1
    return artifact


def check(evaluated, tmp_path, model):
    examples, _, said, _ = evaluated
    blessing = tiny.output(standard_artifacts.InfraBlessing, tmp_path / "blessing")
    limits = {"max_load_seconds": None, "max_memory_mb": None, "max_latency_ms": None}
    Executor().Do(
        {"model": [model], "examples": [examples], "predictions": [said]},
        {"infra_blessing": [blessing]},
        {"max_images": 60, "tolerance": 1e-5, "limits": json.dumps(limits)},
    )
    with open(os.path.join(blessing.uri, "infra_blessing.json"), encoding="utf-8") as f:
        return json.load(f)


def test_the_export_passes(evaluated, tmp_path):
    verdict = check(evaluated, tmp_path, evaluated[1])
    assert verdict["passed"], verdict["reasons"]


def test_a_planted_resize_difference_is_refused(evaluated, tmp_path):
    backbone, network, settings = evaluated[3]
    planted = ServedModel(backbone.export(), network.head, settings)
    planted._preprocess = bilinear
    verdict = check(evaluated, tmp_path, exported(tmp_path / "model", planted))
    assert not verdict["passed"]
    (equal,) = [each for each in verdict["checks"] if each["name"] == "equal"]
    assert "are scored otherwise than in the evaluation" in equal["sentence"]
    assert equal["sentence"] in verdict["reasons"]

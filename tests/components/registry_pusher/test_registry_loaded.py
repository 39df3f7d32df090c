"""What MLflow's own loaders make of a registered model."""

import dataclasses
import io

import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from components.content import content_hash
from components.registry_pusher.mlflow_registry import MlflowRegistry
from components.registry_pusher.registry import Entry


class Served(tf.Module):
    """Answers as a served classifier does: the shortest picture is green, all others are ripe."""

    def __init__(self):
        super().__init__()
        self.labels = tf.Variable(["green", "ripe"], trainable=False)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def answer(self, image_bytes):
        ripe = tf.cast(tf.strings.length(image_bytes) > 3, tf.float32)
        probabilities = tf.stack([1 - ripe, ripe], axis=1)
        index = tf.argmax(probabilities, axis=1)
        return {
            "label": tf.gather(self.labels, index),
            "score": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
        }


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model = Served()
    tf.saved_model.save(model, str(folder), signatures={"serving_default": model.answer})
    registry = MlflowRegistry(f"sqlite:///{tmp_path_factory.mktemp('runs')}/mlflow.db")
    entry = Entry("ripeness", content_hash(folder), str(folder), labels=["green", "ripe"])
    entry = dataclasses.replace(entry, image_size=[60, 80])
    it = registry.register(dataclasses.replace(entry, pipeline="bananas"))

    import mlflow

    mlflow.set_tracking_uri(registry.address)
    yield it
    mlflow.set_tracking_uri(None)


def test_mlflow_tensorflow_gives_the_serving_signature(registered):
    import mlflow.tensorflow

    answer = mlflow.tensorflow.load_model(f"models:/{registered.name}/{registered.version}")
    said = answer(image_bytes=tf.constant([b"abc", b"abcdef"]))
    assert said["label"].numpy().tolist() == [b"green", b"ripe"]


def test_mlflow_pyfunc_answers_by_alias_for_tables_and_mappings(registered, capfd):
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(f"models:/{registered.name}@challenger")
    table = model.predict(pd.DataFrame({"image_bytes": [b"abc", b"abcdef"]}))
    assert table["label"].tolist() == [b"green", b"ripe"]
    assert table["probabilities"].tolist() == [[1, 0], [0, 1]]
    assert model.metadata.metadata["labels"] == ["green", "ripe"]
    assert "mismatch" not in capfd.readouterr().err


def test_the_input_example_is_a_drawn_picture_that_the_model_takes(registered):
    import mlflow.pyfunc
    from mlflow.models import Model
    from mlflow.models.utils import load_serving_example, validate_serving_input

    uri = f"models:/{registered.name}/{registered.version}"
    model = mlflow.pyfunc.load_model(uri)
    (drawn,) = model.input_example["image_bytes"]
    with Image.open(io.BytesIO(drawn)) as picture:
        assert picture.size == (80, 60) and len(picture.getcolors(1 << 16)) > 10
    assert model.predict(model.input_example)["label"].tolist() == [b"ripe"]
    told = Model.load(uri)
    assert told.load_input_example(uri)["image_bytes"].tolist() == [drawn]
    asked = load_serving_example(uri)  # what one sends to `mlflow models serve`
    assert validate_serving_input(uri, asked)["score"].tolist() == [1.0]

"""Real but tiny things to evaluate: pictures of one colour, Examples of them, a SavedModel."""

import io
import os
import random

import numpy as np
import tensorflow as tf
from PIL import Image
from tfx.types import artifact_utils, standard_artifacts

COLOURS = {"blue": (30, 40, 200), "green": (20, 180, 60), "red": (210, 30, 40)}


class ColourModel(tf.Module):
    """Names the colour nearest to a picture's mean colour."""

    def __init__(self, classes, sharpness=8.0, side=8, bias=0.0, colours=COLOURS):
        super().__init__()
        self.centres = tf.Variable([[c / 255 for c in colours[name]] for name in classes])
        self.sharpness, self.side, self.bias = sharpness, side, bias
        self.labels = tf.constant(list(classes))

    def _picture(self, encoded):
        image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
        return tf.cast(image, tf.float32) / 255

    def _probabilities(self, image_bytes):
        return self._scores(image_bytes, self._picture)

    def _scores(self, pictures, prepare):
        def colour(picture):
            image = tf.image.resize(prepare(picture), [self.side, self.side])
            return tf.reduce_mean(image, [0, 1])

        mean = tf.map_fn(colour, pictures, fn_output_signature=tf.TensorSpec([3], tf.float32))
        distance = tf.norm(mean[:, None] - self.centres[None], axis=-1)
        logits = -self.sharpness * distance
        return tf.nn.softmax(logits + self.bias * tf.range(tf.shape(logits)[1], dtype=tf.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def serving_default(self, image_bytes):
        probabilities = self._probabilities(image_bytes)
        return {
            "label": tf.gather(self.labels, tf.argmax(probabilities, -1)),
            "score": tf.reduce_max(probabilities, -1),
            "probabilities": probabilities,
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serving_examples(self, examples):
        images = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([], tf.string)})
        names = tf.repeat(self.labels[None], tf.shape(examples)[0], axis=0)
        return {"probabilities": self._probabilities(images["image"]), "all_classes": names}


def save(model, folder, signatures=None):
    """Writes a SavedModel with its signatures, or some of them; returns the folder as text."""
    names = ("serving_default", "serving_examples", "serving_images")
    signatures = signatures or [name for name in names if hasattr(model, name)]
    tf.saved_model.save(model, str(folder), {name: getattr(model, name) for name in signatures})
    return str(folder)


def picture(colour, noise, mode="RGB", format="PNG", **save_arguments):
    """Encoded bytes of a noisy picture of one colour."""
    random_state = np.random.default_rng(noise)
    pixels = np.array(colour) + random_state.normal(0, 60, (12, 16, 3)) + random_state.normal(0, 60)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)
    held = io.BytesIO()
    image.save(held, format, **save_arguments)
    return held.getvalue()


def example(image, label, number, **columns):
    """A raw Example by the project's contract, serialized."""
    features = {
        "image": image,
        "label": label,
        "path": f"{label}/{number}.png",
        "group": f"g{number}",
        "id": f"{number:016x}",
        **{f"column/{name}": value for name, value in columns.items()},
    }
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                key: tf.train.Feature(
                    bytes_list=tf.train.BytesList(
                        value=[value if isinstance(value, bytes) else value.encode()]
                    )
                )
                for key, value in features.items()
            }
        )
    ).SerializeToString()


def test_split(count=60, seed=0):
    """Serialized Examples of `count` pictures in three colours, with a column `site`."""
    shuffled = random.Random(seed)
    records = []
    for i in range(count):
        label = shuffled.choice(sorted(COLOURS))
        records.append(example(picture(COLOURS[label], i), label, i, site="ab"[i % 2]))
    return records


def write_records(folder, records, shards=2):
    """Writes Split-test as TFX lays it out."""
    split = os.path.join(str(folder), "Split-test")
    os.makedirs(split, exist_ok=True)
    for shard in range(shards):
        path = os.path.join(split, f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz")
        with tf.io.TFRecordWriter(path, "GZIP") as writer:
            for record in records[shard::shards]:
                writer.write(record)


def examples_artifact(folder, records):
    """An Examples artifact whose test split holds the records."""
    write_records(folder, records)
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
    return artifact


def facts_artifact(folder, records):
    """What is known of the same pictures: all of one size."""
    facts = []
    for record in records:
        example = tf.train.Example.FromString(record)
        del example.features.feature["image"]
        for side, pixels in (("width", 16), ("height", 12)):
            example.features.feature[side].int64_list.value.append(pixels)
        facts.append(example.SerializeToString())
    return examples_artifact(folder, facts)


def model_artifact(folder, model, id=1, **save_arguments):
    """A Model artifact holding the model under Format-Serving."""
    save(model, os.path.join(str(folder), "Format-Serving"), **save_arguments)
    artifact = standard_artifacts.Model()
    artifact.uri, artifact.id = str(folder), id
    return artifact


def output(type_, folder):
    """An output artifact with its folder, as TFX's launcher prepares it."""
    os.makedirs(str(folder), exist_ok=True)
    artifact = type_()
    artifact.uri = str(folder)
    return artifact

"""A small real backbone, small real pictures, and the folders that other components would write."""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from components.image_transform.augmentation import export_augmentation
from components.image_transform.preprocessing import Frame

LABELS = ["bars", "dots", "plain"]
SIZE = (24, 24)


def write_module(folder, *, endpoints=True):
    """A TF2 module: convolution, batch norm, ReLU -> `tiny/map`; a vector of 8 -> `default`."""
    draw = np.random.default_rng(3)
    kernel = tf.Variable(draw.normal(0, 0.3, [3, 3, 3, 8]).astype(np.float32), name="convolution")
    gamma, beta = (tf.Variable(x([8]), name=n) for x, n in ((tf.ones, "gamma"), (tf.zeros, "beta")))
    mean = tf.Variable(tf.zeros([8]), trainable=False, name="mean")
    variance = tf.Variable(tf.ones([8]), trainable=False, name="variance")
    mix = tf.Variable(draw.normal(0, 0.5, [8, 8]).astype(np.float32), name="mix")
    unused = tf.Variable(tf.ones([5]), name="unused")  # as a module's own classifier would be

    @tf.function
    def call(images, training=False, batch_norm_momentum=0.9, return_endpoints=False):
        h = tf.nn.conv2d(images * 2 - 1, kernel, 2, "SAME")
        m, v = tf.nn.moments(h, [0, 1, 2]) if training else (mean, variance)
        if training:
            mean.assign(mean * batch_norm_momentum + m * (1 - batch_norm_momentum))
            variance.assign(variance * batch_norm_momentum + v * (1 - batch_norm_momentum))
        mapped = tf.nn.relu(tf.nn.batch_normalization(h, m, v, beta, gamma, 1e-3))
        vector = tf.nn.relu(tf.reduce_mean(mapped, [1, 2]) @ mix)
        return {"tiny/map": mapped, "default": vector} if return_endpoints else vector

    images = tf.TensorSpec([None, None, None, 3], tf.float32)
    for training in (False, True):
        for return_endpoints in (False, True) if endpoints else (False,):
            call.get_concrete_function(
                images,
                training=training,
                batch_norm_momentum=tf.TensorSpec([], tf.float32),
                return_endpoints=return_endpoints,
            )
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.trainable_variables = [kernel, gamma, beta, mix, unused]
    module.variables = [*module.trainable_variables, mean, variance]
    module.regularization_losses = [tf.function(lambda: 1e-3 * tf.nn.l2_loss(kernel), [])]
    tf.saved_model.save(module, str(folder))
    return str(folder)


def picture(label, seed):
    """A PNG of 30 x 26 pixels: bars, dots or nothing, on a noisy ground."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(90, 120, [26, 30, 3])
    if label == "bars":
        pixels[:, draw.integers(0, 3) :: 6] = 255
    if label == "dots":
        pixels[draw.integers(0, 3) :: 6, draw.integers(0, 3) :: 6] = 255
    return tf.io.encode_png(tf.constant(pixels, tf.uint8)).numpy()


def example(image, label, id):
    """A serialized Example, raw or transformed."""
    values = {"image": image, "label": label.encode(), "id": id.encode()}
    feature = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for key, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def write_split(folder, split, count, labels=tuple(LABELS), files=2):
    """TFRecords of `count` pictures, the labels in turn, spread over `files`."""
    where = Path(folder) / f"Split-{split}"
    where.mkdir(parents=True, exist_ok=True)
    offset = {"train": 0, "eval": 10_000, "test": 20_000}[split]
    for file in range(files):
        path = where / f"data_tfrecord-{file:05}-of-{files:05}.gz"
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for i in range(file, count, files):
                label = labels[i % len(labels)]
                writer.write(example(picture(label, offset + i), label, f"{offset + i:016x}"))
    return str(folder)


def write_preprocessing(folder, augment="none", labels=tuple(LABELS), size=SIZE):
    """ImageTransform's folder, without its contact sheet."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frame = Frame(tuple(size))
    facts = {**frame._asdict(), "augment": augment, "seed": 5}
    (folder / "labels.json").write_text(json.dumps(list(labels)))
    (folder / "preprocessing.json").write_text(json.dumps(facts))
    export_augmentation(str(folder / "augmentation"), augment, frame, 5)
    return str(folder)


def model_section(handle, **changes):
    """The configuration's section `model`."""
    backbone = {"handle": handle, "batch_norm": None, "batch_norm_momentum": None}
    section = {"backbone": backbone, "dropout": 0.2, "l2": 4e-5, "label_smoothing": 0.0}
    section |= {
        "head": "components.trainer.heads.Head",
        "loss": "components.trainer.losses.cross_entropy",
        "auxiliary_head": None,
    }
    return section | changes


def train_section(*phases, batch_size=8, class_weights="none", calibrate=False, **settings):
    """The configuration's section `train`.

    A phase is (train, epochs, learning_rate); `settings` are what all phases have beyond that.
    """
    settings = {
        "schedule": "cosine",
        "warm_up": 0.1,
        "optimizer": "adam",
        "weight_decay": 0.01,
        "first_layer_rate": 1.0,
        "patience": None,
    } | settings
    names = ("train", "epochs", "learning_rate")
    return {
        "batch_size": batch_size,
        "class_weights": class_weights,
        "calibrate": calibrate,
        "phases": [dict(zip(names, phase, strict=True)) | settings for phase in phases],
    }

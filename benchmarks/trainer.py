"""The Trainer against bare Keras: seconds for an epoch of fine-tuning, same layers, same pictures.

Ours is the Trainer of a whole run: stored pictures decoded for each step, dropout, L2, moving
averages, checkpoints, history. The peer is `tf_keras` `fit` of `hub.KerasLayer`, dropout and a
dense layer, on decoded pictures that lie in memory. Both watch the same eval pictures. The first
epoch, which traces the graphs, is left out; the two take turns, and the medians are compared.
"""

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import run
from benchmarks.results import Result

CONFIG = "configs/digits.yaml"
MODULE = "modules/efficientnet_lite0"
EPOCHS = 4
ROUNDS = 2
RATE = 3e-4
PHASES = f"train.phases=[{{train: all, epochs: {EPOCHS}, learning_rate: {RATE}}}]"


def measure(folder: Path) -> Iterator[Result]:
    """Pictures a second of the epochs' medians."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(ROUNDS):
        runs = folder / "trainer" / f"runs_{number}"
        shutil.rmtree(runs, ignore_errors=True)
        history = run_ours(runs)
        ours += [entry["seconds"] for entry in history[1:]]
        theirs += run_theirs(runs / "digits" / "artifacts")[1:]
    mine, keras = (history[0]["images"] / statistics.median(of) for of in (ours, theirs))
    yield Result("trainer", mine, keras, "images/s", 0.9, "higher")


def run_ours(runs: Path) -> list[dict[str, Any]]:
    """Runs the pipeline; returns the Trainer's history."""
    _, home = run(CONFIG, runs, PHASES, "transform.augment=none", "push.registry=none")
    (path,) = home.glob("artifacts/Trainer/model_run/*/history.json")
    return json.loads(path.read_text())


def run_theirs(artifacts: Path) -> list[float]:
    """Fits the Keras model on the run's pictures; returns the seconds of each epoch."""
    import tensorflow as tf
    import tensorflow_hub as hub
    import tf_keras

    (examples,) = artifacts.glob("ImageExampleGen/examples/*")
    (preprocessing,) = artifacts.glob("ImageTransform/preprocessing/*")
    train, held_out = (load(examples, preprocessing, split) for split in ("train", "eval"))
    classes = int(max(train[1])) + 1
    model = tf_keras.Sequential(
        [
            hub.KerasLayer(MODULE, trainable=True),
            tf_keras.layers.Dropout(0.2),
            tf_keras.layers.Dense(classes),
        ]
    )
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(RATE), loss, ["accuracy"])
    marks: list[float] = []
    watch = tf_keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: marks.append(-time.monotonic()),
        on_epoch_end=lambda *_: marks.append(marks.pop() + time.monotonic()),
    )
    size = len(train[1]) // 32 * 32
    data = tf.data.Dataset.from_tensor_slices((train[0][:size], train[1][:size]))
    batches = data.shuffle(size).batch(32).prefetch(2)
    model.fit(batches, epochs=EPOCHS, validation_data=held_out, verbose=0, callbacks=[watch])
    return marks


def load(examples: Path, preprocessing: Path, split: str) -> tuple[Any, Any]:
    """A split's pictures, decoded as they are served, and class numbers."""
    import numpy as np

    from components.trainer.input_pipeline import served_batches
    from components.trainer.records import Vocabulary, load_preprocessing, record_files

    facts = load_preprocessing(str(preprocessing))
    batches = list(served_batches(record_files(str(examples), split), facts, 64))
    images = np.concatenate([batch["image"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    return images, Vocabulary(facts.labels).numbers(labels)

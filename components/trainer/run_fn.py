"""Trains the network, phase by phase, and exports it. Read from the top."""

import time
from typing import Any

import tensorflow as tf
import tf_keras

from components.backbone.backbone import load_backbone
from components.progress import Progress
from components.trainer.checkpoints import History, PhaseCheckpoint
from components.trainer.data import Data
from components.trainer.fn_args import FnArgs, write_history
from components.trainer.network import Network
from components.trainer.records import load_preprocessing
from components.trainer.schedules import WarmUpCosine
from components.trainer.signatures import ServedModel, export
from components.trainer.steps import Means, get_evaluate, get_train_step

CHECKPOINT_SECONDS = 60
"""A kill inside a long epoch loses no more than this. Each epoch also ends with a checkpoint."""


def run_fn(fn_args: FnArgs) -> None:
    """Trains a classifier on a Hub backbone and writes it to `fn_args.serving_model`.

    Everything random is a function of the seed and of how far the training is, so a training
    that was killed goes on from its last checkpoint as if it had not been.

    Args:
      fn_args: inputs, settings, and where the outputs go.

    Raises:
      BackboneError: the backbone cannot be used as the configuration asks.
      DataError: no training pictures, or a label that the vocabulary lacks.
    """
    model, phases = fn_args.model, fn_args.train["phases"]
    frozen = all(phase["train"] == "head" for phase in phases)

    preprocessing = load_preprocessing(fn_args.preprocessing)
    backbone = load_backbone(
        model["backbone"]["handle"],
        batch_norm="inference" if frozen else model["backbone"]["batch_norm"] or "train",
        batch_norm_momentum=model["backbone"]["batch_norm_momentum"],
    )
    network = Network(
        backbone, len(preprocessing.labels), model, preprocessing.image_size, fn_args.seed
    )
    data = Data(fn_args, preprocessing, network.features)

    batch_size = min(fn_args.train["batch_size"], data.train_size)
    steps = data.train_size // batch_size  # an epoch
    epochs = sum(phase["epochs"] for phase in phases)
    progress = fn_args.progress(epochs * steps * batch_size)
    history = History()
    with tf.summary.create_file_writer(fn_args.logs).as_default():
        for number in range(len(phases)):
            train_phase(fn_args, number, network, data, batch_size, steps, history, progress)
    write_history(fn_args.model_run, history.epochs)

    export(ServedModel(backbone.export(), network.head, preprocessing), fn_args.serving_model)


def train_phase(
    fn_args: FnArgs,
    number: int,
    network: Network,
    data: Data,
    batch_size: int,
    steps: int,
    history: History,
    progress: Progress,
) -> None:
    """Trains for one phase, or for what a killed training left of it.

    Args:
      fn_args: as in `run_fn`.
      number: which phase, from 0.
      network: is changed.
      data: train and eval split.
      batch_size: pictures a step.
      steps: of an epoch.
      history: gets an entry an epoch.
      progress: counts the pictures.
    """
    phases = fn_args.train["phases"]
    phase = phases[number]
    first_epoch = sum(phase["epochs"] for phase in phases[:number])
    train, epochs = phase["train"], phase["epochs"]

    rate = WarmUpCosine(phase["learning_rate"], epochs * steps)
    optimizer = get_optimizer(fn_args.train["optimizer"], rate)
    variables, parts = network.trained(train)
    optimizer.build(variables)
    means = Means(auxiliary="auxiliary_head" in parts)
    checkpoint = PhaseCheckpoint(
        fn_args.checkpoints, number, history=history, optimizer=optimizer, **parts, **means.by_name
    )

    known = len(history.epochs)
    checkpoint.restore()
    done = int(optimizer.iterations)
    progress.add(done * batch_size)
    for entry in history.epochs[known:]:
        _write_scalars(entry, (first_epoch + entry["epoch"] + 1) * steps)
    if done == epochs * steps:
        return

    epoch, step = divmod(done, steps)
    train_data, eval_data, eval_size = data.for_phase(number)
    batches = train_data.batches(batch_size, first_epoch + epoch, epochs - epoch, start=step)
    train_step = tf.function(
        get_train_step(network, train, fn_args.model, optimizer, means, first_epoch * steps),
        input_signature=batches.element_spec,
    )
    evaluate = get_evaluate(network, eval_data, eval_size)
    began = time.monotonic() - history.seconds

    for inputs, labels in batches:
        loss = float(train_step(inputs, labels))
        step += 1
        where = f"phase {number + 1}/{len(phases)} epoch {epoch + 1}/{epochs}"
        progress.add(batch_size, f"{where} loss {loss:.2f}")
        if step < steps:
            if checkpoint.age() > CHECKPOINT_SECONDS:
                history.seconds = time.monotonic() - began
                checkpoint.save()
            continue

        entry = {
            "phase": number, "train": train, "epoch": epoch, "steps": steps,
            "images": steps * batch_size, **means.results(), **evaluate(),
            "learning_rate": float(rate((epoch + 1) * steps - 1)),
            "seconds": round(time.monotonic() - began, 2),
        }  # fmt: skip
        history.epochs.append(entry)
        history.seconds, began = 0.0, time.monotonic()
        means.reset()
        epoch, step = epoch + 1, 0
        checkpoint.save()
        _write_scalars(entry, (first_epoch + epoch) * steps)
        write_history(fn_args.model_run, history.epochs)


def get_optimizer(
    name: str, rate: tf_keras.optimizers.schedules.LearningRateSchedule
) -> tf_keras.optimizers.Optimizer:
    """Makes an optimizer by its name in the configuration, "adam" or "sgd"."""
    if name == "sgd":
        return tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    return tf_keras.optimizers.Adam(rate)


def _write_scalars(entry: dict[str, Any], step: int) -> None:
    """For TensorBoard: one point an epoch, over the steps since the first phase began."""
    for name in (
        "loss",
        "accuracy",
        "auxiliary_loss",
        "eval_loss",
        "eval_accuracy",
        "learning_rate",
    ):
        if entry[name] is not None:
            split = "eval" if name.startswith("eval_") else "train"
            tf.summary.scalar(f"{split}/{name.removeprefix('eval_')}", entry[name], step)

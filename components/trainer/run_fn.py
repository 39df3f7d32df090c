"""Trains the network, phase by phase, and exports it. Read from the top."""

import itertools
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from components.backbone.backbone import load_backbone
from components.backbone.handles import find_format, resolve
from components.errors import TrainingError
from components.importing import import_object
from components.progress import Progress
from components.trainer.calibration import fit_temperature
from components.trainer.checkpoints import History, PhaseCheckpoint, best_epoch
from components.trainer.data import Data
from components.trainer.distribution import average_copies, get_strategy
from components.trainer.fn_args import FnArgs, write_calibration, write_history
from components.trainer.losses import Loss, class_weights, get_batch_loss
from components.trainer.network import Network
from components.trainer.optimizers import get_apply, get_optimizer
from components.trainer.records import load_preprocessing
from components.trainer.schedules import WarmUp
from components.trainer.signatures import ServedModel, export, get_facts
from components.trainer.steps import Means, get_evaluate, get_logits, get_train_step
from components.trainer.warm_start import begin_from, save_weights


def run_fn(fn_args: FnArgs) -> None:
    """Trains a classifier on a Hub backbone and writes it to `fn_args.serving_model`.

    Everything random is a function of the seed and of how far the training is, so a training
    that was killed goes on from its last checkpoint as if it had not been.

    Args:
      fn_args: inputs, settings, and where the outputs go.

    Raises:
      BackboneError: the backbone cannot be used as the configuration asks.
      ConfigError: a head, a loss or a class weight that there is not.
      TrainingError: the loss is no number any more.
      DataError: no training pictures, or a label that the vocabulary lacks.
    """
    model, phases = fn_args.model, fn_args.train["phases"]
    frozen = all(phase["train"] == "head" for phase in phases)

    preprocessing = load_preprocessing(fn_args.preprocessing)
    labels = preprocessing.labels
    strategy = get_strategy(find_format(resolve(model["backbone"]["handle"])))
    with strategy.scope():
        backbone = load_backbone(
            model["backbone"]["handle"],
            batch_norm="inference" if frozen else model["backbone"]["batch_norm"] or "train",
            batch_norm_momentum=model["backbone"]["batch_norm_momentum"],
        )
        network = Network(backbone, len(labels), model, preprocessing.image_size, fn_args.seed)
    data = Data(fn_args, preprocessing, network.features)
    loss = import_object(model["loss"], "model.loss")
    weights = class_weights(fn_args.train["class_weights"], labels, data.train_counts)
    losses = Losses(
        get_batch_loss(loss, len(labels), model["label_smoothing"], weights),
        get_batch_loss(loss, len(labels)),
    )

    first = 0
    if fn_args.warm_start:
        begin_from(fn_args.warm_start, network, labels, frozen)
        if not frozen:  # its head is no stranger to the backbone: nothing to prepare
            first = len(list(itertools.takewhile(lambda p: p["train"] == "head", phases)))
    batch_size = min(fn_args.train["batch_size"], data.train_size)
    steps = data.train_size // batch_size  # an epoch
    epochs = sum(phase["epochs"] for phase in phases[first:])
    progress = fn_args.progress(epochs * steps * batch_size)
    history = History()
    with tf.summary.create_file_writer(fn_args.logs).as_default():
        for number in range(first, len(phases)):
            train_phase(
                fn_args, number, network, strategy, data, losses, batch_size, steps, history,
                progress,
            )  # fmt: skip
    write_history(fn_args.model_run, history.epochs)

    temperature = 1.0
    if fn_args.train["calibrate"]:
        temperature = fit_temperature(*get_logits(network, data.held_out()[0]))
    write_calibration(fn_args.model_run, temperature)
    served = ServedModel(backbone.export(), network.head, preprocessing, temperature)
    facts = get_facts(preprocessing, backbone.path, model["head"], temperature)
    if fn_args.weights:
        save_weights(fn_args.weights, network, labels, frozen)
    export(served, fn_args.serving_model, facts)


class Losses(NamedTuple):
    """Means over a batch: (class numbers int32 [N], logits [N, classes]) -> scalar."""

    train: Loss
    """With smoothing and weights."""
    eval: Loss
    """Without, so that epochs and runs can be compared."""


def train_phase(
    fn_args: FnArgs,
    number: int,
    network: Network,
    strategy: tf.distribute.Strategy,
    data: Data,
    losses: Losses,
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
      strategy: in whose scope the network was made.
      data: train and eval split.
      losses: what is minimised, and what is watched.
      batch_size: pictures a step.
      steps: of an epoch.
      history: gets an entry an epoch.
      progress: counts the pictures.
    """
    phases = fn_args.train["phases"]
    phase = phases[number]
    first_epoch = sum(phase["epochs"] for phase in phases[:number])
    train, epochs, patience = phase["train"], phase["epochs"], phase["patience"]

    rate = WarmUp(phase["learning_rate"], epochs * steps, phase["warm_up"], phase["schedule"])
    variables, rates, parts = network.trained(train, phase["first_layer_rate"])
    with strategy.scope():
        optimizer = get_optimizer(phase, rate, variables)
        means = Means(auxiliary="auxiliary_head" in parts)
    checkpoint = PhaseCheckpoint(
        fn_args.checkpoints, number, parts, history=history, optimizer=optimizer, **means.by_name
    )

    known = len(history.epochs)
    checkpoint.restore()
    done = int(optimizer.iterations.numpy())
    progress.add(done * batch_size)
    for entry in history.epochs[known:]:
        _write_scalars(entry, (first_epoch + entry["epoch"] + 1) * steps)
    best, waited = best_epoch(history.epochs, number)
    if patience and (waited >= patience or done == epochs * steps):
        checkpoint.restore_best()
        return
    if done == epochs * steps:
        return

    epoch, step = divmod(done, steps)
    train_data, eval_data, eval_size = data.for_phase(number)
    batches = strategy.experimental_distribute_dataset(
        train_data.batches(batch_size, first_epoch + epoch, epochs - epoch, start=step)
    )
    learn = get_train_step(
        network,
        variables,
        train == "head",
        losses.train,
        (fn_args.model["auxiliary_head"] or {}).get("weight", 0.0),
        get_apply(optimizer, variables, rates),
        means,
        optimizer.iterations,
        first_epoch * steps,
    )

    @tf.function(input_signature=batches.element_spec, autograph=False)
    def train_step(inputs: Any, labels: Any) -> tf.Tensor:
        strategy.run(learn, (inputs, labels))
        return means.by_name["loss"].result()

    evaluate = get_evaluate(network, losses.eval, eval_data, eval_size)
    began = time.monotonic() - history.seconds

    for inputs, labels in _waited_for(batches, history):
        loss = float(train_step(inputs, labels))
        if not math.isfinite(loss):
            raise TrainingError(
                f"train.phases: the loss is {loss} after {step + 1} steps of epoch {epoch + 1} of "
                f"phase {number + 1}; give the phase a lower learning_rate, or a longer warm_up"
            )
        step += 1
        where = f"phase {number + 1}/{len(phases)} epoch {epoch + 1}/{epochs}"
        progress.add(batch_size, f"{where} loss {loss:.2f}")
        if step < steps:
            if checkpoint.due():
                history.seconds = time.monotonic() - began
                checkpoint.save()
            continue

        average_copies(strategy, network.backbone.variables)
        trained = time.monotonic()
        entry = {
            "phase": number, "train": train, "epoch": epoch, "steps": steps,
            "images": steps * batch_size, **means.results(), **evaluate(),
            "learning_rate": float(rate((epoch + 1) * steps - 1)),
        }  # fmt: skip
        ended = time.monotonic()
        entry |= _rounded(
            seconds=ended - began,
            input_seconds=history.input_seconds,
            eval_seconds=ended - trained,
        )
        history.epochs.append(entry)
        history.seconds, history.input_seconds, began = 0.0, 0.0, time.monotonic()
        means.reset()
        best, waited = best_epoch(history.epochs, number)
        if patience and best == epoch:
            checkpoint.save_best()
        epoch, step = epoch + 1, 0
        last = epoch == epochs or (patience and waited >= patience)
        if last or checkpoint.due():
            checkpoint.save()
        _write_scalars(entry, (first_epoch + epoch) * steps)
        write_history(fn_args.model_run, history.epochs)
        if last:
            break
    if patience:
        checkpoint.restore_best()


def _waited_for(batches: Iterable[Any], history: History) -> Iterator[Any]:
    """The batches; how long each was waited for is added to `history.input_seconds`."""
    remaining = iter(batches)
    while True:
        began = time.monotonic()
        batch = next(remaining, None)
        history.input_seconds += time.monotonic() - began
        if batch is None:
            return
        yield batch


def _rounded(**seconds: float) -> dict[str, float]:
    return {name: round(value, 2) for name, value in seconds.items()}


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

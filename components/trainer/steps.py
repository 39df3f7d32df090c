"""One training step, and the evaluation after an epoch, as compiled functions."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from components.trainer.losses import Loss
from components.trainer.network import Network
from components.trainer.optimizers import Apply


class Means:
    """Running means over an epoch's steps: loss, accuracy, auxiliary_loss."""

    def __init__(self, auxiliary: bool):
        """`auxiliary`: whether there is an auxiliary loss."""
        names = ["loss", "accuracy"] + ["auxiliary_loss"] * auxiliary
        self.by_name = {name: tf_keras.metrics.Mean(name) for name in names}

    def results(self) -> dict[str, float | None]:
        """The means as numbers; auxiliary_loss None where there is none."""
        return {"auxiliary_loss": None} | {k: float(m.result()) for k, m in self.by_name.items()}

    def reset(self) -> None:
        """Starts the next epoch."""
        for mean in self.by_name.values():
            mean.reset_state()


def get_train_step(
    network: Network,
    variables: Sequence[tf.Variable],
    train_head_only: bool,
    batch_loss: Loss,
    auxiliary_weight: float,
    apply: Apply,
    means: Means,
    counter: tf.Variable,
    first_step: int,
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """Makes the function that learns from one batch, or from one device's part of it.

    Args:
      network: what is trained.
      variables: what the phase trains.
      train_head_only: whether the backbone stays as it is.
      batch_loss: (class numbers int32 [N] or shares of the classes float32 [N, classes], logits
        [N, classes]) -> scalar.
      auxiliary_weight: of the auxiliary loss, where there is one.
      apply: takes a step by the gradients of the variables.
      means: what it adds its figures to.
      counter: the phase's steps so far, int64; `apply` counts them.
      first_step: steps of the phases before this one.

    Returns:
      (images [N, h, w, 3] or feature vectors [N, D], labels as `batch_loss` takes them). Not yet a
      tf.function; to be called by `tf.distribute.Strategy.run`. It calls the network as a plain
      function and moves the moving averages of either backbone format, which Keras' `fit` cannot.
    """

    def train_step(inputs: tf.Tensor, labels: tf.Tensor) -> None:
        context = tf.distribute.get_replica_context()
        devices = context.num_replicas_in_sync
        device = tf.cast(context.replica_id_in_sync_group, tf.int64)
        step = first_step + tf.cast(counter, tf.int64)
        if train_head_only and inputs.shape.rank == 4:
            inputs = network.features(inputs)  # outside the tape: no gradient is kept for it
        with tf.GradientTape() as tape:
            forward = network.train_head if train_head_only else network.train_all
            outputs = forward(inputs, step * devices + device)
            loss = batch_loss(labels, outputs.logits) + outputs.regularization
            if outputs.auxiliary_logits is not None:
                auxiliary = batch_loss(labels, outputs.auxiliary_logits)
                loss += auxiliary_weight * auxiliary
                means.by_name["auxiliary_loss"].update_state(auxiliary)
            shared = loss / devices  # the devices' gradients are added
        apply(tape.gradient(shared, variables))
        means.by_name["accuracy"].update_state(_hits(labels, outputs.logits))
        means.by_name["loss"].update_state(loss)

    return train_step


def get_evaluate(
    network: Network, batch_loss: Loss, batches: tf.data.Dataset, size: int
) -> Callable[[], dict[str, float | None]]:
    """Makes the function that looks at the eval split.

    Args:
      network: as it is at the time of a call.
      batch_loss: without smoothing and without weights, so that epochs and runs can be compared.
      batches: (images or feature vectors, class numbers int32 [N]).
      size: how many examples these hold, maybe none.

    Returns:
      () -> {"eval_loss": mean, "eval_accuracy"}; None without examples.
    """

    def sums(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = network.features(inputs) if inputs.shape.rank == 4 else inputs
        logits = network.head(features)
        count = tf.cast(tf.size(labels), tf.float32)
        return batch_loss(labels, logits) * count, tf.reduce_sum(_hits(labels, logits))

    sums = tf.function(sums, batches.element_spec, autograph=False)

    def evaluate() -> dict[str, float | None]:
        if not size:
            return {"eval_loss": None, "eval_accuracy": None}
        loss = hits = 0.0
        for inputs, labels in batches:
            batch_loss, batch_hits = sums(inputs, labels)
            loss, hits = loss + float(batch_loss), hits + float(batch_hits)
        return {"eval_loss": loss / size, "eval_accuracy": hits / size}

    return evaluate


def get_logits(network: Network, batches: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """What the network says of the eval split.

    Args:
      network: in inference mode.
      batches: (images or feature vectors, class numbers int32 [N]), maybe none.

    Returns:
      Logits float32 [N, classes] and class numbers int32 [N].
    """
    logits = tf.function(
        lambda x: network.head(network.features(x) if x.shape.rank == 4 else x),
        input_signature=batches.element_spec[:1],
        autograph=False,
    )
    parts = [(logits(x).numpy(), labels.numpy()) for x, labels in batches]
    if not parts:
        return np.zeros([0, 1], np.float32), np.zeros([0], np.int32)
    ours, theirs = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ours, theirs


def _hits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    if labels.dtype.is_floating:
        labels = tf.argmax(labels, -1, tf.int32)  # of a mixed picture, the larger share
    return tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), labels), tf.float32)

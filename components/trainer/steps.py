"""One training step, and the evaluation after an epoch, as compiled functions."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras

from components.trainer.network import Network


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
    train: str,
    model: dict[str, Any],
    optimizer: tf_keras.optimizers.Optimizer,
    means: Means,
    first_step: int,
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that learns from one batch.

    Args:
      network: what is trained.
      train: the phase's "head" or "all".
      model: section `model` of the configuration: label smoothing, weight of the auxiliary loss.
      optimizer: built for the phase's variables; its iterations count the phase's steps.
      means: what it adds its figures to.
      first_step: steps of the phases before this one.

    Returns:
      (images [N, h, w, 3] or feature vectors [N, D], class numbers int32 [N]) -> the epoch's
      mean loss so far, scalar. Not yet a tf.function. It calls the network as a plain function
      and moves the moving averages of either backbone format, which Keras' `fit` cannot.
    """
    variables, _ = network.trained(train)

    def train_step(inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        step = first_step + tf.cast(optimizer.iterations, tf.int64)
        if train == "head" and inputs.shape.rank == 4:
            inputs = network.features(inputs)  # outside the tape: no gradient is kept for it
        with tf.GradientTape() as tape:
            forward = network.train_head if train == "head" else network.train_all
            outputs = forward(inputs, step)
            loss = _cross_entropy(labels, outputs.logits, model["label_smoothing"])
            loss += outputs.regularization
            if outputs.auxiliary_logits is not None:
                auxiliary = _cross_entropy(
                    labels, outputs.auxiliary_logits, model["label_smoothing"]
                )
                loss += model["auxiliary_head"]["weight"] * auxiliary
                means.by_name["auxiliary_loss"].update_state(auxiliary)
        gradients = tape.gradient(loss, variables)
        # A module may hold weights that no endpoint in use depends on, such as its own classifier.
        optimizer.apply_gradients(
            [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        )
        means.by_name["accuracy"].update_state(_hits(labels, outputs.logits))
        means.by_name["loss"].update_state(loss)
        return means.by_name["loss"].result()

    return train_step


def get_evaluate(
    network: Network, batches: tf.data.Dataset, size: int
) -> Callable[[], dict[str, float | None]]:
    """Makes the function that looks at the eval split.

    Args:
      network: as it is at the time of a call.
      batches: (images or feature vectors, class numbers int32 [N]).
      size: how many examples these hold, maybe none.

    Returns:
      () -> {"eval_loss": mean cross-entropy without smoothing, "eval_accuracy"}; None without
      examples.
    """

    def sums(inputs: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        features = network.features(inputs) if inputs.shape.rank == 4 else inputs
        logits = network.head(features)
        count = tf.cast(tf.size(labels), tf.float32)
        return _cross_entropy(labels, logits, 0.0) * count, tf.reduce_sum(_hits(labels, logits))

    sums = tf.function(sums, input_signature=batches.element_spec)

    def evaluate() -> dict[str, float | None]:
        if not size:
            return {"eval_loss": None, "eval_accuracy": None}
        loss = hits = 0.0
        for inputs, labels in batches:
            batch_loss, batch_hits = sums(inputs, labels)
            loss, hits = loss + float(batch_loss), hits + float(batch_hits)
        return {"eval_loss": loss / size, "eval_accuracy": hits / size}

    return evaluate


def _cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Mean over the batch. Smoothing spreads that share of the weight over all classes."""
    classes = logits.shape[-1]
    targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def _hits(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.equal(tf.argmax(logits, -1, tf.int32), labels), tf.float32)

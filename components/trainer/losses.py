"""What is minimised: a loss for each picture, weighted by its label, its mean over the batch."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.errors import ConfigError

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def cross_entropy(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The default loss.

    Args:
      targets: float32 [N, classes], each row adding up to 1.
      logits: float32 [N, classes].

    Returns:
      float32 [N], in nats.
    """
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits)


def get_batch_loss(
    loss: Loss, classes: int, smoothing: float = 0.0, weights: Sequence[float] | None = None
) -> Loss:
    """Makes the mean of a loss over a batch.

    Args:
      loss: (targets [N, classes], logits [N, classes]) -> [N].
      classes: how many there are.
      smoothing: share of a label's weight that is spread over all classes (Szegedy et al. 2016).
      weights: what a picture counts, by the number of its class; None for all the same.

    Returns:
      (labels, logits [N, classes]) -> scalar; labels are class numbers int32 [N], or shares of the
      classes float32 [N, classes], each row adding up to 1.
    """

    def batch_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        shares = labels if labels.dtype.is_floating else tf.one_hot(labels, classes)
        losses = loss(shares * (1 - smoothing) + smoothing / classes, logits)
        if weights is not None:
            losses *= tf.linalg.matvec(shares, tf.constant(weights, tf.float32))
        return tf.reduce_mean(losses)

    return batch_loss


def class_weights(
    setting: str | Mapping[str, float], labels: Sequence[str], count: Callable[[], np.ndarray]
) -> list[float] | None:
    """What a picture of each class counts in the loss.

    Args:
      setting: "none"; "balanced", by which every class weighs the same and the mean over the
        train split is 1; or weights by label, 1 for those not named.
      labels: the label names, in the order of the class numbers.
      count: gives the pictures of each in the train split, int [classes]; asked for "balanced"
        alone, since it reads them all.

    Returns:
      A weight above 0 for each class, or None where all count the same.

    Raises:
      ConfigError: a weight for a label that there is not.
    """
    if setting == "none":
        return None
    if setting == "balanced":
        counts = count()
        return [float(x) for x in counts.sum() / (len(labels) * np.maximum(counts, 1))]
    assert not isinstance(setting, str)
    unknown = sorted(set(setting) - set(labels))
    if unknown:
        raise ConfigError(
            f"train.class_weights: there is no label {unknown[0]!r}; there are: {', '.join(labels)}"
        )
    return [float(setting.get(label, 1.0)) for label in labels]

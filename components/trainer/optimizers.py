"""How a phase's gradients become steps: the optimizer, and slower steps for early layers."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tf_keras

from components.trainer.schedules import WarmUp

Apply = Callable[[Sequence[tf.Tensor | None]], None]


def get_optimizer(
    phase: dict[str, Any], rate: WarmUp, variables: Sequence[tf.Variable]
) -> tf_keras.optimizers.Optimizer:
    """Makes a phase's optimizer, built for its variables.

    Args:
      phase: of the configuration: `optimizer` "adam", "adamw" or "sgd", and `weight_decay`.
      rate: the learning rate.
      variables: what it moves. AdamW leaves vectors (biases, norms) out of its decay.
    """
    if phase["optimizer"] == "sgd":
        optimizer = tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    elif phase["optimizer"] == "adamw":
        optimizer = tf_keras.optimizers.AdamW(rate, weight_decay=phase["weight_decay"])
        optimizer.exclude_from_weight_decay([v for v in variables if v.shape.rank < 2])
    else:
        optimizer = tf_keras.optimizers.Adam(rate)
    optimizer.build(variables)
    return optimizer


def layer_rates(names: Sequence[str], first: float) -> list[float]:
    """The share of the learning rate that each variable of a backbone gets.

    Args:
      names: of the variables, in the module's order, which is taken for that of its layers; what
        stands before a name's last slash is its layer.
      first: share of the first layer, in (0, 1]. It rises geometrically to 1 at the last.
    """
    layers = list(dict.fromkeys(name.rpartition("/")[0] for name in names))
    last = max(1, len(layers) - 1)
    return [first ** (1 - layers.index(n.rpartition("/")[0]) / last) for n in names]


def get_apply(
    optimizer: tf_keras.optimizers.Optimizer,
    variables: Sequence[tf.Variable],
    rates: Sequence[float],
) -> Apply:
    """Makes the function that takes one step.

    Args:
      optimizer: built for the variables.
      variables: what is trained.
      rates: the share of the learning rate of each.

    Returns:
      (gradients, in the order of the variables; None where the loss does not depend on one).
    """
    slowed = [(v, rate) for v, rate in zip(variables, rates, strict=True) if rate != 1]

    def apply(gradients: Sequence[tf.Tensor | None]) -> None:
        before = [tf.identity(v) for v, _ in slowed]
        # A module may hold weights that no endpoint in use depends on, such as its own classifier.
        optimizer.apply_gradients(
            [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
        )
        if slowed:
            # A step is proportional to the rate, for each of the optimizers; a gradient would not
            # do, since Adam divides its size out again.
            tf.distribute.get_replica_context().merge_call(shorten, (before,))

    def shorten(strategy: tf.distribute.Strategy, before: list[tf.Tensor]) -> None:
        for (variable, rate), old in zip(slowed, before, strict=True):
            strategy.extended.update(
                variable, lambda v, old, rate: v.assign(old + rate * (v - old)), (old, rate)
            )

    return apply

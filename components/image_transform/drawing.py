"""What the augmentation ops share: their type, and how each draws its numbers from its seed."""

from collections.abc import Callable

import tensorflow as tf

Op = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> [h, w, 3], same range."""

Pair = tuple[float, float]
"""A smallest and a largest number."""


def between(limits: Pair, seed: tf.Tensor) -> tf.Tensor:
    """Draws a number, float32, evenly between the limits."""
    return tf.random.stateless_uniform([], seed) * (limits[1] - limits[0]) + limits[0]


def whole_between(limits: Pair, seed: tf.Tensor) -> tf.Tensor:
    """Draws a whole number, int32, both limits included."""
    return tf.random.stateless_uniform([], seed, int(limits[0]), int(limits[1]) + 1, tf.int32)


def drawn(limits: Pair, adjust: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Op:
    """Makes an op that draws one number between the limits, adjusts by it, and clips to [0, 1].

    Args:
      limits: of the number.
      adjust: (image, number) -> image.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(adjust(image, between(limits, seed)), 0.0, 1.0)

    return op


def at_times(probability: float, change: Callable[[tf.Tensor], tf.Tensor]) -> Op:
    """Makes an op that changes the image or leaves it.

    Args:
      probability: how often it changes it.
      change: image -> image of the same shape.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([], seed) < probability
        return tf.cond(chosen, lambda: change(image), lambda: tf.identity(image))

    return op

"""Augmentation ops that change light and colour and leave every pixel where it is.

Each factory gives an op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> the same shape
and range. The same seed does the same. The bounds that a configuration must keep are in
`arguments.py`.
"""

from collections.abc import Callable

import tensorflow as tf

Op = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
Pair = tuple[float, float]


def brightness(delta: float = 32 / 255) -> Op:
    """Adds one number to all pixels.

    Args:
      delta: the largest, either way; 1 is from black to white.

    Source: slim's inception_preprocessing, 32 / 255.
    """
    return _drawn((-delta, delta), lambda image, shift: image + shift)


def contrast(factor: Pair = (0.5, 1.5)) -> Op:
    """Moves each channel from its mean, or towards it.

    Args:
      factor: smallest and largest; 0 leaves flat colour, 1 the image.

    Source: slim's inception_preprocessing (slow mode), 0.5 to 1.5.
    """
    return _drawn(factor, tf.image.adjust_contrast)


def saturation(factor: Pair = (0.5, 1.5)) -> Op:
    """Makes colours paler or stronger.

    Args:
      factor: smallest and largest; 0 leaves grey, 1 the image.

    Source: slim's inception_preprocessing, 0.5 to 1.5.
    """
    return _drawn(factor, tf.image.adjust_saturation)


def hue(delta: float = 0.2) -> Op:
    """Turns the wheel of colours.

    Args:
      delta: the largest turn, either way; 0.5 is half the wheel.

    Source: slim's inception_preprocessing (slow mode), 0.2.
    """
    return _drawn((-delta, delta), tf.image.adjust_hue)


def grey(probability: float = 0.1) -> Op:
    """Takes the colours away, by the luma weights of Rec. 601.

    Args:
      probability: how often.

    Source: SimCLR (Chen et al. 2020) uses 0.2.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([], seed) < probability
        return tf.cond(
            chosen,
            lambda: tf.repeat(tf.image.rgb_to_grayscale(image), 3, -1),
            lambda: tf.identity(image),
        )

    return op


def _drawn(limits: Pair, adjust: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Op:
    """An op that draws one number between the limits and adjusts by it, clipped to [0, 1]."""

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_uniform([], seed) * (limits[1] - limits[0]) + limits[0]
        return tf.clip_by_value(adjust(image, drawn), 0.0, 1.0)

    return op

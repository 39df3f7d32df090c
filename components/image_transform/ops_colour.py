"""Augmentation ops that change light and colour and leave every pixel where it is.

Each factory gives an op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> the same shape
and range, any size from 1x1. The same seed does the same. The bounds that a configuration must
keep are in `arguments.py`.
"""

import math

import tensorflow as tf

from components.image_transform.drawing import Op, Pair, at_times, drawn, whole_between


def brightness(delta: float = 32 / 255) -> Op:
    """Adds one number to all pixels.

    Args:
      delta: the largest, either way; 1 is from black to white.

    Source: slim's inception_preprocessing, 32 / 255.
    """
    return drawn("delta", (-delta, delta), lambda image, shift: image + shift)


def contrast(factor: Pair = (0.5, 1.5)) -> Op:
    """Moves each channel from its mean, or towards it.

    Args:
      factor: smallest and largest; 0 leaves flat colour, 1 the image.

    Source: slim's inception_preprocessing (slow mode), 0.5 to 1.5.
    """
    return drawn("factor", factor, tf.image.adjust_contrast)


def saturation(factor: Pair = (0.5, 1.5)) -> Op:
    """Makes colours paler or stronger.

    Args:
      factor: smallest and largest; 0 leaves grey, 1 the image.

    Source: slim's inception_preprocessing, 0.5 to 1.5.
    """
    return drawn("factor", factor, tf.image.adjust_saturation, in_range=True)


def hue(delta: float = 0.2) -> Op:
    """Turns the wheel of colours.

    Args:
      delta: the largest turn, either way; 0.5 is half the wheel.

    Source: slim's inception_preprocessing (slow mode), 0.2.
    """
    return drawn("delta", (-delta, delta), tf.image.adjust_hue, in_range=True)


def gamma(exponent: Pair = (0.8, 1.25)) -> Op:
    """Raises pixels to a power: lightens or darkens the middle, and leaves black and white.

    Args:
      exponent: smallest and largest, drawn evenly on a logarithmic scale; above 1 darkens.

    Source: albumentations' RandomGamma draws from 0.8 to 1.2.
    """
    low, high = math.log(exponent[0]), math.log(exponent[1])
    return drawn("log_exponent", (low, high), lambda image, power: image ** tf.exp(power))


def grey(probability: float = 0.1) -> Op:
    """Takes the colours away, by the luma weights of Rec. 601.

    Args:
      probability: how often.

    Source: SimCLR (Chen et al. 2020) uses 0.2.
    """
    return at_times(probability, lambda image: tf.repeat(tf.image.rgb_to_grayscale(image), 3, -1))


def posterize(bits: Pair = (4, 8)) -> Op:
    """Keeps the upper bits of each pixel's eight: fewer shades, with steps between them.

    Args:
      bits: fewest and most that stay, drawn evenly among the whole numbers; 8 leaves the image.

    Source: AutoAugment (Cubuk et al. 2019), 4 to 8.
    """
    return lambda image, seed: keep_bits(image, whole_between("bits", bits, seed))


def solarize(threshold: Pair = (0.5, 1.0)) -> Op:
    """Inverts what is brighter than a threshold.

    Args:
      threshold: smallest and largest; at 1 nothing changes, at 0 all is inverted.

    Source: AutoAugment (Cubuk et al. 2019) draws from 0 to 1; the upper half keeps most pixels.
    """
    return drawn("threshold", threshold, invert_above)


def equalize(probability: float = 0.5) -> Op:
    """Spreads each channel's shades until all are about equally frequent.

    Args:
      probability: how often.

    Source: AutoAugment (Cubuk et al. 2019); the table is that of Pillow's ImageOps.equalize.
    """
    return at_times(probability, equalized)


def autocontrast(probability: float = 0.5) -> Op:
    """Stretches each channel so that its darkest pixel is 0 and its brightest 1.

    Args:
      probability: how often.

    Source: AutoAugment (Cubuk et al. 2019).
    """
    return at_times(probability, stretched)


def keep_bits(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """What `posterize` does, for int32 `bits` from 1 to 8."""
    step = tf.bitwise.left_shift(1, 8 - bits)
    return tf.cast(_bytes(image) // step * step, tf.float32) * (1 / 255)


def invert_above(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """What `solarize` does."""
    return tf.where(image > threshold, 1 - image, image)


def equalized(image: tf.Tensor) -> tf.Tensor:
    """What `equalize` does when it does."""
    # One histogram for the three channels: each has 256 places of its own.
    places = _bytes(image) + tf.constant([0, 256, 512])
    counts = tf.reshape(tf.math.bincount(tf.reshape(places, [-1]), minlength=768), [3, 256])
    below = tf.cumsum(counts, axis=1, exclusive=True)
    pixels = tf.size(image) // 3
    brightest = tf.reduce_max(tf.where(counts > 0, counts * 0 + tf.range(256), 0), axis=1)
    last = tf.gather(counts, brightest, batch_dims=1)
    step = ((pixels - last) // 255)[:, tf.newaxis]
    table = tf.minimum((below + step // 2) // tf.maximum(step, 1), 255)
    table = tf.where(step > 0, table, tf.range(256))  # too few pixels to spread
    shades = tf.gather(tf.reshape(table, [-1]), places)
    return tf.cast(shades, tf.float32) * (1 / 255)


def stretched(image: tf.Tensor) -> tf.Tensor:
    """What `autocontrast` does when it does."""
    low, high = tf.reduce_min(image, [0, 1]), tf.reduce_max(image, [0, 1])
    scaled = tf.clip_by_value((image - low) / tf.maximum(high - low, 1e-6), 0.0, 1.0)
    return tf.where(high > low, scaled, image)


def _bytes(image: tf.Tensor) -> tf.Tensor:
    """The pixels as whole numbers from 0 to 255, int32."""
    return tf.cast(tf.round(image * 255), tf.int32)

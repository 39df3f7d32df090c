"""Augmentation ops that change fine detail: blur, noise, compression, a part erased.

Each factory gives an op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> the same shape
and range, any size from 1x1. The same seed does the same. The bounds that a configuration must
keep are in `arguments.py`.
"""

import math

import tensorflow as tf

from components.image_transform.drawing import Op, Pair, between, drawn, note, whole_between


def blur(sigma: Pair = (0.1, 2.0)) -> Op:
    """Blurs by a Gaussian, as a lens out of focus about does.

    Args:
      sigma: smallest and largest standard deviation, in pixels.

    Source: SimCLR (Chen et al. 2020), 0.1 to 2.0 at 224 pixels.
    """

    return drawn("sigma", sigma, blurred)


def sharpness(factor: Pair = (0.5, 1.5)) -> Op:
    """Moves each pixel from the mean of its neighbourhood, or towards it.

    Args:
      factor: smallest and largest; 0 smooths, 1 leaves the image, 2 sharpens.

    Source: AutoAugment (Cubuk et al. 2019), 0.1 to 1.9; Pillow's SMOOTH kernel.
    """
    return drawn("factor", factor, sharpened)


def noise(deviation: Pair = (0.0, 0.05)) -> Op:
    """Adds independent normal noise to every pixel and channel, as a sensor in the dark does.

    Args:
      deviation: smallest and largest standard deviation; 1 is from black to white.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        normal = tf.random.stateless_normal(tf.shape(image), noise_seed)
        return tf.clip_by_value(image + between("deviation", deviation, seed) * normal, 0.0, 1.0)

    return op


def jpeg_quality(quality: Pair = (50, 100)) -> Op:
    """Stores the picture as JPEG and reads it again, with the blocks and halos that this leaves.

    Args:
      quality: lowest and highest, drawn evenly among the whole numbers.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(tf.round(image * 255), tf.uint8)
        jpeg = tf.raw_ops.EncodeJpegVariableQuality(
            images=pixels, quality=whole_between("quality", quality, seed)
        )
        return tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32) * (1 / 255)

    return op


def erasing(
    probability: float = 0.5,
    area: Pair = (0.02, 0.33),
    aspect: Pair = (0.3, 3.3),
    fill: str = "grey",
) -> Op:
    """Covers a random box (random erasing; with one size of box, cutout).

    Args:
      probability: how often.
      area: smallest and largest fraction of the image's area.
      aspect: smallest and largest width / height of the box, drawn evenly on a logarithmic scale.
        A box that is longer than the image is cut to it.
      fill: "grey", "black", or "noise": every pixel its own colour.

    Source: Zhong et al. 2017, area 0.02 to 0.4 and aspect 0.3 to 3.3; torchvision's area ends at
    0.33. DeVries and Taylor 2017 (cutout).
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seed, noise_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        chance, share, shape, down, right = tf.unstack(tf.random.stateless_uniform([5], seed))
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        covered = (share * (area[1] - area[0]) + area[0]) * tf.reduce_prod(size)
        low, high = math.log(aspect[0]), math.log(aspect[1])
        ratio = tf.exp(shape * (high - low) + low)
        sides = tf.stack([tf.sqrt(covered / ratio), tf.sqrt(covered * ratio)])
        sides = tf.clip_by_value(tf.round(sides), 1.0, size)
        begin = tf.floor(tf.stack([down, right]) * (size - sides + 1))
        applied = chance < probability
        note(applied=applied, top=begin[0], left=begin[1], height=sides[0], width=sides[1])
        inside = in_box(tf.shape(image)[:2], begin, begin + sides)
        if fill == "noise":
            cover = tf.random.stateless_uniform(tf.shape(image), noise_seed)
        else:
            cover = tf.fill(tf.shape(image), {"grey": 0.5, "black": 0.0}[fill])
        return tf.where(inside[..., tf.newaxis] & applied, cover, image)

    return op


def in_box(size: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """Which pixels lie inside a box.

    Args:
      size: int32 [2], height and width of the image.
      begin, end: float32 [..., 2], the first row and column, and those after the last.

    Returns:
      bool [..., H, W].
    """
    rows, columns = (tf.range(tf.cast(size[i], tf.float32)) for i in range(2))
    down = (rows >= begin[..., :1]) & (rows < end[..., :1])
    right = (columns >= begin[..., 1:]) & (columns < end[..., 1:])
    return down[..., :, tf.newaxis] & right[..., tf.newaxis, :]


def sharpened(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """What `sharpness` does; the rim of one pixel, which lacks neighbours, stays."""
    kernel = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13
    kernel = tf.tile(kernel[..., tf.newaxis, tf.newaxis], [1, 1, 3, 1])
    smooth = tf.nn.depthwise_conv2d(image[tf.newaxis], kernel, [1, 1, 1, 1], "SAME")[0]
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    inner = in_box(tf.shape(image)[:2], tf.ones([2]), size - 1)
    smooth = tf.where(inner[..., tf.newaxis], smooth, image)
    return tf.clip_by_value(smooth + (image - smooth) * factor, 0.0, 1.0)


def blurred(image: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """What `blur` does."""
    down = _blurred_along_columns(image, sigma)
    both = _blurred_along_columns(tf.transpose(down, [1, 0, 2]), sigma)
    return tf.transpose(both, [1, 0, 2])


def _blurred_along_columns(image: tf.Tensor, sigma: tf.Tensor) -> tf.Tensor:
    """One product with a band of weights, whatever the size: a row adds up to 1 at the rim too."""
    place = tf.range(tf.cast(tf.shape(image)[0], tf.float32))
    distance = (place[:, tf.newaxis] - place) / sigma
    weights = tf.nn.softmax(-0.5 * distance**2)
    return tf.reshape(weights @ tf.reshape(image, [tf.shape(image)[0], -1]), tf.shape(image))

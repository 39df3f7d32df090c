"""What evaluation and serving do to a picture before the network sees it. No randomness."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from components.image_transform import decoding


class Frame(NamedTuple):
    """How a picture of any size becomes one of the image size."""

    image_size: tuple[int, int]
    """Height and width of the output in pixels."""
    crop_fraction: float = 1.0
    """Share of the sides that is kept, from the centre, in (0, 1]; "pad" keeps all."""
    resize: str = "crop"
    """"crop": the largest centred box of the output's shape fills it, so that shapes are never
    stretched. "stretch": the whole picture fills it. "pad": the whole picture lies in its middle,
    unstretched, with black at two sides."""


def get_preprocess(frame: Frame, *, from_pixels: bool = False) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the serving preprocessing: decode, upright, frame, [0, 1].

    Args:
      frame: what of the picture is kept, and its size.
      from_pixels: whether the returned function takes a decoded picture instead of bytes.

    Returns:
      A function: encoded bytes (scalar string; `decoding.decode` says which kinds), or pixels
      (uint8 [H, W, 3]) -> float32 [h, w, 3] in [0, 1]. The same bytes give the same pixels
      eagerly, in tf.data and in a saved graph.

    Source: slim's inception_preprocessing keeps the central 0.875 and stretches it to a square;
    the shape-keeping resize is torchvision's and timm's, which Hub's newer modules were made with.
    """

    def preprocess_pixels(pixels: tf.Tensor) -> tf.Tensor:
        # Constants are multiplied with, not divided by, here and below: the graph optimizer turns
        # one into the other, eager mode does not, and the last bit would differ.
        return tf.clip_by_value(fit(pixels, frame) * (1 / 255), 0.0, 1.0)

    def preprocess(image_bytes: tf.Tensor) -> tf.Tensor:
        return preprocess_pixels(decoding.decode(image_bytes))

    return preprocess_pixels if from_pixels else preprocess


def fit(image: tf.Tensor, frame: Frame) -> tf.Tensor:
    """Brings a picture to the image size, antialiased.

    Args:
      image: [H, W, 3] of any numeric type.
      frame: which way.

    Returns:
      float32 [h, w, 3], the image's range but for the last bit; black where it is padded.
    """
    size = tf.constant(frame.image_size, tf.float32)
    given = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = size / given
    if frame.resize == "crop":
        scale = tf.repeat(tf.reduce_max(scale), 2)
    if frame.resize == "pad":
        scale = tf.repeat(tf.reduce_min(scale), 2)
    else:
        scale *= 1 / frame.crop_fraction
    # One op resizes and crops: no rounding of a box to whole pixels, and nothing is computed that
    # the crop throws away. "triangle" with antialias is bilinear on the way up.
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=tf.constant(frame.image_size),
        scale=scale,
        translation=(size - given * scale) * 0.5,
        kernel_type="triangle",
        antialias=True,
    )[0]
    resized.set_shape([*frame.image_size, 3])
    return resized

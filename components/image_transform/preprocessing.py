"""What evaluation and serving do to a picture before the network sees it. No randomness."""

from collections.abc import Callable

import tensorflow as tf

from components.image_transform import decoding


def get_preprocess(
    image_size: tuple[int, int], crop_fraction: float, *, from_pixels: bool = False
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the serving preprocessing: decode, upright, centred crop, resize, [0, 1].

    The crop is the largest centred box of the output's shape, its sides times `crop_fraction`;
    it then fills the output, so that shapes in the picture are never stretched.

    Args:
      image_size: height and width of the output in pixels.
      crop_fraction: share of the largest centred box's sides that is kept, in (0, 1].
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
        image = resize_centre(pixels, image_size, crop_fraction) * (1 / 255)
        return tf.clip_by_value(image, 0.0, 1.0)

    def preprocess(image_bytes: tf.Tensor) -> tf.Tensor:
        return preprocess_pixels(decoding.decode(image_bytes))

    return preprocess_pixels if from_pixels else preprocess


def resize_centre(image: tf.Tensor, image_size: tuple[int, int], crop_fraction: float) -> tf.Tensor:
    """Fills the output with the image's centre, antialiased, without stretching.

    Args:
      image: [H, W, 3] of any numeric type.
      image_size: height and width of the output in pixels.
      crop_fraction: share of the largest centred box's sides that is kept, in (0, 1].

    Returns:
      float32 [h, w, 3], the image's range but for the last bit.
    """
    size = tf.constant(image_size, tf.float32)
    given = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.reduce_max(size / given) * (1 / crop_fraction)
    # One op resizes and crops: no rounding of a box to whole pixels, and nothing is computed that
    # the crop throws away. "triangle" with antialias is bilinear on the way up.
    resized = tf.raw_ops.ScaleAndTranslate(
        images=image[tf.newaxis],
        size=tf.constant(image_size),
        scale=tf.stack([scale, scale]),
        translation=(size - given * scale) * 0.5,
        kernel_type="triangle",
        antialias=True,
    )[0]
    resized.set_shape([*image_size, 3])
    return resized

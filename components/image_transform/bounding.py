"""Training pictures on disk: upright, known to decode, and no larger than crops have use for."""

from collections.abc import Callable

import tensorflow as tf

from components.image_transform import decoding

JPEG_QUALITY = 95
_LITTLE = 1.5


def get_bound(stored_side: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function that bounds one picture.

    Args:
      stored_side: length in pixels that the shorter side may have.

    Returns:
      A function: encoded bytes (scalar string) -> encoded bytes (scalar string). A picture that
      is upright and whose shorter side is at most `stored_side` keeps its bytes. Any other
      becomes an upright JPEG of quality 95, reduced to that side where it is larger; it is never
      enlarged. What `decoding.decode` refuses is the same error here, also where bytes are kept.
    """

    def bound(image_bytes: tf.Tensor) -> tf.Tensor:
        orientation = decoding.orientation(image_bytes)
        image = tf.cond(
            tf.io.is_jpeg(image_bytes),
            lambda: _decode_jpeg_reduced(image_bytes, 2 * stored_side),
            lambda: decoding.decode(image_bytes),
        )
        image.set_shape([None, None, 3])
        shorter = tf.reduce_min(tf.shape(image)[:2])

        def encoded() -> tf.Tensor:
            small = tf.cond(
                shorter > stored_side, lambda: _reduce(image, stored_side), lambda: image
            )
            upright = tf.cond(
                orientation == 1, lambda: small, lambda: decoding.turn_upright(small, orientation)
            )
            return tf.io.encode_jpeg(upright, format="rgb", quality=JPEG_QUALITY)

        kept = (shorter <= stored_side) & (orientation == 1)
        return tf.cond(kept, lambda: image_bytes, encoded)

    return bound


def _decode_jpeg_reduced(jpeg: tf.Tensor, shortest: int) -> tf.Tensor:
    """Decodes at 1, 1/2, 1/4 or 1/8 of the size, keeping the shorter side above `shortest`.

    The decoder reduces before it computes pixels: half the time and an eighth of the memory for
    a camera's picture. With twice the final side left, the result differs from the slow way by
    no more than storing it as JPEG does (40 dB). Not for serving, where pixels must be exact.
    """
    shorter = tf.reduce_min(tf.io.extract_jpeg_shape(jpeg)[:2])
    affordable = tf.reduce_sum(tf.cast(shorter >= shortest * tf.constant([2, 4, 8]), tf.int32))
    return tf.switch_case(
        affordable,
        [
            lambda ratio=ratio: tf.io.decode_jpeg(jpeg, channels=3, ratio=ratio)
            for ratio in (1, 2, 4, 8)
        ],
    )


def _reduce(image: tf.Tensor, side: int) -> tf.Tensor:
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    shorter = tf.reduce_min(size)
    wanted = tf.cast(tf.round(size * (side / shorter)), tf.int32)
    # Serving's antialiased bilinear op takes three times as long as averaging what lies under each
    # pixel. Little reduced, a picture needs not even that: up to here bilinear differs from
    # serving's by no more than storing as JPEG does (41 dB).
    small = tf.cond(
        shorter <= _LITTLE * side,
        lambda: tf.image.resize(image, wanted, method="bilinear"),
        lambda: tf.image.resize(image, wanted, method="area"),
    )
    return tf.cast(tf.round(small), tf.uint8)

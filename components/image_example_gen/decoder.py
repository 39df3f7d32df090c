"""Full decoding of a picture, by the very graph that training and serving use."""

import functools
import re

import numpy as np
import tensorflow as tf

from components.image_example_gen.pictures import Unusable
from components.image_transform.decoding import decode

SMALL = 64
"""Side in pixels of the small picture from which a perceptual hash is computed."""


def decode_small(image: bytes) -> tuple[int, int, np.ndarray]:
    """Decodes an encoded picture in full; several threads may do so at once.

    Returns:
      Its height and width, upright; and all of it reduced to uint8 [SMALL, SMALL, 3].

    Raises:
      Unusable: it cannot be decoded; says what the decoder said.
    """
    try:
        size, small = _decode()(image)
    except tf.errors.OpError as e:
        raise Unusable(_sentence(e.message)) from None
    height, width = size.numpy().tolist()
    if not height or not width:
        raise Unusable("it has no pixels")
    return height, width, small.numpy()


@functools.cache
def _decode():
    """Traced once a process. Called a picture at a time: a tf.data pipeline a batch does the same
    work, but takes 0.3 s to start each time."""

    def graph(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = decode(image)
        size = tf.shape(pixels)[:2]
        small = tf.cond(
            tf.reduce_all(size > 0),
            lambda: tf.image.resize(pixels, [SMALL, SMALL], method="area"),
            lambda: tf.zeros([SMALL, SMALL, 3]),
        )
        return size, tf.cast(tf.round(small), tf.uint8)

    return tf.function(graph, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)


def _sentence(message: str) -> str:
    """The one line that says something, out of TensorFlow's many."""
    lines = [line.strip() for line in message.splitlines()]
    noise = ("Graph execution error", "Detected at node", "File ", "[[{{", "(")
    lines = [line for line in lines if line and not line.startswith(noise)]
    said = lines[-1] if lines else "unknown error"
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*?\]|\s*\[\[.*", "", said)[:200]

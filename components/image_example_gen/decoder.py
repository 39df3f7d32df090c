"""Full decoding of a picture, by the very graph that training and serving use."""

import functools
import re

import tensorflow as tf

from components.image_example_gen.pictures import Unusable
from components.image_transform.decoding import decode


def decoded_size(image: bytes) -> tuple[int, int]:
    """Decodes an encoded picture in full and keeps nothing; several threads may do so at once.

    Returns:
      Its height and width, upright.

    Raises:
      Unusable: it cannot be decoded; says what the decoder said.
    """
    try:
        height, width = _size()(image).numpy().tolist()
    except tf.errors.OpError as e:
        raise Unusable(_sentence(e.message)) from None
    if not height or not width:
        raise Unusable("it has no pixels")
    return height, width


@functools.cache
def _size():
    """Traced once a process. Called a picture at a time: a tf.data pipeline a batch does the same
    work, but takes 0.3 s to start each time."""
    return tf.function(
        lambda image: tf.shape(decode(image))[:2],
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


def _sentence(message: str) -> str:
    """The one line that says something, out of TensorFlow's many."""
    lines = [line.strip() for line in message.splitlines()]
    noise = ("Graph execution error", "Detected at node", "File ", "[[{{", "(")
    lines = [line for line in lines if line and not line.startswith(noise)]
    said = lines[-1] if lines else "unknown error"
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*?\]|\s*\[\[.*", "", said)[:200]

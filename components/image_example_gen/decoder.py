"""Full decoding of a picture, by the very graph that training and serving use."""

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from components.image_transform.decoding import decode

SMALL = 32
"""Side in pixels of the small picture from which a perceptual hash is computed."""

_AT_ONCE = 2  # of each batch: there is a thread for each core


class Decoded(NamedTuple):
    """A picture that was decoded in full: its size, upright, and all of it reduced."""

    height: int
    width: int
    small: np.ndarray
    """uint8 [SMALL, SMALL], in grey."""


def decode_all(images: Sequence[bytes]) -> list[Decoded | str]:
    """Decodes encoded pictures in full. Several threads may call it at the same time.

    Returns:
      For each what came of it; or, where it cannot be decoded, what the decoder said.
    """
    if len(images) < 2:
        return [_decode_one(image) for image in images]
    try:
        sizes, smalls = _graph()(tf.constant(images))
    except tf.errors.OpError:  # of one at least
        return [_decode_one(image) for image in images]
    pairs = zip(sizes.numpy().tolist(), smalls.numpy(), strict=True)
    return [_decoded(size, small) for size, small in pairs]


def _decode_one(image: bytes) -> Decoded | str:
    try:
        sizes, smalls = _graph()(tf.constant([image]))
    except tf.errors.OpError as e:
        return _sentence(e.message)
    return _decoded(sizes.numpy()[0].tolist(), smalls.numpy()[0])


def _decoded(size: list[int], small: np.ndarray) -> Decoded | str:
    height, width = size
    return Decoded(height, width, small) if height and width else "it has no pixels"


@functools.cache
def _graph():
    """Traced once a process; a batch a call, since a call costs a tenth of a small decoding. (A
    tf.data pipeline a batch does the same work, but takes 0.3 s to start each time.)"""

    def one(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = decode(image)
        size = tf.shape(pixels)[:2]
        small = tf.cond(
            tf.reduce_all(size > 0),
            lambda: _reduced(pixels),
            lambda: tf.zeros([SMALL, SMALL, 3]),
        )
        return size, small

    def several(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shapes = tf.TensorSpec([2], tf.int32), tf.TensorSpec([SMALL, SMALL, 3], tf.float32)
        sizes, smalls = tf.map_fn(
            one, images, fn_output_signature=shapes, parallel_iterations=_AT_ONCE
        )
        grey = tf.image.rgb_to_grayscale(smalls)[..., 0]
        return sizes, tf.cast(tf.round(grey), tf.uint8)

    return tf.function(several, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


def _reduced(pixels: tf.Tensor) -> tf.Tensor:
    """The whole picture at SMALL; of a tall one every n-th row counts, since averaging all would
    take a third as long as decoding."""
    count = 4 * SMALL
    rows = (2 * tf.range(count) + 1) * tf.shape(pixels)[0] // (2 * count)
    return tf.image.resize(tf.gather(pixels, rows), [SMALL, SMALL], method="area")


def _sentence(message: str) -> str:
    """The one line that says something, out of TensorFlow's many."""
    lines = [line.strip() for line in message.splitlines()]
    noise = ("Graph execution error", "Detected at node", "File ", "[[", "(")
    lines = [line for line in lines if line and not line.startswith(noise)]
    said = lines[-1] if lines else "unknown error"
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*?\]|\s*\[\[.*", "", said)[:200]

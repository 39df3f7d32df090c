"""Full decoding of many pictures at once, by the very graph that training and serving use."""

import functools
import re
from collections.abc import Sequence

import tensorflow as tf

from components.image_transform.decoding import decode

_AT_ONCE = 8
"""Pictures decoded at the same time, at most: bounds memory on machines with many cores."""


def decoded_sizes(images: Sequence[bytes]) -> list[tuple[int, int] | str]:
    """Decodes encoded pictures in full, in parallel, and keeps none.

    Returns:
      For each its (height, width), upright; or why it cannot be decoded.
    """
    if not images:
        return []
    sizes = _sizes()(tf.constant(list(images), tf.string)).numpy().tolist()
    return [
        (height, width) if height else _size_or_reason(image)
        for image, (height, width) in zip(images, sizes, strict=True)
    ]


@functools.cache
def _sizes():
    """Traced once a process: a graph that decodes a batch, [N] string -> [N, 2] int32."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def sizes(images):
        dataset = tf.data.Dataset.from_tensor_slices(images).enumerate()
        dataset = dataset.map(
            lambda index, image: (index, tf.shape(decode(image))[:2]),
            num_parallel_calls=_AT_ONCE,
            deterministic=False,
        )
        # What fails is left out, and stays 0 x 0 in the result.
        return dataset.ignore_errors().reduce(
            tf.zeros([tf.size(images), 2], tf.int32),
            lambda result, item: tf.tensor_scatter_nd_update(result, [[item[0]]], [item[1]]),
        )

    return sizes


@functools.cache
def _size():
    return tf.function(
        lambda image: tf.shape(decode(image))[:2],
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def _size_or_reason(image: bytes) -> tuple[int, int] | str:
    try:
        height, width = _size()(image).numpy().tolist()
    except tf.errors.OpError as e:
        return _sentence(e.message)
    return (height, width) if height and width else "no pixels"


def _sentence(message: str) -> str:
    """The one line that says something, out of TensorFlow's many."""
    lines = [line.strip() for line in message.splitlines()]
    noise = ("Graph execution error", "Detected at node", "File ", "[[{{", "(")
    lines = [line for line in lines if line and not line.startswith(noise)]
    said = lines[-1] if lines else "unknown error"
    return re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:.*?\]|\s*\[\[.*", "", said)[:200]

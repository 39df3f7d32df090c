"""Augmentation ops on a batch: two pictures are mixed, and their labels with them.

Each factory gives an op: (images float32 [N, h, w, 3] in [0, 1], targets float32 [N, classes],
each row adding up to 1, seed int32 [2]) -> both, of the same shapes and ranges. A picture is mixed
with the one that stands at its place counted from the end of the batch. The same seed does the
same. The bounds that a configuration must keep are in `arguments.py`.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from components.image_transform.ops_detail import in_box

BatchOp = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def mixup(alpha: float = 0.2) -> BatchOp:
    """Lays two pictures over each other.

    Args:
      alpha: each picture's share is drawn from Beta(alpha, alpha): 1 for any share alike, below it
        mostly one picture with little of the other.

    Source: Zhang et al. 2018, 0.1 to 0.4 for ImageNet.
    """

    def op(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        share = _beta(tf.shape(images)[0], alpha, seed)
        mixed = _mix(images, share[:, tf.newaxis, tf.newaxis, tf.newaxis])
        return mixed, _mix(targets, share[:, tf.newaxis])

    return op


def cutmix(alpha: float = 1.0) -> BatchOp:
    """Puts a box of one picture into the other, at the same place.

    Args:
      alpha: the share of the picture outside the box is drawn from Beta(alpha, alpha).

    Source: Yun et al. 2019, alpha 1. The box's centre is drawn over the whole picture, and what of
    the box lies outside is cut off; the labels are mixed by the pixels that are seen.
    """

    def op(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, size = tf.shape(images)[0], tf.shape(images)[1:3]
        ours, theirs = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        side = tf.sqrt(1 - _beta(count, alpha, ours))[:, tf.newaxis]
        centre = tf.random.stateless_uniform([count, 2], theirs)
        begin, end = (
            tf.round((centre + half * side) * tf.cast(size, tf.float32)) for half in (-0.5, 0.5)
        )
        inside = in_box(size, begin, end)
        mixed = tf.where(inside[..., tf.newaxis], tf.reverse(images, [0]), images)
        share = 1 - tf.reduce_mean(tf.cast(inside, tf.float32), [1, 2])
        return mixed, _mix(targets, share[:, tf.newaxis])

    return op


def one_of(ops: Sequence[BatchOp]) -> BatchOp:
    """Makes an op that applies one of several, each as likely, to a whole batch."""

    def op(images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        seed, drawn = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        which = tf.random.stateless_uniform([], drawn, maxval=len(ops), dtype=tf.int32)
        return tf.switch_case(which, [lambda op=op: op(images, targets, seed) for op in ops])

    return op


def _mix(values: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    return share * values + (1 - share) * tf.reverse(values, [0])


def _beta(count: tf.Tensor, alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws from Beta(alpha, alpha), float32 [count], as one gamma's share of two."""
    pair = tf.random.stateless_gamma([2, count], seed, alpha, dtype=tf.float64)
    # Both may underflow where alpha is small; the share is then 1: the picture as it is.
    total = pair[0] + pair[1]
    share = tf.where(total > 0, pair[0] / tf.where(total > 0, total, 1), 1)
    return tf.cast(share, tf.float32)

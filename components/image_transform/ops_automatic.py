"""Augmentation ops that choose among others: RandAugment and TrivialAugment.

Each factory gives an op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> the same shape
and range, any size from 1x1. The same seed does the same. The bounds that a configuration must
keep are in `arguments.py`. Both choose among fourteen changes, colour and shape alike: where one
of them alters the label, write a list of ops instead.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from components.image_transform.drawing import Op, note
from components.image_transform.ops_colour import equalized, invert_above, keep_bits, stretched
from components.image_transform.ops_detail import sharpened
from components.image_transform.ops_geometry import warp

_MAGNITUDES = 30
"""Magnitudes count from 0 to this, as in torchvision and timm."""


class Reach(NamedTuple):
    """How far each change goes at the largest magnitude."""

    shear: float
    """Slant, as the tangent of its angle."""
    translation: float
    """Shift, as a fraction of the side."""
    rotation: float
    """Degrees."""
    factor: float
    """How far colour, contrast, brightness and sharpness move from 1."""
    bits: int
    """How many of eight bits posterize takes away."""


RAND_AUGMENT = Reach(0.3, 150 / 331, 30, 0.9, 4)
"""Source: AutoAugment's space (Cubuk et al. 2019), whose pictures had 331 pixels."""

TRIVIAL_AUGMENT = Reach(0.99, 32 / 224, 135, 0.99, 6)
"""Source: the wide space of Müller and Hutter 2021, table 6; a shift of 32 pixels at 224."""


CHANGES = (
    "identity",
    "autocontrast",
    "equalize",
    "rotation",
    "solarize",
    "posterize",
    "colour",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translation_x",
    "translation_y",
)
"""What both ops choose among."""


def rand_augment(count: int = 2, magnitude: int = 9, fill: str = "reflect") -> Op:
    """Applies some of fourteen changes, one after the other, each as likely and of one magnitude.

    Args:
      count: how many.
      magnitude: from 0 to 30.
      fill: what comes in from outside, as in `affine`.

    Source: Cubuk et al. 2020; count 2 and magnitude 9 are torchvision's.
    """
    change = _make_change(RAND_AUGMENT, fill)

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        strength = tf.constant(magnitude / _MAGNITUDES)
        for i, one in enumerate(tf.unstack(tf.random.experimental.stateless_split(seed, count))):
            which, signed = _choose(one, strength)
            note(**{f"change_{i + 1}": which, f"strength_{i + 1}": signed})
            image = change(image, which, signed)
        return image

    return op


def trivial_augment(fill: str = "reflect") -> Op:
    """Applies one of fourteen changes, each as likely, of any magnitude.

    Args:
      fill: what comes in from outside, as in `affine`.

    Source: Müller and Hutter 2021, the wide space.
    """
    change = _make_change(TRIVIAL_AUGMENT, fill)

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seed, drawn = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
        magnitude = tf.random.stateless_uniform([], drawn, maxval=_MAGNITUDES + 1, dtype=tf.int32)
        which, signed = _choose(seed, tf.cast(magnitude, tf.float32) / _MAGNITUDES)
        note(change_1=which, strength_1=signed)
        return change(image, which, signed)

    return op


def _choose(seed: tf.Tensor, strength: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The number of a change, and the strength with a sign: which way, where there are two."""
    ours, theirs = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    which = tf.random.stateless_uniform([], theirs, maxval=len(CHANGES), dtype=tf.int32)
    return which, tf.where(tf.random.stateless_uniform([], ours) < 0.5, -strength, strength)


def _make_change(reach: Reach, fill: str) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """(image, number of a change, strength from -1 to 1) -> image; one graph for all calls."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([]),
        ],
        autograph=False,
    )
    def change(image: tf.Tensor, which: tf.Tensor, signed: tf.Tensor) -> tf.Tensor:
        strength, factor = tf.abs(signed), 1 + signed * reach.factor
        angle = signed * reach.rotation * (math.pi / 180)
        cosine, sine = tf.cos(angle), tf.sin(angle)
        slant, shift = signed * reach.shear, signed * reach.translation
        taken = tf.cast(tf.round(strength * reach.bits), tf.int32)

        def moved(matrix: list[list], shift: Sequence = (0.0, 0.0)) -> tf.Tensor:
            return warp(image, tf.stack([tf.stack(row) for row in matrix]), tf.stack(shift), fill)

        ways = {
            "identity": lambda: tf.identity(image),
            "autocontrast": lambda: stretched(image),
            "equalize": lambda: equalized(image),
            "rotation": lambda: moved([[cosine, -sine], [sine, cosine]]),
            "solarize": lambda: invert_above(image, 1 - strength),
            "posterize": lambda: keep_bits(image, 8 - taken),
            "colour": lambda: _blend(tf.image.rgb_to_grayscale(image), image, factor),
            "contrast": lambda: _blend(_mean_grey(image), image, factor),
            "brightness": lambda: _blend(0.0, image, factor),
            "sharpness": lambda: sharpened(image, factor),
            "shear_x": lambda: moved([[1.0, slant], [0.0, 1.0]]),
            "shear_y": lambda: moved([[1.0, 0.0], [slant, 1.0]]),
            "translation_x": lambda: moved([[1.0, 0.0], [0.0, 1.0]], [shift, 0.0]),
            "translation_y": lambda: moved([[1.0, 0.0], [0.0, 1.0]], [0.0, shift]),
        }
        changed = tf.switch_case(which, [ways[name] for name in CHANGES])
        return tf.ensure_shape(changed, [None, None, 3])

    return change


def _blend(from_image: tf.Tensor | float, image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """From another image at factor 0 through this one at 1, and beyond."""
    return tf.clip_by_value(from_image + (image - from_image) * factor, 0.0, 1.0)


def _mean_grey(image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.image.rgb_to_grayscale(image))

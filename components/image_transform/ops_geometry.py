"""Augmentation ops that move pixels: crops, flips, turns, small affine changes.

Each factory gives an op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> [h, w, 3], same
range, any size from 1x1. The same seed does the same. The bounds that a configuration must keep
are in `arguments.py`.
"""

import math

import tensorflow as tf

from components.image_transform.arguments import CROP_AREA
from components.image_transform.drawing import Op, Pair, at_times, note, whole_between
from components.image_transform.preprocessing import Frame, fit


def random_resized_crop(area: Pair = CROP_AREA, aspect: Pair = (3 / 4, 4 / 3)) -> Op:
    """Crops a random box of the image; the policy stretches it to the image size.

    Args:
      area: smallest and largest fraction of the image's area.
      aspect: smallest and largest width / height of the box.

    Returns:
      An op. Where a hundred draws give no box that fits, the whole image stays.

    Source: Szegedy et al. 2015, as in slim's inception_preprocessing; an area from 0.08 is what
    torchvision, timm and Model Garden settled on.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        begin, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(image),
            bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            seed=seed,
            min_object_covered=0.0,
            area_range=area,
            aspect_ratio_range=aspect,
            max_attempts=100,
        )
        note(top=begin[0], left=begin[1], height=size[0], width=size[1])
        return tf.slice(image, begin, tf.concat([size[:2], [3]], 0))

    return op


def central_crop(fraction: float = 0.875) -> Op:
    """Crops the centre; nothing random.

    Args:
      fraction: share of height and of width that stays; at least one pixel does.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size = tf.shape(image)[:2]
        kept = tf.cast(tf.round(tf.cast(size, tf.float32) * fraction), tf.int32)
        kept = tf.maximum(kept, 1)
        begin = (size - kept) // 2
        return tf.slice(image, tf.concat([begin, [0]], 0), tf.concat([kept, [3]], 0))

    return op


def resize(side: int = 256, way: str = "shorter") -> Op:
    """Brings the picture to a size, antialiased; nothing random. The policy sets the final size
    all the same: this one is for what the ops between see.

    Args:
      side: in pixels.
      way: "shorter": the shorter side becomes so long, and the shape stays. "stretch": a square.
        "pad": a square, in whose middle the picture lies unstretched, black at two sides.
    """
    if way != "shorter":
        frame = Frame((side, side), resize=way)
        return lambda image, seed: tf.clip_by_value(fit(image, frame), 0.0, 1.0)

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        wanted = tf.cast(tf.round(size * (side / tf.reduce_min(size))), tf.int32)
        return tf.clip_by_value(tf.image.resize(image, wanted, antialias=True), 0.0, 1.0)

    return op


def flip_left_right(probability: float = 0.5) -> Op:
    """Mirrors left and right.

    Args:
      probability: how often.
    """
    return at_times(probability, lambda image: tf.reverse(image, [1]))


def flip_up_down(probability: float = 0.5) -> Op:
    """Mirrors up and down.

    Args:
      probability: how often.
    """
    return at_times(probability, lambda image: tf.reverse(image, [0]))


def quarter_turn() -> Op:
    """Turns by 0, 90, 180 or 270 degrees, each as likely. Height and width may change places."""

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        turns = whole_between("turns", (0, 3), seed)
        ways = [
            lambda: tf.identity(image),
            lambda: tf.reverse(tf.transpose(image, [1, 0, 2]), [0]),
            lambda: tf.reverse(image, [0, 1]),
            lambda: tf.transpose(tf.reverse(image, [0]), [1, 0, 2]),
        ]
        turned = tf.switch_case(turns, ways)
        turned.set_shape([None, None, 3])
        return turned

    return op


def affine(
    rotation: float = 0.0,
    shear: float = 0.0,
    translation: float = 0.0,
    zoom: Pair = (1.0, 1.0),
    fill: str = "reflect",
) -> Op:
    """Turns, slants, shifts and zooms about the centre in one interpolation; the size stays.

    Args:
      rotation: largest angle in degrees, either way.
      shear: largest slant of vertical lines in degrees, either way.
      translation: largest shift as a fraction of height and of width, either way.
      zoom: smallest and largest magnification, drawn evenly on a logarithmic scale.
      fill: what comes in from outside: "reflect" mirrors the image (photographs), "nearest"
        goes on with its border (one background), "black".

    Source: the affine ops of AutoAugment (Cubuk et al. 2019), drawn together and applied once.
    """
    radians = math.pi / 180
    limits = [rotation * radians, shear * radians, translation, translation, 1.0]
    middle = (math.log(zoom[1]) + math.log(zoom[0])) * 0.5
    reach = (math.log(zoom[1]) - math.log(zoom[0])) * 0.5

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        drawn = tf.random.stateless_uniform([5], seed, -1.0, 1.0) * tf.constant(limits)
        angle, slant, down, right, size = tf.unstack(drawn)
        shrink = tf.exp(-(middle + size * reach))
        note(
            rotation=angle / radians, shear=slant / radians, right=right, down=down, zoom=1 / shrink
        )
        # From a pixel of the output to where in the input it comes from: turn after slant.
        cosine, sine, tangent = tf.cos(angle), tf.sin(angle), tf.tan(slant)
        x_from = (cosine + tangent * sine, tangent * cosine - sine)
        y_from = (sine, cosine)
        return warp(image, shrink * tf.stack([x_from, y_from]), tf.stack([right, down]), fill)

    return op


def warp(image: tf.Tensor, matrix: tf.Tensor, shift: tf.Tensor, fill: str) -> tf.Tensor:
    """Moves pixels by an affine map about the centre; the size stays.

    Args:
      image: float32 [H, W, 3] in [0, 1].
      matrix: float32 [2, 2]; from (x, y) in the output, seen from the centre, to the input.
      shift: float32 [2]; added there, as fractions of width and height.
      fill: as in `affine`.

    Returns:
      float32 [H, W, 3], same range.
    """
    size = tf.cast(tf.reverse(tf.shape(image)[:2], [0]), tf.float32)
    centre = (size - 1) * 0.5
    start = centre - tf.linalg.matvec(matrix, centre) + shift * size
    rows = tf.concat([matrix, start[:, tf.newaxis]], 1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[tf.newaxis],
        transforms=tf.concat([tf.reshape(rows, [1, 6]), tf.zeros([1, 2])], 1),
        output_shape=tf.shape(image)[:2],
        interpolation="BILINEAR",
        fill_mode={"reflect": "REFLECT", "nearest": "NEAREST", "black": "CONSTANT"}[fill],
        fill_value=0.0,
    )[0]
    moved.set_shape([None, None, 3])
    return tf.clip_by_value(moved, 0.0, 1.0)

"""From a policy to views: one graph that draws any augmented picture again from (id, view)."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.image_transform import ops_colour, ops_geometry
from components.image_transform.policies import check_policy
from components.image_transform.preprocessing import resize_centre

Op = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_GEOMETRY: dict[str, Callable[..., Op]] = {
    "random_resized_crop": ops_geometry.random_resized_crop,
    "central_crop": ops_geometry.central_crop,
    "flip_left_right": ops_geometry.flip_left_right,
    "flip_up_down": ops_geometry.flip_up_down,
    "quarter_turn": ops_geometry.quarter_turn,
    "affine": ops_geometry.affine,
}
_COLOUR: dict[str, Callable[..., Op]] = {
    "brightness": ops_colour.brightness,
    "contrast": ops_colour.contrast,
    "saturation": ops_colour.saturation,
    "hue": ops_colour.hue,
    "grey": ops_colour.grey,
}
OPS = _GEOMETRY | _COLOUR
"""Every op's factory by the name that a configuration uses."""


def export_augmentation(
    folder: str, spec: Any, image_size: tuple[int, int], crop_fraction: float, seed: int
) -> None:
    """Saves a policy as a SavedModel that needs none of this code.

    The loaded object has `augment(image uint8 [H, W, 3], id string, view int64)` -> uint8
    [h, w, 3], all scalars but the image; `get_augment` says what it does.

    Args:
      folder: where to; made if it is missing.
      spec, image_size, crop_fraction, seed: as in `get_augment`.
    """
    module = tf.Module()
    module.augment = tf.function(
        get_augment(spec, image_size, crop_fraction, seed),
        input_signature=[
            tf.TensorSpec([None, None, 3], tf.uint8, "image"),
            tf.TensorSpec([], tf.string, "id"),
            tf.TensorSpec([], tf.int64, "view"),
        ],
        autograph=False,
    )
    tf.saved_model.save(module, folder)


def get_augment(
    spec: Any, image_size: tuple[int, int], crop_fraction: float, seed: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that draws views.

    Args:
      spec: a policy's name or its list of ops.
      image_size, crop_fraction: as in `get_policy`.
      seed: the run's.

    Returns:
      A function: (image uint8 [H, W, 3] decoded from the stored bytes, id scalar string, view
      scalar integer) -> uint8 [h, w, 3]. Equal arguments give equal pixels, eagerly, in tf.data
      and in a saved graph.

    Raises:
      ConfigError: as `check_policy`.
    """
    policy = get_policy(spec, image_size, crop_fraction)

    def augment_view(image: tf.Tensor, id: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
        return augment(policy, image, view_seed(seed, id, view))

    return augment_view


def get_policy(spec: Any, image_size: tuple[int, int], crop_fraction: float = 1.0) -> Op:
    """Makes one op of a policy, with a fixed output size.

    The size is set after the last op that moves pixels, so that the others see few pixels and
    what they do does not depend on the picture's size. A policy without a crop gets the frame
    that evaluation uses; a random crop's box is stretched, its aspect being part of the recipe.
    Before an affine op a small picture is enlarged first: a turn between pixels of 8x8 would wash
    out what it shows.

    Args:
      spec: a policy's name or its list of ops.
      image_size: height and width of the output in pixels.
      crop_fraction: what evaluation keeps of the centre, for policies that do not crop.

    Returns:
      An op: (image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> [h, w, 3] in [0, 1].

    Raises:
      ConfigError: as `check_policy`.
    """
    specs = check_policy(spec)
    names = [one["op"] for one in specs]
    ops = [_make(one) for one in specs]
    if "random_resized_crop" in names:
        frame = _stretch(image_size)
    else:
        frame = _centre(image_size, 1.0 if "central_crop" in names else crop_fraction)
    last_move = max((i for i, name in enumerate(names) if name in _GEOMETRY), default=-1)
    ops.insert(last_move + 1, frame)
    if "affine" in names:
        ops.insert(0, _enlarge(image_size))

    def policy(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, len(ops)))
        for op, op_seed in zip(ops, seeds, strict=True):
            image = op(image, op_seed)
        return tf.ensure_shape(tf.clip_by_value(image, 0.0, 1.0), [*image_size, 3])

    return policy


def augment(policy: Op, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws one view: a uint8 picture, which is what makes two views equal or not.

    Args:
      policy: as `get_policy` makes it.
      image: uint8 [H, W, 3].
      seed: int32 [2], from `view_seed`.

    Returns:
      uint8 [h, w, 3].
    """
    view = policy(tf.cast(image, tf.float32) * (1 / 255), seed)
    return tf.cast(tf.round(view * 255), tf.uint8)


def view_seed(seed: int, id: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
    """The seed of one view of one example.

    Args:
      seed: the run's.
      id: scalar string, the example's.
      view: scalar integer; the trainer gives the epoch.

    Returns:
      int32 [2], 62 bits of a hash that TensorFlow promises never to change.
    """
    text = tf.strings.join([str(seed), id, tf.strings.as_string(view)], "/")
    bits = tf.strings.to_hash_bucket_fast(text, 2**62)
    return tf.cast(tf.stack([bits // 2**31, bits % 2**31]), tf.int32)


def _make(spec: dict[str, Any]) -> Op:
    arguments = {name: value for name, value in spec.items() if name != "op"}
    return OPS[spec["op"]](**arguments)


def _centre(image_size: tuple[int, int], fraction: float) -> Op:
    return lambda image, seed: resize_centre(image, image_size, fraction)


def _enlarge(image_size: tuple[int, int]) -> Op:
    """Enlarges, without stretching, what does not fill the output; leaves the rest."""

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        given = tf.cast(tf.shape(image)[:2], tf.float32)
        scale = tf.reduce_max(tf.constant(image_size, tf.float32) / given)
        wanted = tf.cast(tf.round(given * scale), tf.int32)
        return tf.cond(scale > 1, lambda: tf.image.resize(image, wanted), lambda: image)

    return op


def _stretch(image_size: tuple[int, int]) -> Op:
    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        # Plain bilinear looks at two pixels in each direction: enough down to half the size, and
        # a quarter of the antialiased op's time.
        reduced = tf.reduce_any(tf.shape(image)[:2] > 2 * tf.constant(image_size))
        return tf.cond(
            reduced,
            lambda: tf.image.resize(image, image_size, antialias=True),
            lambda: tf.image.resize(image, image_size),
        )

    return op

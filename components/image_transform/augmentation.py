"""From a policy to views: one graph that draws any augmented picture again from (id, view)."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.errors import ConfigError
from components.image_transform import (
    ops_automatic,
    ops_batch,
    ops_colour,
    ops_detail,
    ops_geometry,
)
from components.image_transform.arguments import BATCH, MOVING, RETOUCHING, is_own
from components.image_transform.drawing import Op
from components.image_transform.policies import check_policy, split_policy
from components.image_transform.preprocessing import Frame, fit
from components.importing import import_object

Policy = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(image uint8 [H, W, 3], seed int32 [2]) -> float32 [h, w, 3] in [0, 1]."""

_FILES = (ops_geometry, ops_colour, ops_detail, ops_automatic, ops_batch)


def _factory(name: str) -> Callable[..., Any]:
    return next(getattr(file, name) for file in _FILES if hasattr(file, name))


OPS: dict[str, Callable[..., Op]] = {name: _factory(name) for name in MOVING | RETOUCHING}
"""The factory of every op on one picture, by the name that a configuration uses."""

BATCH_OPS: dict[str, Callable[..., ops_batch.BatchOp]] = {name: _factory(name) for name in BATCH}
"""The factory of every op on a batch."""


_REARRANGING = {
    "random_resized_crop",
    "central_crop",
    "flip_left_right",
    "flip_up_down",
    "quarter_turn",
}
"""Ops that take and give pixels as they are, of any type."""


def export_augmentation(folder: str, spec: Any, frame: Frame, seed: int) -> None:
    """Saves a policy as a SavedModel that needs none of this code.

    The loaded object has `augment(image uint8 [H, W, 3], id string, view int64)` -> uint8
    [h, w, 3], all scalars but the image; `get_augment` says what it does. Its `augment_unit` gives
    the same pixels divided by 255, float32, without the way there and back.

    Args:
      folder: where to; made if it is missing.
      spec, frame, seed: as in `get_augment`.
    """
    module = tf.Module()
    signature = [
        tf.TensorSpec([None, None, 3], tf.uint8, "image"),
        tf.TensorSpec([], tf.string, "id"),
        tf.TensorSpec([], tf.int64, "view"),
    ]
    policy = get_policy(spec, frame)
    for name, draw in (("augment", augment), ("augment_unit", augment_unit)):
        function = functools.partial(_augment_view, draw, policy, seed)
        setattr(module, name, tf.function(function, signature, autograph=False))
    tf.saved_model.save(module, folder)


def get_augment(
    spec: Any, frame: Frame, seed: int
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """Makes the function that draws views.

    Args:
      spec: a policy's name or its list of ops; those on a batch are left out.
      frame: as in `get_policy`.
      seed: the run's.

    Returns:
      A function: (image uint8 [H, W, 3] decoded from the stored bytes, id scalar string, view
      scalar integer) -> uint8 [h, w, 3]. Equal arguments give equal pixels, eagerly, in tf.data
      and in a saved graph.

    Raises:
      ConfigError: as `check_policy`.
    """
    return functools.partial(_augment_view, augment, get_policy(spec, frame), seed)


def _augment_view(
    draw: Callable[..., tf.Tensor],
    policy: Policy,
    seed: int,
    image: tf.Tensor,
    id: tf.Tensor,
    view: tf.Tensor,
) -> tf.Tensor:
    return draw(policy, image, view_seed(seed, id, view))


def get_policy(spec: Any, frame: Frame) -> Policy:
    """Makes one op of a policy, with a fixed output size.

    The size is set after the last op that moves pixels, so that the others see few pixels and
    what they do does not depend on the picture's size. A policy without a crop gets the frame
    that evaluation uses; a random crop's box is stretched, its aspect being part of the recipe.
    Before an affine op a small picture is enlarged first: a turn between pixels of 8x8 would wash
    out what it shows.

    Args:
      spec: a policy's name or its list of ops; those on a batch are left out.
      frame: how evaluation brings a picture to the image size.

    Returns:
      A function: (image uint8 [H, W, 3], seed int32 [2]) -> float32 [h, w, 3] in [0, 1] but for
      the last bit.

    Raises:
      ConfigError: as `check_policy`; or an op by import path that cannot be used.
    """
    steps = get_steps(spec, frame)

    def policy(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        seeds = tf.unstack(tf.random.experimental.stateless_split(seed, len(steps)))
        for (name, op), op_seed in zip(steps, seeds, strict=True):
            # As long as pixels are only rearranged they stay bytes, a quarter of the memory.
            if name and name not in _REARRANGING:
                image = _unit_range(image)
            if image.dtype == tf.uint8 and not name:
                image = op(image, op_seed) * (1 / 255)
            else:
                image = op(image, op_seed)
        return tf.ensure_shape(_unit_range(image), [*frame.image_size, 3])

    return policy


def get_steps(spec: Any, frame: Frame) -> list[tuple[str, Op]]:
    """Makes a policy's ops, with their names; among them, without a name, what sets the size and
    gives float32 in the range that it was given.

    Args and errors as of `get_policy`. A view applies one after the other, each with its share of
    the view's seed: `tf.random.experimental.stateless_split(seed, number of ops)`.
    """
    specs, _ = split_policy(check_policy(spec))
    names = [one["op"] for one in specs]
    steps = [(one["op"], _make(one)) for one in specs]
    if "random_resized_crop" in names:
        to_size = _stretch(frame.image_size)
    elif {"central_crop", "resize"} & set(names):
        to_size = _fit(frame._replace(crop_fraction=1.0))
    else:
        to_size = _fit(frame)
    moves = [i for i, name in enumerate(names) if name in MOVING or is_own(name)]
    steps.insert(max(moves, default=-1) + 1, ("", to_size))
    if "affine" in names:
        steps.insert(0, ("", _enlarge(frame.image_size)))
    return steps


def get_mix(spec: Any) -> ops_batch.BatchOp | None:
    """Makes the op of a policy that mixes pictures of a batch.

    Args:
      spec: a policy's name or its list of ops; those on a picture are left out.

    Returns:
      See `ops_batch`; of several, each batch gets one. None where the policy has none.
    """
    _, specs = split_policy(check_policy(spec))
    ops = [BATCH_OPS[one["op"]](**_arguments(one)) for one in specs]
    return ops_batch.one_of(ops) if ops else None


def augment(policy: Policy, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws one view: a uint8 picture, which is what makes two views equal or not.

    Args:
      policy: as `get_policy` makes it.
      image: uint8 [H, W, 3].
      seed: int32 [2], from `view_seed`.

    Returns:
      uint8 [h, w, 3].
    """
    return tf.cast(tf.round(augment_unit(policy, image, seed) * 255), tf.uint8)


def augment_unit(policy: Policy, image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws the same view as `augment`, its bytes divided by 255: float32 [h, w, 3]."""
    # Clipped and rounded to 256 shades in one pass over the picture.
    return tf.quantization.fake_quant_with_min_max_args(policy(image, seed), 0.0, 1.0, num_bits=8)


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


def _unit_range(image: tf.Tensor) -> tf.Tensor:
    return image if image.dtype == tf.float32 else tf.cast(image, tf.float32) * (1 / 255)


def _make(spec: dict[str, Any]) -> Op:
    name, arguments = spec["op"], _arguments(spec)
    return _make_own(name, arguments) if is_own(name) else OPS[name](**arguments)


def _arguments(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name != "op"}


def _make_own(path: str, arguments: dict[str, Any]) -> Op:
    """A user's op, tried on a few pictures, and clipped to the range."""
    factory = import_object(path, "transform.augment")
    picture, seed = tf.TensorSpec([None, None, 3]), tf.TensorSpec([2], tf.int32)
    try:
        op = factory(**arguments)
        graph = tf.function(op, input_signature=[picture, seed], autograph=False)
        found = [graph(tf.fill([h, w, 3], 0.5), tf.constant([1, 2])) for h, w in ((5, 7), (1, 1))]
        nodes = graph.get_concrete_function().graph.as_graph_def()
    except Exception as e:  # what a user's code raises can be anything
        raise ConfigError(f"transform.augment: {path}: {type(e).__name__}: {e}") from None
    for image in found:
        if image.dtype != tf.float32 or image.shape.rank != 3 or image.shape[-1] != 3:
            raise ConfigError(
                f"transform.augment: {path}: gives {image.dtype.name} {list(image.shape)}; an op "
                "gives a picture, float32 [height, width, 3]"
            )
    if any("PyFunc" in node.op for node in _all_nodes(nodes)):
        raise ConfigError(
            f"transform.augment: {path}: runs Python inside (tf.py_function or tf.numpy_function), "
            "which a saved graph cannot; write it in TensorFlow ops"
        )
    return lambda image, seed: tf.clip_by_value(op(image, seed), 0.0, 1.0)


def _all_nodes(graph: Any) -> list[Any]:
    return [*graph.node, *(node for part in graph.library.function for node in part.node_def)]


def _fit(frame: Frame) -> Op:
    return lambda image, seed: fit(image, frame)


def _enlarge(image_size: tuple[int, int]) -> Op:
    """Enlarges, without stretching, what does not fill the output; leaves the rest."""

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        given = tf.cast(tf.shape(image)[:2], tf.float32)
        scale = tf.reduce_max(tf.constant(image_size, tf.float32) / given)
        wanted = tf.cast(tf.round(given * scale), tf.int32)
        return tf.cond(
            scale > 1, lambda: tf.image.resize(image, wanted), lambda: tf.cast(image, tf.float32)
        )

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

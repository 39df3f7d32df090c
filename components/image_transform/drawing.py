"""What the augmentation ops share: their type, how each draws its numbers, and how to see them."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import tensorflow as tf

Op = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(image float32 [H, W, 3] in [0, 1], seed int32 [2]) -> [h, w, 3], same range."""

Pair = tuple[float, float]
"""A smallest and a largest number."""

_NOTES: ContextVar[dict[str, Any] | None] = ContextVar("notes", default=None)


def between(name: str, limits: Pair, seed: tf.Tensor) -> tf.Tensor:
    """Draws a number, float32, evenly between the limits, and notes it."""
    number = tf.random.stateless_uniform([], seed, *limits)
    note(**{name: number})
    return number


def whole_between(name: str, limits: Pair, seed: tf.Tensor) -> tf.Tensor:
    """Draws a whole number, int32, both limits included, and notes it."""
    number = tf.random.stateless_uniform([], seed, int(limits[0]), int(limits[1]) + 1, tf.int32)
    note(**{name: number})
    return number


def drawn(
    name: str,
    limits: Pair,
    adjust: Callable[[tf.Tensor, tf.Tensor], tf.Tensor],
    in_range: bool = False,
) -> Op:
    """Makes an op that draws one number between the limits, adjusts by it, and clips to [0, 1].

    Args:
      name: of the number.
      limits: of the number.
      adjust: (image, number) -> image.
      in_range: whether it keeps the range by itself, but for the last bit: then nothing is
        clipped, which takes two passes over the image.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        adjusted = adjust(image, between(name, limits, seed))
        return adjusted if in_range else tf.clip_by_value(adjusted, 0.0, 1.0)

    return op


def at_times(probability: float, change: Callable[[tf.Tensor], tf.Tensor]) -> Op:
    """Makes an op that changes the image or leaves it.

    Args:
      probability: how often it changes it.
      change: image -> image of the same shape.
    """

    def op(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        chosen = tf.random.stateless_uniform([], seed) < probability
        note(applied=chosen)
        return tf.cond(chosen, lambda: change(image), lambda: tf.identity(image))

    return op


def note(**values: tf.Tensor) -> None:
    """Leaves scalars that an op drew, by name, for `noting`. An op of one's own may do without."""
    notes = _NOTES.get()
    if notes is not None:
        notes |= {name: value.numpy().item() for name, value in values.items()}


@contextlib.contextmanager
def noting() -> Iterator[dict[str, Any]]:
    """Collects what one op draws while it runs eagerly: its scalars by name."""
    notes: dict[str, Any] = {}
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)

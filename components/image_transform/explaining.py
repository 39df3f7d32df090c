"""What made a view: each op with the values that it drew, in words."""

from typing import Any

import tensorflow as tf

from components.image_transform.augmentation import get_steps, view_seed
from components.image_transform.drawing import noting
from components.image_transform.ops_automatic import CHANGES
from components.image_transform.preprocessing import Frame


def explain_view(
    spec: Any, frame: Frame, seed: int, image: tf.Tensor, id: str, view: int
) -> list[str]:
    """Draws a view again, eagerly, and says what was drawn for it.

    Args:
      spec, frame, seed: as in `augmentation.get_augment`.
      image: uint8 [H, W, 3] decoded from the stored bytes.
      id: the example's.
      view: its number.

    Returns:
      A line an op that did something, such as "brightness: delta -0.05", in their order.
    """
    steps = get_steps(spec, frame)
    drawn_seed = view_seed(seed, tf.constant(id), tf.constant(view, tf.int64))
    seeds = tf.unstack(tf.random.experimental.stateless_split(drawn_seed, len(steps)))
    image, lines = tf.cast(image, tf.float32) * (1 / 255), []
    for (name, op), op_seed in zip(steps, seeds, strict=True):
        with noting() as notes:
            image = op(image, op_seed)
        if name and notes.pop("applied", True):
            lines.append(f"{name}: {_words(notes)}" if notes else name)
    return lines


def _words(notes: dict[str, Any]) -> str:
    if "turns" in notes:
        return f"{90 * notes['turns']}°"
    if "change_1" in notes:
        pairs = [(notes[f"change_{i}"], notes[f"strength_{i}"]) for i in _counted(notes)]
        return ", ".join(f"{CHANGES[which]} {_number(strength)}" for which, strength in pairs)
    said = []
    if "top" in notes:
        box = (round(notes.pop(key)) for key in ("width", "height", "left", "top"))
        said.append("{}×{} at {}, {}".format(*box))
    for name, value in notes.items():
        unit = "°" if name in ("rotation", "shear") else ""
        if value not in (0, 1) or len(notes) == 1:  # not what an affine op was not asked for
            said.append(f"{name} {_number(value)}{unit}")
    return ", ".join(said)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−") if isinstance(value, float) else str(value)


def _counted(notes: dict[str, Any]) -> range:
    return range(1, 1 + sum(key.startswith("change_") for key in notes))

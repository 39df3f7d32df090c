"""Which augmentation ops there are and what each may be told. Checked without TensorFlow."""

import math
from typing import Any, NamedTuple

from components.errors import ConfigError, nearest


class Number(NamedTuple):
    """One number from `low` to `high`."""

    low: float
    high: float

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if _is_number(value) and self.low <= value <= self.high:
            return None
        return f"give a number from {self.low:g} to {self.high:g}"


class Pair(NamedTuple):
    """A smallest and a largest number, both from `low` to `high`."""

    low: float
    high: float

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(_is_number(x) and self.low <= x <= self.high for x in value)
            and value[0] <= value[1]
        ):
            return None
        return f"give [smallest, largest], each from {self.low:g} to {self.high:g}"


class Choice(NamedTuple):
    """One of a few words."""

    words: tuple[str, ...]

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if value in self.words:
            return None
        return f"give one of {', '.join(self.words)}"


_SHARE = Number(0, 1)

CROP_AREA = (0.08, 1.0)
"""Default `area` of random_resized_crop; here because the stored size follows from it."""

ARGUMENTS: dict[str, dict[str, Number | Pair | Choice]] = {
    "random_resized_crop": {"area": Pair(0.01, 1), "aspect": Pair(0.1, 10)},
    "central_crop": {"fraction": Number(0.01, 1)},
    "flip_left_right": {"probability": _SHARE},
    "flip_up_down": {"probability": _SHARE},
    "quarter_turn": {},
    "affine": {
        "rotation": Number(0, 180),
        "shear": Number(0, 60),
        "translation": Number(0, 1),
        "zoom": Pair(0.1, 10),
        "fill": Choice(("reflect", "nearest", "black")),
    },
    "brightness": {"delta": _SHARE},
    "contrast": {"factor": Pair(0, 10)},
    "saturation": {"factor": Pair(0, 10)},
    "hue": {"delta": Number(0, 0.5)},
    "grey": {"probability": _SHARE},
}
"""Each op's arguments with their bounds. Meaning, unit and default: the op's own docstring."""


def check_op(spec: Any, where: str) -> dict[str, Any]:
    """Checks one op of a policy.

    Args:
      spec: {"op": name, argument: value, ...}.
      where: what the message begins with, such as "transform.augment: op 2".

    Returns:
      The same as a plain dictionary.

    Raises:
      ConfigError: no dictionary, no such op or argument, or a value out of bounds.
    """
    if not isinstance(spec, dict) or not isinstance(spec.get("op"), str):
        raise ConfigError(f"{where}: write {{op: name, argument: value}}, not {spec!r}")
    name = spec["op"]
    if name not in ARGUMENTS:
        raise ConfigError(f"{where}: there is no op {name!r}{nearest(name, ARGUMENTS)}")
    known = ARGUMENTS[name]
    for argument, value in spec.items():
        if argument == "op":
            continue
        if argument not in known:
            which = nearest(argument, known) if known else "; it takes none"
            raise ConfigError(f"{where}: {name} has no argument {argument!r}{which}")
        if problem := known[argument].problem(value):
            raise ConfigError(f"{where}: {name}.{argument}: {problem}, not {value!r}")
    return dict(spec)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

"""Which augmentation ops there are and what each may be told. Checked without TensorFlow."""

import math
from typing import Any, NamedTuple

from components.errors import ConfigError, nearest


class Number(NamedTuple):
    """One number from `low` to `high`; a whole one, if it has to be."""

    low: float
    high: float
    whole: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if _fits(value, self):
            return None
        kind = "whole number" if self.whole else "number"
        return f"give a {kind} from {self.low:g} to {self.high:g}"


class Pair(NamedTuple):
    """A smallest and a largest number from `low` to `high`; whole ones, if they have to be."""

    low: float
    high: float
    whole: bool = False

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if (
            isinstance(value, list | tuple)
            and len(value) == 2
            and all(_fits(x, self) for x in value)
            and value[0] <= value[1]
        ):
            return None
        kind = "each a whole number" if self.whole else "each"
        return f"give [smallest, largest], {kind} from {self.low:g} to {self.high:g}"


class Choice(NamedTuple):
    """One of a few words."""

    words: tuple[str, ...]

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, or None."""
        if value in self.words:
            return None
        return f"give one of {', '.join(self.words)}"


Bound = Number | Pair | Choice

_SHARE = Number(0, 1)

CROP_AREA = (0.08, 1.0)
"""Default `area` of random_resized_crop; here because the stored size follows from it."""

_FILL = Choice(("reflect", "nearest", "black"))

MOVING: dict[str, dict[str, Bound]] = {
    "random_resized_crop": {"area": Pair(0.01, 1), "aspect": Pair(0.1, 10)},
    "central_crop": {"fraction": Number(0.01, 1)},
    "resize": {"side": Number(1, 4096, whole=True), "way": Choice(("shorter", "stretch", "pad"))},
    "flip_left_right": {"probability": _SHARE},
    "flip_up_down": {"probability": _SHARE},
    "quarter_turn": {},
    "affine": {
        "rotation": Number(0, 180),
        "shear": Number(0, 60),
        "translation": Number(0, 1),
        "zoom": Pair(0.1, 10),
        "fill": _FILL,
    },
}
"""Ops that move pixels, and their arguments with bounds. Meaning, unit and default: each op's own
docstring. After the last of them a picture is brought to the image size."""

RETOUCHING: dict[str, dict[str, Bound]] = {
    "brightness": {"delta": _SHARE},
    "contrast": {"factor": Pair(0, 10)},
    "saturation": {"factor": Pair(0, 10)},
    "hue": {"delta": Number(0, 0.5)},
    "gamma": {"exponent": Pair(0.1, 10)},
    "grey": {"probability": _SHARE},
    "posterize": {"bits": Pair(1, 8, whole=True)},
    "solarize": {"threshold": Pair(0, 1)},
    "equalize": {"probability": _SHARE},
    "autocontrast": {"probability": _SHARE},
    "blur": {"sigma": Pair(0.01, 50)},
    "sharpness": {"factor": Pair(0, 10)},
    "noise": {"deviation": Pair(0, 1)},
    "jpeg_quality": {"quality": Pair(1, 100, whole=True)},
    "erasing": {
        "probability": _SHARE,
        "area": Pair(0.001, 1),
        "aspect": Pair(0.1, 10),
        "fill": Choice(("grey", "black", "noise")),
    },
    "rand_augment": {
        "count": Number(1, 14, whole=True),
        "magnitude": Number(0, 30, whole=True),
        "fill": _FILL,
    },
    "trivial_augment": {"fill": _FILL},
}
"""Ops that keep a picture's size and work at the image size where they stand last."""

BATCH: dict[str, dict[str, Bound]] = {
    "mixup": {"alpha": Number(0.01, 10)},
    "cutmix": {"alpha": Number(0.01, 10)},
}
"""Ops on a batch of pictures and their labels, after all others."""

ARGUMENTS = MOVING | RETOUCHING | BATCH
"""All of them."""


def check_op(spec: Any, where: str) -> dict[str, Any]:
    """Checks one op of a policy.

    Args:
      spec: {"op": name, argument: value, ...}; of an op by import path only the form is checked.
      where: what the message begins with, such as "transform.augment: op 2".

    Returns:
      The same as a plain dictionary.

    Raises:
      ConfigError: no dictionary, no such op or argument, or a value out of bounds.
    """
    if not isinstance(spec, dict) or not isinstance(spec.get("op"), str):
        raise ConfigError(f"{where}: write {{op: name, argument: value}}, not {spec!r}")
    name = spec["op"]
    if is_own(name):
        return dict(spec)
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


def is_own(name: str) -> bool:
    """Whether an op is the user's own: an import path, package.module.factory."""
    return "." in name


def _fits(value: Any, bound: Number | Pair) -> bool:
    kind = int if bound.whole else int | float
    usable = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    return usable and bound.low <= value <= bound.high

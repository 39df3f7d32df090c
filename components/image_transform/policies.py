"""Named augmentation policies, as data. docs/augmentation.md shows where each helps and harms.

A policy is a list of ops, applied in order. Choose by one question: which changes of a picture
would a person still give the same label? An augmentation that crosses this line teaches noise.
"""

import math
from typing import Any

from components.errors import ConfigError, nearest
from components.image_transform.arguments import BATCH, CROP_AREA, check_op, is_own

POLICIES: dict[str, list[dict[str, Any]]] = {
    # Nothing; the default, and what a frozen backbone needs.
    "none": [],
    # Slim's Inception recipe (inception_preprocessing with fast_mode=False, less its rescaling).
    # Of slim's four orders of the colour ops, drawn at random, this is the first.
    "natural": [
        # Slim says 0.05, but also asks for a tenth of a box as large as the picture: so 0.1.
        {"op": "random_resized_crop", "area": [0.1, 1.0], "aspect": [3 / 4, 4 / 3]},
        {"op": "flip_left_right"},
        {"op": "brightness", "delta": 32 / 255},
        {"op": "saturation", "factor": [0.5, 1.5]},
        {"op": "hue", "delta": 0.2},
        {"op": "contrast", "factor": [0.5, 1.5]},
    ],
    # The same with a gentle hand, for short fine-tuning; the hue stays.
    "natural_light": [
        {"op": "random_resized_crop", "area": [0.4, 1.0], "aspect": [4 / 5, 5 / 4]},
        {"op": "flip_left_right"},
        {"op": "brightness", "delta": 0.08},
        {"op": "contrast", "factor": [0.85, 1.15]},
        {"op": "saturation", "factor": [0.8, 1.2]},
    ],
    # Geometry freely, colour never: ripeness lies in colour.
    "produce": [
        {"op": "flip_left_right"},
        {"op": "flip_up_down"},
        {"op": "affine", "rotation": 30, "fill": "reflect"},
        {"op": "random_resized_crop", "area": [0.4, 1.0], "aspect": [3 / 4, 4 / 3]},
    ],
    # A small turn, shift, slant and change of size, never a mirror.
    "digits": [
        {
            "op": "affine",
            "rotation": 10,
            "shear": 8,
            "translation": 0.08,
            "zoom": [0.9, 1.1],
            "fill": "nearest",
        },
    ],
    # The eight symmetries of the square, and a little light.
    "overhead": [
        {"op": "flip_left_right"},
        {"op": "quarter_turn"},
        {"op": "brightness", "delta": 0.08},
        {"op": "contrast", "factor": [0.9, 1.1]},
    ],
    # Symmetries and exposure, no crop: a small defect anywhere decides.
    "industrial": [
        {"op": "flip_left_right"},
        {"op": "flip_up_down"},
        {"op": "quarter_turn"},
        {"op": "brightness", "delta": 0.1},
        {"op": "contrast", "factor": [0.8, 1.2]},
    ],
    # What a scanner or a steady hand does to a page.
    "document": [
        {
            "op": "affine",
            "rotation": 3,
            "shear": 2,
            "translation": 0.03,
            "zoom": [0.95, 1.05],
            "fill": "nearest",
        },
        {"op": "brightness", "delta": 0.12},
        {"op": "contrast", "factor": [0.75, 1.25]},
        {"op": "grey", "probability": 0.2},
    ],
}


def check_policy(spec: Any) -> list[dict[str, Any]]:
    """Checks a policy without TensorFlow.

    Args:
      spec: a name, or a list of {"op": name, argument: value, ...}.

    Returns:
      The list of ops that it stands for; arguments that are left out take the op's defaults.

    Raises:
      ConfigError: an unknown policy, op or argument, naming the nearest; a value out of bounds.
    """
    where = "transform.augment"
    if isinstance(spec, str):
        if spec not in POLICIES:
            raise ConfigError(f"{where}: there is no policy {spec!r}{nearest(spec, POLICIES)}")
        spec = POLICIES[spec]
    if not isinstance(spec, list | tuple):
        raise ConfigError(
            f"{where}: give the name of a policy ({', '.join(POLICIES)}) or a list of ops, "
            f"not {spec!r}"
        )
    ops = [check_op(op, f"{where}: op {number}") for number, op in enumerate(spec, 1)]
    on_pictures, on_batches = split_policy(ops)
    if ops != on_pictures + on_batches:
        raise ConfigError(
            f"{where}: {on_batches[0]['op']} mixes finished pictures; put it after all other ops"
        )
    return ops


def split_policy(ops: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Takes a checked policy apart: the ops on one picture, and those on a batch."""
    on_batches = [op for op in ops if op["op"] in BATCH]
    return [op for op in ops if op not in on_batches], on_batches


def changes_pictures(spec: Any) -> bool:
    """Whether two views of a picture may differ: not if a policy is empty or only mixes batches."""
    return bool(split_policy(check_policy(spec))[0])


def own_ops(spec: Any) -> list[str]:
    """The import paths that a policy names."""
    return sorted({op["op"] for op in check_policy(spec) if is_own(op["op"])})


def default_stored_side(image_size: tuple[int, int], spec: Any) -> int:
    """How large training pictures are stored where the configuration does not say.

    Args:
      image_size: height and width in pixels that the backbone is given.
      spec: as in `check_policy`.

    Returns:
      The shorter side in pixels: 8/7 of the longer of the two, so that no frame has to be
      enlarged; more where a crop takes so little of the picture that its middle size would be.
    """
    crops = [op for op in check_policy(spec) if op["op"] == "random_resized_crop"]
    areas = [op.get("area", CROP_AREA) for op in crops]
    reach = max([8 / 7, *((sum(area) / 2) ** -0.5 for area in areas)])
    return math.ceil(max(image_size) * reach)

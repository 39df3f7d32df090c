"""Handles of Hub modules: where they lie, what is in them. No TensorFlow at import."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from components.errors import BackboneError

Shape = tuple[int | None, ...]

TF1_FORMAT = "TF1 Hub format"
TF2_FORMAT = "TF2 SavedModel"


@dataclass(frozen=True)
class ModuleInfo:
    """What a module offers, as `check --modules` shows it.

    Attributes:
      format: TF1_FORMAT or TF2_FORMAT.
      tags: the tag sets of its graphs, sorted; [[], ["train"]] is usual for the TF1 Hub format.
      signatures: the names of its signatures, sorted.
      endpoints: output names to shapes, None for a size that depends on the batch or the image, or
        for a shape that is not known; "default" is the feature vector [None, D].
      image_size: height and width in pixels where the module fixes them, else None.
      trainable: whether it can be fine-tuned with batch norm in training mode.
      variables: names of the trainable variables to shapes.
      weights: count of all numbers in all variables, moving averages among them.
    """

    format: str
    tags: list[list[str]]
    signatures: list[str]
    endpoints: dict[str, Shape | None]
    image_size: tuple[int, int] | None
    trainable: bool
    variables: dict[str, tuple[int, ...]]
    weights: int


def resolve(handle: str) -> str:
    """Returns the folder of a module; a published one is fetched into Hub's cache.

    Args:
      handle: a folder, which is returned as it is, or anything that `tensorflow_hub.resolve` knows.

    Raises:
      BackboneError: there is no such folder, it holds no module, or the handle cannot be fetched.
    """
    folder = os.path.expanduser(handle)
    if "://" not in handle:
        if not os.path.isdir(folder):
            found = "is a file" if os.path.exists(folder) else "there is no such folder"
            raise BackboneError(
                f"module {handle}: {found}; give the folder of a Hub module, or a handle with its "
                "scheme, such as https://tfhub.dev/… (`make modules` builds the default module)"
            )
        find_format(folder)
        return folder

    import tensorflow_hub as hub  # lazily: it imports TensorFlow, which takes seconds

    try:
        folder = hub.resolve(handle)
    except Exception as e:  # its resolvers raise whatever the network or the archive makes them
        raise BackboneError(
            f"module {handle}: cannot be fetched ({type(e).__name__}: {e}); download it by other "
            "means and give its folder, or point TFHUB_CACHE_DIR at a cache that holds it"
        ) from e
    find_format(folder)
    return folder


def find_format(folder: str) -> str:
    """Returns TF1_FORMAT or TF2_FORMAT by the files in the folder.

    Raises:
      BackboneError: it is no Hub module.
    """
    if not _exists(os.path.join(folder, "saved_model.pb")):
        raise BackboneError(
            f"module {folder}: is no Hub module, for it holds no saved_model.pb; give the folder "
            "that holds it, unpacked"
        )
    return TF1_FORMAT if _exists(os.path.join(folder, "tfhub_module.pb")) else TF2_FORMAT


def describe(path: str) -> ModuleInfo:
    """Looks into a resolved module; imports TensorFlow and takes seconds.

    Raises:
      BackboneError: it is no module of images, or not readable.
    """
    if find_format(path) == TF1_FORMAT:
        from components.backbone import tf1

        return tf1.describe(path)
    from components.backbone import tf2

    return tf2.describe(path)


def check_endpoint(
    name: str, endpoints: Mapping[str, Shape | None], handle: str, *, spatial: bool = False
) -> None:
    """Checks that a module has an endpoint, and that it is a feature map where that is needed.

    Args:
      name: such as "InceptionV3/Mixed_6e".
      endpoints: what there is, names to shapes; a shape that is not known passes.
      handle: the module, for the message.
      spatial: whether it must be 4-D, [N, h, w, C], as the auxiliary head needs.

    Raises:
      BackboneError: naming the nearest endpoints that there are.
    """
    if name not in endpoints:
        nearest = difflib.get_close_matches(name, endpoints, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
        raise BackboneError(
            f"module {handle}: has no endpoint {name}; {hint}There are: {', '.join(endpoints)}"
        )
    shape = endpoints[name]
    if spatial and shape is not None and len(shape) != 4:
        maps = [n for n, s in endpoints.items() if s is not None and len(s) == 4]
        raise BackboneError(
            f"module {handle}: endpoint {name} has {len(shape)} dimensions, where a feature map "
            f"has 4; take one of: {', '.join(maps) or 'none, this module has no feature maps'}"
        )


def check_size(
    fixed: tuple[int, int] | None, image_size: tuple[int | None, int | None], handle: str
) -> None:
    """Checks that a module takes pictures of a size.

    Args:
      fixed: height and width in pixels that the module takes alone, or None where it takes any.
      image_size: height and width in pixels that it is to be given.
      handle: the module, for the message.

    Raises:
      BackboneError: naming the size that it takes.
    """
    if fixed and tuple(image_size) != tuple(fixed):
        height, width = image_size
        raise BackboneError(
            f"module {handle}: takes images of {fixed[0]} x {fixed[1]} pixels only, not "
            f"{height} x {width}; set transform.image_size to [{fixed[0]}, {fixed[1]}]"
        )


def check_train_mode(there: bool, handle: str) -> None:
    """Raises BackboneError unless a module has a training mode, where one is needed."""
    if not there:
        raise BackboneError(
            f"module {handle}: has no training mode, so it cannot be fine-tuned with batch norm in "
            "training mode; set model.backbone.batch_norm to inference, or keep the backbone "
            "frozen (train.phases of the head alone)"
        )


def matching(patterns: Iterable[str], names: Iterable[str], handle: str) -> list[str]:
    """Chooses variables by their names.

    Args:
      patterns: such as "*/block_1[0-5]/*"; a star stands for slashes too.
      names: of a module's trainable variables.
      handle: the module, for the message.

    Returns:
      The names that match at least one pattern, in their order.

    Raises:
      BackboneError: a pattern that matches none, with some of the names.
    """
    patterns, names = list(patterns), list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            some = ", ".join(names[:: max(1, len(names) // 8)])
            raise BackboneError(
                f"module {handle}: the pattern {pattern!r} of train.phases matches none of its "
                f"trainable variables; among these {len(names)} are: {some}"
            )
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]


def in_order(names: Iterable[str]) -> list[str]:
    """Endpoint names as a reader counts: block_2 before block_10, "default" last."""

    def key(name: str) -> tuple:
        parts = re.split(r"(\d+)", name)
        return name == "default", [int(p) if p.isdigit() else p for p in parts]

    return sorted(names, key=key)


def sizes(shape: Any) -> Shape | None:
    """A tf.TensorShape as a tuple; None where not even the number of dimensions is known."""
    return None if shape.rank is None else tuple(shape.as_list())


def _exists(path: str) -> bool:
    if "://" not in path:
        return os.path.exists(path)
    import tensorflow as tf

    return tf.io.gfile.exists(path)

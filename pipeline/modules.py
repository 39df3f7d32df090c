"""What `graft module` does: builds Hub modules, and tells what is in one."""

import dataclasses
import hashlib
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.backbone import building, handles
from components.backbone.handles import Shape
from components.content import content_hash
from components.errors import BackboneError
from pipeline.terminal import Terminal, library_noise_to

VERSION = "1"  # raise it when what is built changes; older builds are then replaced


def build(
    architecture: str, folder: str, form: str, weights: str, seed: int, say: Callable[[str], None]
) -> float | None:
    """Builds a module of a network of Keras.

    Args:
      architecture: one of `architectures.ARCHITECTURES`.
      folder: where it shall lie.
      form: "tf2" for a TF2 SavedModel, "tf1" for the TF1 Hub format.
      weights: "imagenet", "none" or a file; see `applications.blueprint`.
      seed: of the random weights.
      say: is told before anything is built.

    Returns:
      How many seconds it took; None where the same build was there already.

    Raises:
      BackboneError: the folder holds something else, or the weights cannot be had.
    """
    if weights == "none":
        source = f"random {seed}"
    elif weights == "imagenet":
        source = weights
    else:
        source = _file_hash(weights)

    def write(partial: str) -> None:
        say(f"building {architecture} ({form}, weights: {weights}); some 20 seconds")
        with library_noise_to(Path(os.devnull)) as stream:
            with Terminal(stream).working(f"building {architecture}"):
                from components.backbone import writer
                from components.backbone.applications import blueprint

                writes = {"tf2": writer.write_tf2, "tf1": writer.write_tf1}
                writes[form](partial, blueprint(architecture, weights, seed))

    start = time.monotonic()
    built = building.build(folder, f"{architecture} {form} {VERSION} {source}", write)
    return time.monotonic() - start if built else None


def show(handle: str) -> dict[str, Any]:
    """What a module offers.

    Returns:
      The fields of `handles.ModuleInfo`, and `handle`, `path`, `content_hash` and
      `trainable_weights`, the count of the numbers that training moves.

    Raises:
      BackboneError: there is no module, or none of images.
    """
    with library_noise_to(Path(os.devnull)):
        path = handles.resolve(handle)
        info = handles.describe(path)
    return {
        "handle": handle,
        "path": path,
        "content_hash": content_hash(path),
        **dataclasses.asdict(info),
        "trainable_weights": sum(math.prod(shape) for shape in info.variables.values()),
    }


def described(shown: dict[str, Any]) -> str:
    """What `show` gives, as lines to read."""
    tags = ", ".join("{" + ", ".join(tags) + "}" for tags in shown["tags"])
    size = shown["image_size"]
    trainable = "yes" if shown["trainable"] else "only with batch norm in inference mode"
    names = shown["endpoints"]
    width = max(len(name) for name in names)
    return "\n".join(
        [
            f"{shown['handle']}: {shown['format']}",
            f"  tag sets      {tags}",
            f"  signatures    {', '.join(shown['signatures']) or 'none'}",
            f"  image size    {'×'.join(map(str, size)) if size else 'any'}",
            f"  fine-tuning   {trainable}",
            f"  weights       {shown['weights']:,}, trainable {shown['trainable_weights']:,} "
            f"in {len(shown['variables'])} variables",
            f"  content hash  {shown['content_hash']}",
            "  endpoints",
            *(f"    {name:<{width}}  {_sides(shape)}" for name, shape in names.items()),
        ]
    )


def _sides(shape: Shape | None) -> str:
    """A shape as N×h×w×C, letters for the sizes that are free."""
    if shape is None:
        return "?"
    letters = "NhwC" if len(shape) == 4 else "N" + "?" * (len(shape) - 1)
    return "×".join(str(s or letter) for s, letter in zip(shape, letters, strict=False))


def _file_hash(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise BackboneError(
            f"weights {path}: cannot be read ({e.strerror}); give imagenet, none or a file of "
            "Keras weights"
        ) from e

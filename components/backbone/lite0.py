"""Builds the default backbone, EfficientNet-Lite0 with ImageNet weights, in both Hub formats.

`python -m components.backbone.lite0 [--quiet] [FOLDER=modules]` writes FOLDER/efficientnet_lite0
(TF2 SavedModel) and FOLDER/efficientnet_lite0_tf1 (TF1 Hub format), in seconds. Where both are
current it imports no TensorFlow: each `make run-local` asks.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from components.backbone import building
from components.backbone.handles import TF1_FORMAT, TF2_FORMAT
from components.errors import BackboneError

if TYPE_CHECKING:
    from components.backbone.writer import Blueprint

TF2_FOLDER = "efficientnet_lite0"
TF1_FOLDER = "efficientnet_lite0_tf1"
VERSION = "1"  # raise it when what is built changes; older builds are then replaced


def write_tf2(folder: str) -> None:
    """Writes the module as a TF2 SavedModel; see `writer.write_tf2`."""
    from components.backbone import writer

    writer.write_tf2(folder, _blueprint())


def write_tf1(folder: str) -> None:
    """Writes the module in the TF1 Hub format; see `writer.write_tf1`."""
    from components.backbone import writer

    writer.write_tf1(folder, _blueprint())


def _blueprint() -> "Blueprint":
    from components.backbone.lite0_network import MOMENTUM, imagenet_weights, network, weight_decay
    from components.backbone.writer import Blueprint

    weights = imagenet_weights()
    trainable = frozenset(name for name in weights if "/moving_" not in name)
    return Blueprint(weights, trainable, network, weight_decay, MOMENTUM)


def build(folder: str | Path, write: Callable[[str], None]) -> bool:
    """Builds one module with `write_tf1` or `write_tf2`; see `building.build`."""
    return building.build(folder, VERSION, write)


def main(arguments: list[str]) -> None:
    """Builds both modules below the folder named, by default `modules`; one line each.

    With `--quiet` nothing is said of what is there already.
    """
    quiet = "--quiet" in arguments
    folders = [argument for argument in arguments if argument != "--quiet"]
    parent = Path(folders[0] if folders else "modules")
    for name, form, write in (
        (TF2_FOLDER, TF2_FORMAT, _quietly(write_tf2)),
        (TF1_FOLDER, TF1_FORMAT, _quietly(write_tf1)),
    ):
        start = time.monotonic()
        built = build(parent / name, write)
        what = f"built in {time.monotonic() - start:.1f} s" if built else "is there already"
        if built or not quiet:
            print(f"{parent / name}: EfficientNet-Lite0, {form}, {what}")


def _quietly(write: Callable[[str], None]) -> Callable[[str], None]:
    def quiet(folder: str) -> None:
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it calls the TF1 writer deprecated, at length
        write(folder)

    return quiet


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BackboneError as e:
        sys.exit(f"error: {e}")

"""Features once against the frozen backbone in every epoch, on solar cells (`make samples`).

Two runs of one pipeline that train the head for ten epochs: one on what FeatureExtractor computed,
one whose training function reads the pictures in each epoch and sends them, and those of the eval
split, through the backbone. Prints the seconds of both, FeatureExtractor's own among ours, their
ratio, and both test accuracies. A run spends some seconds whatever it trains on, so the ratio
depends on the number of pictures: COPIES of each cell, the further ones mirrored, 1 to 4.
"""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from PIL import Image, ImageOps

from benchmarks.common import run, write_manifest
from benchmarks.results import Result
from benchmarks.solar_cells import CONFIG, split_cells

EPOCHS = 10
COPIES = 3


def on_pictures(fn_args) -> None:
    """The project's own training function, kept from features: pictures, whatever the phase."""
    from components.trainer import run_fn
    from components.trainer.data import Data

    def for_phase(self, number):
        return self._pictures, *self._held_out

    without = dataclasses.replace(fn_args, train_feature_files=(), eval_feature_files=())
    with mock.patch.object(Data, "for_phase", for_phase):
        run_fn.run_fn(without)


def measure(folder: Path) -> Iterator[Result]:
    """Seconds of training, on features with those of FeatureExtractor.

    The pipeline runs on features, then again on pictures; what is before the Trainer is cached.
    """
    folder = folder / "features"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = split_cells(0)
    rows += [mirror(row, number, folder) for number in range(1, COPIES) for row in rows]
    write_manifest(folder / "manifest.csv", rows)
    seen = sum(row["split"] != "test" for row in rows)
    ours = _run(folder)
    theirs = _run(folder, "train.run_fn=benchmarks.features.on_pictures")
    whole = ours["seconds"]["FeatureExtractor"] + ours["seconds"]["Trainer"]
    note = (
        f"{seen} pictures in train and eval; test accuracy {ours['accuracy']:.4f} on features, "
        f"{theirs['accuracy']:.4f} on pictures"
    )
    yield Result("features", whole, theirs["seconds"]["Trainer"], "s", 1 / 8, "lower", note)


def mirror(row: dict[str, str], number: int, folder: Path) -> dict[str, str]:
    """Writes a cell left-right (1), upside down (2) or both (3); returns its row."""
    with Image.open(row["path"]) as image:
        turned = ImageOps.mirror(image) if number & 1 else image
        turned = ImageOps.flip(turned) if number & 2 else turned
        path = folder / f"{number}_{Path(row['path']).name}"
        turned.save(path)
    return {**row, "path": str(path)}


def _run(folder: Path, *settings: str) -> dict:
    """Runs the pipeline; returns seconds by node, and the test accuracy."""
    phases = f"train.phases=[{{train: head, epochs: {EPOCHS}, learning_rate: 3.0e-3}}]"
    summary, home = run(
        CONFIG,
        folder / "runs",
        f"data.source={folder / 'manifest.csv'}",
        phases,
        "push.registry=none",
        "evaluate.thresholds={accuracy: {at_least: 0.0}}",
        *settings,
    )
    return {
        "seconds": {node["id"]: node["seconds"] for node in summary["nodes"]},
        "accuracy": summary["metrics"]["accuracy"],
    }

"""Features once against the frozen backbone in every epoch, on solar cells (`make samples`).

Two runs of one pipeline that train the head for ten epochs: one on what FeatureExtractor computed,
one whose training function reads the pictures in each epoch and sends them, and those of the eval
split, through the backbone. Prints the seconds of both, FeatureExtractor's own among ours, their
ratio, and both test accuracies. A run spends some seconds whatever it trains on, so the ratio
depends on the number of pictures: COPIES of each cell, the further ones mirrored, 1 to 4.

    .venv/bin/python -m benchmarks.features [COPIES [FOLDER]]
"""

import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path
from unittest import mock

from PIL import Image, ImageOps

from benchmarks.common import run, write_manifest
from benchmarks.solar_cells import CONFIG, split_cells

EPOCHS = 10
GOAL = 8


def on_pictures(fn_args) -> None:
    """The project's own training function, kept from features: pictures, whatever the phase."""
    from components.trainer import run_fn
    from components.trainer.data import Data

    def for_phase(self, number):
        return self._pictures, *self._held_out

    without = dataclasses.replace(fn_args, train_feature_files=(), eval_feature_files=())
    with mock.patch.object(Data, "for_phase", for_phase):
        run_fn.run_fn(without)


def main(copies: int, folder: Path) -> None:
    """Runs the pipeline on features, then again on pictures; what is before the Trainer is cached.

    Args:
      copies: of each of the 2,624 cells, 1 to 4.
      folder: for the manifest, mirrored cells and the runs.
    """
    rows = split_cells(0)
    rows += [mirror(row, number, folder) for number in range(1, copies) for row in rows]
    write_manifest(folder / "manifest.csv", rows)
    seen = sum(row["split"] != "test" for row in rows)
    print(f"{len(rows)} pictures, {seen} of them in train and eval; load {_load()}", flush=True)
    ours = _run(folder)
    print(f"on features: load {_load()}", flush=True)
    theirs = _run(folder, "train.run_fn=benchmarks.features.on_pictures")
    print(f"on pictures: load {_load()}", flush=True)

    extracting, training = ours["seconds"]["FeatureExtractor"], ours["seconds"]["Trainer"]
    whole = extracting + training
    print(
        f"on features {whole:.1f} s (FeatureExtractor {extracting:.1f}, Trainer {training:.1f}), "
        f"on pictures {theirs['seconds']['Trainer']:.1f} s: "
        f"ratio {theirs['seconds']['Trainer'] / whole:.1f} (goal {GOAL})"
    )
    print(
        f"of that the epochs: {ours['epochs']:.1f} s against {theirs['epochs']:.1f} s; with "
        f"FeatureExtractor {theirs['epochs'] / (extracting + ours['epochs']):.1f} times"
    )
    print(
        f"test accuracy {ours['accuracy']:.4f} on features, {theirs['accuracy']:.4f} on pictures, "
        f"difference {100 * (ours['accuracy'] - theirs['accuracy']):+.2f} points"
    )


def mirror(row: dict[str, str], number: int, folder: Path) -> dict[str, str]:
    """Writes a cell left-right (1), upside down (2) or both (3); returns its row."""
    with Image.open(row["path"]) as image:
        turned = ImageOps.mirror(image) if number & 1 else image
        turned = ImageOps.flip(turned) if number & 2 else turned
        path = folder / f"{number}_{Path(row['path']).name}"
        turned.save(path)
    return {**row, "path": str(path)}


def _run(folder: Path, *settings: str) -> dict:
    """Runs the pipeline; returns seconds by node, the test accuracy, and the epochs' seconds."""
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
    histories = (home / "artifacts" / "Trainer" / "model_run").glob("*/history.json")
    newest = max(histories, key=lambda path: path.stat().st_mtime)
    return {
        "seconds": {node["id"]: node["seconds"] for node in summary["nodes"]},
        "accuracy": summary["metrics"]["accuracy"],
        "epochs": sum(entry["seconds"] for entry in json.loads(newest.read_text())),
    }


def _load() -> str:
    """The machine's load over the last minute, of which this program's own is part."""
    return f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    place = sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="benchmark_features_")
    main(number, Path(place).resolve())

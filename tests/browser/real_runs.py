"""Runs that were really made, by the command line in a process of its own."""

import csv
import importlib.util
import io
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PROJECT = Path(__file__).parents[2]
LABELS = (
    "<script>alert(1)</script>",
    "[x](javascript:alert(2)) | `b` ![y](https://example.org/y) @somebody :smile:",
    "\u202e<img src=x onerror=alert(3)>",
)
"""Names of classes that a page must show as text, be it of HTML or of markdown."""
ORIGINS = ("*b*\u202e", "<b onclick=alert(4)>|")
CONFIG = """
name: hostile
data:
  source: SOURCE
  split: {train: 0.6, eval: 0.1, test: 0.3}
  max_rejected: 1.0
  max_pixels: 40000
transform: {image_size: [64, 64], crop_fraction: 1.0, augment: none}
train: {batch_size: 16, phases: [{train: head, epochs: 20, learning_rate: 3.0e-3}]}
evaluate: {thresholds: {accuracy: {at_least: 0.5}}, slices: [label, origin]}
push: {registry: mlflow}
"""


def graft(*arguments, runs):
    """A command as it ended, with what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments), "--runs", str(runs)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=1500,
    )


def run(config, runs, *overrides, fails=False):
    """Makes a run; returns its summary, as the folder of runs has it."""
    options = itertools.chain.from_iterable(("--set", it) for it in overrides)
    done = graft("run", config, *options, runs=runs)
    assert done.returncode == (1 if fails else 0), done.stdout + done.stderr
    (said,) = Path(runs).glob("*/summary.json")
    return json.loads(said.read_text()) | {"printed": done.stdout + done.stderr}


def digits(folder):
    summary = run("configs/digits.yaml", folder, "train.max_epochs=3")
    assert summary["blessed"], summary["blessing_reasons"]
    return summary


def solar_cells(folder):
    if importlib.util.find_spec("elpv_dataset") is None:
        pytest.skip("the photographs are not installed here; `make samples` does it")
    return run("configs/solar_cells.yaml", folder)


def failed(folder):
    """The rate is too high for the decay, so the training diverges; nothing can tell it before."""
    phases = "train.phases=[{train: head, epochs: 5, learning_rate: 10, optimizer: sgd}]"
    summary = run("configs/digits.yaml", folder, phases, "model.l2=1", fails=True)
    assert summary["error"]["node"] == "Trainer"
    return summary


def rejects(folder):
    summary = run(write_hostile(folder, rejected=1000), folder / "runs")
    assert summary["images"]["rejected"] == 1000
    return summary


def write_hostile(folder, rejected=20):
    """Writes pictures, as many files that are rejected, and a configuration; returns its path.

    Labels, names of files and the values of a column are all such as nobody should have.
    """
    rng = np.random.default_rng(0)
    rows = []
    for i, label in enumerate(LABELS * 40):
        pixels = rng.normal(60 + 70 * (i % len(LABELS)), 25, (40, 48, 3)).clip(0, 255)
        rows.append((f'it\'s "{i}" <b>\u202egnp.exe.png', label, _encoded(pixels)))
    bad = (
        lambda i: b"",
        lambda i: f"a note, no picture: {i}".encode(),
        lambda i: _encoded(rng.normal(128, 60, (300, 200 + i % 400, 3)).clip(0, 255)),
        lambda i: rows[i % 100][2][:-200],
        lambda i: _encoded(np.full((32, 32, 3), i % 256), "ICO"),
        lambda i: None,  # does not exist
    )
    for i in range(rejected):
        content = bad[i % len(bad)](i)
        rows.append((f"bad/<i>\u202e'{i}\".png", LABELS[i % len(LABELS)], content))
    (folder / "bad").mkdir(parents=True)
    for path, _, content in rows:
        if content is not None:
            (folder / path).write_bytes(content)
    manifest = folder / "pictures.csv"
    with manifest.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "origin"))
        writer.writerows((path, label, ORIGINS[i % 2]) for i, (path, label, _) in enumerate(rows))
    config = folder / "hostile.yaml"
    config.write_text(CONFIG.replace("SOURCE", str(manifest)))
    return config


def _encoded(pixels, kind="PNG"):
    held = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(held, kind)
    return held.getvalue()

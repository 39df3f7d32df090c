"""The gate in whole runs: a better model passes, a worse one is refused, an equal one is a tie."""

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image
from sklearn.datasets import load_digits

pytestmark = pytest.mark.slow

CONFIG = """
name: gated
data: {source: MANIFEST, near_copies: null}
transform: {image_size: [64, 64], crop_fraction: 1.0, augment: none}
train: {batch_size: 16, phases: [{train: head, epochs: 30, learning_rate: 3.0e-3}]}
evaluate:
  thresholds: {accuracy: {at_least: 0.3, no_worse_than_blessed_by: 0.02}}
  slice_thresholds: {label: {accuracy: {no_worse_than_blessed_by: 0.1}}}
  on_tie: keep
push: {registry: none}
"""
LABELS = 5
TESTED = 40


class Gate:
    """Digits 0 to 4: forty of each for the test, others to be learnt from."""

    def __init__(self, folder):
        self.folder, self.runs = folder, folder / "runs"
        digits = load_digits()
        self.pictures = {label: [] for label in range(LABELS)}
        for label, pictures in self.pictures.items():
            for i, pixels in enumerate(digits.images[digits.target == label]):
                pictures.append(folder / f"{label}-{i}.png")
                Image.fromarray((pixels * 15.9).astype("uint8")).resize((32, 32)).save(pictures[-1])
        (folder / "gated.yaml").write_text(
            CONFIG.replace("MANIFEST", str(folder / "manifest.csv")), encoding="utf-8"
        )

    def run(self, learnt, *, confused=None, seed=0):
        """Trains on that many pictures of each digit; those of `confused` under every label."""
        with (self.folder / "manifest.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "split"])
            for label, pictures in self.pictures.items():
                rows.writerows([p.name, label, "test"] for p in pictures[:TESTED])
                rows.writerows([p.name, label, "eval"] for p in pictures[TESTED : TESTED + 10])
                for i, picture in enumerate(pictures[TESTED + 10 : TESTED + 10 + learnt]):
                    told = i % LABELS if label == confused else label
                    rows.writerow([picture.name, told, "train"])
        command = ["run", str(self.folder / "gated.yaml"), "--runs", str(self.runs)]
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *command, "--set", f"seed={seed}"],
            capture_output=True,
            text=True,
            timeout=590,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((self.runs / "gated" / "summary.json").read_text())


def sentences(summary, state):
    return [check["sentence"] for check in summary["checks"] if check["state"] == state]


def test_a_better_model_passes_an_equal_one_ties_and_a_worse_one_is_refused(tmp_path):
    gate = Gate(tmp_path)
    first = gate.run(2)
    assert first["pushed"].endswith("/1")

    better = gate.run(60)
    assert better["blessed"], better["blessing_reasons"]
    assert better["pushed"].endswith("/2")
    assert any("above the blessed model's" in said for said in sentences(better, "passed"))

    equal = gate.run(60, seed=1)
    assert not equal["blessed"] and not equal["pushed"]
    assert sentences(equal, "failed") == [
        "no better than the blessed model in accuracy: evaluate.on_tie keeps it"
    ]
    assert any("are a tie" in said for said in sentences(equal, "tie"))

    worse = gate.run(60, confused=3)
    assert not worse["blessed"] and not worse["pushed"]
    (named,) = [said for said in sentences(worse, "failed") if said.startswith("label ")]
    assert named.startswith("label 3: accuracy ")
    assert "below the blessed model's" in named

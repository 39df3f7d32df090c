"""What the benchmarks do alike: a run of the pipeline, a manifest, a mean with its interval."""

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats


def run(config: str, runs: Path, *settings: str) -> tuple[dict[str, Any], Path]:
    """Runs the pipeline, whose output goes to stderr.

    Args:
      config: file name.
      runs: folder of the runs.
      settings: "key=value", for --set.

    Returns:
      The run's summary, and the task's folder in `runs`.
    """
    command = [sys.executable, "-m", "pipeline", "run", config, "--runs", str(runs)]
    sets = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([*command, *sets], check=True, stdout=sys.stderr)
    home = runs / Path(config).stem
    return json.loads((home / "summary.json").read_text()), home


def write_manifest(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Writes a manifest; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def interval(values: Sequence[float] | np.ndarray, form: str) -> str:
    """The mean and its 95 % interval by Student's t, each in a form such as ".4f"."""
    mean, error = np.mean(values), stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error)
    return f"{mean:{form}}, 95 % interval {low:{form}} to {high:{form}}"

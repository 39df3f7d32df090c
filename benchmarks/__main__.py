"""Runs benchmarks by name, all without: `python -m benchmarks [NAME ...]`."""

import importlib
import os
import sys
from pathlib import Path

from benchmarks.results import keep

NAMES = (
    "data_path",
    "input_pipeline",
    "memory",
    "trainer",
    "evaluator",
    "kubeflow_task",
    "report",
    "distortions",
    "features",
    "auxiliary_head",
    "solar_cells",
)
FOLDER = Path("runs/benchmarks")


def main(names: list[str]) -> int:
    """Measures, prints and keeps. Returns the exit code: 1 if a goal was missed, 2 for a name
    that does not exist."""
    if unknown := sorted(set(names) - set(NAMES)):
        print(f"there is no benchmark {', '.join(unknown)}; give some of {', '.join(NAMES)}")
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    missed = False
    for name in names or NAMES:
        print(f"{name} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)", flush=True)
        for result in importlib.import_module(f"benchmarks.{name}").measure(FOLDER.resolve()):
            print(f"  {result}", flush=True)
            keep(result)
            missed |= not result.reached
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

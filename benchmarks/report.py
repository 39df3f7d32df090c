"""The report of a run with 70,000 test predictions, as many as Fashion-MNIST has pictures, against
20 seconds and 5 MB. The pictures are scikit-learn's digits, drawn at Fashion-MNIST's 28 by 28."""

import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.results import Result

PICTURES, WRONG = 70_000, 7_000


def measure(folder: Path) -> Iterator[Result]:
    """Seconds, and megabytes, of one report."""
    import sklearn.datasets

    sys.path.insert(0, "tests/report")
    from a_run import a_run, encoded

    from pipeline.report.write import write_report
    from pipeline.summary import summarize

    place = folder / "report"
    shutil.rmtree(place, ignore_errors=True)
    digits = sklearn.datasets.load_digits().images * 255 / 16
    drawn = [encoded(Image.fromarray(d.astype(np.uint8)).resize((28, 28))) for d in digits]
    run = a_run(place, test=PICTURES, wrong=WRONG, picture=lambda i: drawn[i % len(drawn)])
    began = time.monotonic()
    path = write_report(run, summarize(run, "", 0.0), place / "report", run)
    seconds = time.monotonic() - began
    note = f"{PICTURES:,} test pictures, of {4 * PICTURES:,} in all"
    yield Result("report", seconds, 20.0, "s", 1.0, "lower", note)
    yield Result("report, size", path.stat().st_size / 1e6, 5.0, "MB", 1.0, "lower", note)

"""The report of a run with 70,000 test predictions, of Fashion-MNIST, against 20 seconds and 5 MB.

The pictures are those of Debian's package dataset-fashion-mnist (Xiao et al., arXiv 1708.07747;
licence MIT), training and test ones together, all of them a test split here; the predictions are
made up, one in ten of them wrong.
"""

import gzip
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.results import Result

FASHION = Path("/usr/share/datasets/fashion-mnist")
LABELS = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
PICTURES, WRONG = 70_000, 7_000


def measure(folder: Path) -> Iterator[Result]:
    """Seconds, and megabytes, of one report."""
    sys.path.insert(0, "tests/report")
    from a_run import a_run, encoded

    from pipeline.report.write import write_report
    from pipeline.summary import summarize

    place = folder / "report"
    shutil.rmtree(place, ignore_errors=True)
    pictures = read_pictures()
    run = a_run(
        place,
        labels=LABELS,
        test=PICTURES,
        wrong=WRONG,
        picture=lambda i: encoded(pictures[i]),
        rename=lambda i: f"{LABELS[i % len(LABELS)]}/{i:05}.png",
    )
    began = time.monotonic()
    path = write_report(run, summarize(run, "", 0.0), place / "report", run)
    seconds = time.monotonic() - began
    note = f"{PICTURES:,} test pictures, of {4 * PICTURES:,} in all"
    yield Result("report", seconds, 20.0, "s", 1.0, "lower", note)
    yield Result("report, size", path.stat().st_size / 1e6, 5.0, "MB", 1.0, "lower", note)


def read_pictures() -> np.ndarray:
    """All pictures [70000, 28, 28] uint8, the i-th one of class i modulo 10."""
    if not FASHION.is_dir():
        sys.exit(f"{FASHION} is missing: apt-get install dataset-fashion-mnist")
    images, labels = [], []
    for split in ("train", "t10k"):
        images.append(_read(f"{split}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28))
        labels.append(_read(f"{split}-labels-idx1-ubyte.gz", header=8))
    by_class = np.argsort(np.concatenate(labels), kind="stable").reshape(len(LABELS), -1)
    return np.concatenate(images)[by_class.T.ravel()]


def _read(name: str, header: int) -> np.ndarray:
    with gzip.open(FASHION / name) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)

"""The photographs of solar cells (`make samples`) as folders, for all programs alike."""

import random
import shutil
from pathlib import Path

SHARES = {"test": 0.25, "eval": 0.05, "train": 1.0}
"""The share of each split; train takes what is left."""


def lay_out(folder: Path, at_most: int | None = None) -> None:
    """Copies each to <folder>/<split>/<label>/<file>, at random within its label.

    Args:
      folder: where to; it is made anew.
      at_most: how many of a label and split are copied; None: all.
    """
    import elpv_dataset

    shutil.rmtree(folder, ignore_errors=True)
    home = Path(next(iter(elpv_dataset.__path__)), "data")
    with open(home / "labels.csv") as lines:
        cells = [line.split() for line in lines]
    random.Random(0).shuffle(cells)
    labels: dict[str, list[str]] = {"defective": [], "functional": []}
    for path, probability, _ in cells:
        labels["defective" if float(probability) > 0.5 else "functional"].append(path)
    for label, paths in labels.items():
        left = list(paths)
        for split, share in SHARES.items():
            count = min(len(left), round(share * len(paths)))
            (folder / split / label).mkdir(parents=True)
            for path in left[:count][:at_most]:
                shutil.copy(home / path, folder / split / label)
            left = left[count:]

"""Does an auxiliary head help a fine-tuned classifier? Weight 0 against 0.4, paired by seed.

EfficientNet-Lite0 on the ELPV photographs of solar cells at a reduced size (`make samples`), the
head on the last feature map of stride 16, where slim has it. A pair differs in the weight alone:
the same split, first weights, order, views and dropout.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.common import interval, run
from benchmarks.results import Result

CONFIG = "configs/solar_cells.yaml"
SEEDS = 5
WEIGHTS = (0.0, 0.4)
SETTINGS = (
    "transform.image_size=[96, 96]",
    "transform.augment=industrial",
    "model.dropout=0.2",
    "model.backbone.batch_norm_momentum=0.9",
    "model.auxiliary_head.endpoint=EfficientNetLite0/block_10",
    "train.batch_size=32",
    "train.phases=[{train: head, epochs: 1, learning_rate: 3.0e-3},"
    " {train: all, epochs: 8, learning_rate: 1.0e-3}]",
    "push.registry=none",
)


def measure(folder: Path) -> Iterator[Result]:
    """Mean test accuracies, and the mean difference with its interval."""
    pairs = []
    for seed in range(SEEDS):
        pairs.append([accuracy(folder / "auxiliary_head", seed, weight) for weight in WEIGHTS])
        print("  seed {}: weight 0 {:.4f}, weight 0.4 {:.4f}".format(seed, *pairs[-1]), flush=True)
    without, with_head = np.array(pairs).T
    note = f"difference in points {interval(100 * (with_head - without), '+.2f')}"
    yield Result(
        "auxiliary_head", with_head.mean(), without.mean(), "accuracy", None, "higher", note
    )


def accuracy(folder: Path, seed: int, weight: float) -> float:
    """Trains once; returns the accuracy on the test split."""
    pair = f"seed={seed}", f"model.auxiliary_head.weight={weight}"
    summary, _ = run(CONFIG, folder, *SETTINGS, *pair)
    return summary["metrics"]["accuracy"]

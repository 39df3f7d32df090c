"""Does an auxiliary head help a fine-tuned classifier? Weight 0 against 0.4, paired by seed.

EfficientNet-Lite0 on the ELPV photographs of solar cells at a reduced size (`make samples`), the
head on the last feature map of stride 16, where slim has it. A pair differs in the weight alone:
the same split, first weights, order, views and dropout. Prints the test accuracies, their mean
difference and its 95 % interval, by Student's t.

    .venv/bin/python -m benchmarks.auxiliary_head [FOLDER]
"""

import sys
from pathlib import Path

from benchmarks.common import interval, run

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


def main(folder: Path) -> None:
    """Runs every pair and prints what came of it."""
    differences = []
    for seed in range(SEEDS):
        without, with_head = (accuracy(folder, seed, weight) for weight in WEIGHTS)
        differences.append(100 * (with_head - without))
        print(
            f"seed {seed}: weight 0 {without:.4f}, weight 0.4 {with_head:.4f}, "
            f"difference {differences[-1]:+.2f} points",
            flush=True,
        )
    print(f"mean difference in points {interval(differences, '+.2f')}")


def accuracy(folder: Path, seed: int, weight: float) -> float:
    """Trains once; returns the accuracy on the test split."""
    pair = f"seed={seed}", f"model.auxiliary_head.weight={weight}"
    summary, _ = run(CONFIG, folder, *SETTINGS, *pair)
    return summary["metrics"]["accuracy"]


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/benchmark_auxiliary_head").resolve())

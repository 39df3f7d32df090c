"""Solar cells: our frozen classifier against scikit-learn's logistic regression.

Same features, same splits, three random splits of the ELPV photographs (`make samples`). Prints
both accuracies for each split and their means, in points.

    .venv/bin/python -m benchmarks.solar_cells [FOLDER]
"""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np

CONFIG = "configs/solar_cells.yaml"
SPLITS = 3


def main(folder: Path) -> None:
    """Runs the pipeline on each split, then the peer on the same features."""
    ours, theirs = [], []
    features = None
    for seed in range(SPLITS):
        rows = write_manifest(folder / f"split_{seed}", seed)
        runs = folder / f"runs_{seed}"
        source = folder / f"split_{seed}" / "manifest.csv"
        command = [sys.executable, "-m", "pipeline", "run", CONFIG, "--runs", str(runs)]
        subprocess.run([*command, "--set", f"data.source={source}"], check=True)
        summary = json.loads((runs / "solar_cells" / "summary.json").read_text())
        ours.append(summary["metrics"]["accuracy"])
        if features is None:
            features = extract([row["path"] for row in rows])
        theirs.append(logistic_regression(rows, features))
        print(
            f"split {seed}: ours {ours[-1]:.4f}, logistic regression {theirs[-1]:.4f}", flush=True
        )
    difference = 100 * (np.mean(ours) - np.mean(theirs))
    print(
        f"mean: ours {np.mean(ours):.4f}, logistic regression {np.mean(theirs):.4f}, "
        f"difference {difference:+.2f} points"
    )


def write_manifest(folder: Path, seed: int, count: int | None = None) -> list[dict[str, str]]:
    """Writes the ELPV cells, or `count` of them, with a random 65/10/25 split as a manifest.

    Returns:
      Its rows.
    """
    from components.image_example_gen.sources import list_source

    folder.mkdir(parents=True, exist_ok=True)
    entries = list(list_source("builtin://solar_cells").entries)
    random.Random(seed).shuffle(entries)
    entries = entries[:count]
    rows = []
    for i, entry in enumerate(entries):
        share = i / len(entries)
        split = "test" if share < 0.25 else "eval" if share < 0.35 else "train"
        rows.append(
            {
                "path": entry.location,
                "label": entry.label,
                "split": split,
                "type": entry.columns["type"],
            }
        )
    with (folder / "manifest.csv").open("w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return sorted(rows, key=lambda row: row["path"])


def extract(paths: list[str]) -> dict[str, np.ndarray]:
    """The frozen backbone's feature vector of each picture, through the serving preprocessing."""
    import tensorflow as tf

    from components.backbone.backbone import load_backbone
    from components.image_transform.preprocessing import get_preprocess

    preprocess = get_preprocess((224, 224), 1.0)
    backbone = load_backbone(
        "modules/efficientnet_lite0", batch_norm="inference", batch_norm_momentum=None
    )
    run = tf.function(lambda x: backbone.endpoints(x, training=False)["default"])
    batches = (
        tf.data.Dataset.from_tensor_slices(paths)
        .map(lambda path: preprocess(tf.io.read_file(path)), num_parallel_calls=2)
        .batch(32)
    )
    vectors = np.concatenate([run(batch).numpy() for batch in batches])
    return dict(zip(paths, vectors, strict=True))


def logistic_regression(rows: list[dict[str, str]], features: dict[str, np.ndarray]) -> float:
    """Test accuracy of scikit-learn's logistic regression, C chosen on the eval split."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = {}, {}
    for split in ("train", "eval", "test"):
        held = [row for row in rows if row["split"] == split]
        x[split] = np.stack([features[row["path"]] for row in held])
        y[split] = np.array([row["label"] for row in held])
    fits = [
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000)).fit(
            x["train"], y["train"]
        )
        for c in (1e-4, 1e-3, 1e-2, 1e-1)
    ]
    best = max(fits, key=lambda fit: fit.score(x["eval"], y["eval"]))
    return float(best.score(x["test"], y["test"]))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/benchmark_solar_cells").resolve())

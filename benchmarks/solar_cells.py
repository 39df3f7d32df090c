"""Solar cells by the protocol of Deitsch et al. (arXiv 1807.02894): fine-tuned, frozen, and a peer.

Three random splits of the ELPV photographs (`make samples`), a quarter of them test, stratified by
defect probability and type of cell; both configurations on each, and scikit-learn's logistic
regression on the features of the frozen backbone.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.common import interval, run, write_manifest
from benchmarks.results import Result

CONFIG = "configs/solar_cells.yaml"
FINE_TUNED = "configs/solar_cells_fine_tuned.yaml"
IMAGE_SIZE = (256, 256)
SPLITS = 3
PAPER = 0.8842
"""Accuracy that the authors report of their fine-tuned VGG-19."""


def measure(folder: Path) -> Iterator[Result]:
    """Test accuracies: fine-tuned against the paper and frozen, frozen against the peer."""
    folder = folder / "solar_cells"
    found: dict[str, list[float]] = defaultdict(list)
    features = None
    for seed in range(SPLITS):
        manifest = folder / f"split_{seed}" / "manifest.csv"
        rows = split_cells(seed)
        write_manifest(manifest, rows)
        features = features or extract([row["path"] for row in rows])
        found["logistic regression"].append(logistic_regression(rows, features))
        for name, config in (("frozen", CONFIG), ("fine-tuned", FINE_TUNED)):
            summary, _ = run(config, manifest.parent / "runs", f"data.source={manifest}")
            found[name].append(summary["metrics"]["accuracy"])
            print(f"  split {seed}: {name} {found[name][-1]:.4f} in {summary['seconds']:.0f} s")
    mean = {name: float(np.mean(values)) for name, values in found.items()}
    note = f"fine-tuned {interval(found['fine-tuned'], '.4f')}"
    yield Result("solar_cells/paper", mean["fine-tuned"], PAPER, "accuracy", None, "higher", note)
    for ours, theirs in (("fine-tuned", "frozen"), ("frozen", "logistic regression")):
        points = 100 * (np.array(found[ours]) - np.array(found[theirs]))
        yield Result(
            f"solar_cells/{ours} against {theirs}",
            mean[ours],
            mean[theirs],
            "accuracy",
            None,
            "higher",
            f"difference in points {interval(points, '+.2f')}",
        )


def split_cells(seed: int) -> list[dict[str, str]]:
    """The rows of a manifest of the ELPV cells, ordered by path, with a random stratified split."""
    from components.image_example_gen.sources import list_source

    entries = list(list_source("builtin://solar_cells").entries)
    random.Random(seed).shuffle(entries)
    strata = defaultdict(list)
    for entry in entries:
        strata[entry.columns["probability"], entry.columns["type"]].append(entry)
    rows = []
    for stratum in strata.values():
        for i, entry in enumerate(stratum):
            share = (i + 0.5) / len(stratum)
            split = "test" if share < 0.25 else "eval" if share < 0.3 else "train"
            rows.append(
                {
                    "path": entry.location,
                    "label": entry.label,
                    "split": split,
                    "type": entry.columns["type"],
                }
            )
    return sorted(rows, key=lambda row: row["path"])


def extract(paths: list[str]) -> dict[str, np.ndarray]:
    """The frozen backbone's feature vector of each picture, through the serving preprocessing."""
    import tensorflow as tf

    from components.backbone.backbone import load_backbone
    from components.image_transform.preprocessing import Frame, get_preprocess

    preprocess = get_preprocess(Frame(IMAGE_SIZE))
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

"""The Evaluator's predictions against a bare batched predict of the same model and pictures.

The Evaluator reads records that ImageExampleGen wrote, asks `serving_examples`, and makes a row of
each picture and a file of all. The peer, its limit, holds the same pictures' bytes in memory and
calls `serving_default` with 32 of them at a time. What the Evaluator takes for its first batch,
loading the model included, is taken off; the peer's first call is left out likewise. The two take
turns, and the medians are compared. The network alone, on pictures decoded before, is told beside.
"""

import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.nodes import run_nodes
from benchmarks.photos import LABELS, make_photos
from benchmarks.results import Result

PHOTOS = 800
SIDE = 224
BATCH = 32
ROUNDS = 3
MODULE = "modules/efficientnet_lite0"


def measure(folder: Path) -> Iterator[Result]:
    """Images a second."""
    import tensorflow as tf

    from components.files import split_files
    from components.records import read_records

    root = folder / "evaluator"
    run_nodes(_nodes(make_photos(folder / f"photos_{PHOTOS}", PHOTOS)), root)
    (split,) = root.glob("artifacts/ImageExampleGen/examples/*/Split-test")
    files = split_files(str(split))
    records = list(read_records(files).as_numpy_iterator())
    pictures = [
        tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
        for record in records
    ]
    first = str(root / "first.gz")
    with tf.io.TFRecordWriter(first, "GZIP") as writer:
        for record in records[:BATCH]:
            writer.write(record)
    model = str(root / "model")
    network = _export(model)
    loaded = tf.saved_model.load(model)
    bare = loaded.signatures["serving_default"]
    decoded = tf.random.stateless_uniform([BATCH, SIDE, SIDE, 3], [0, 0])
    rates: dict[str, list[float]] = {"ours": [], "bare": [], "network": []}
    for _ in range(ROUNDS):
        seconds = _evaluator(files, model, root) - _evaluator([first], model, root)
        rates["ours"].append((len(records) - BATCH) / seconds)
        rates["bare"].append(_rate(lambda part: bare(image_bytes=tf.constant(part)), pictures))
        rates["network"].append(_rate(lambda part: network(decoded[: len(part)]), pictures))
    ours, theirs, alone = (statistics.median(of) for of in rates.values())
    note = f"the network alone, on decoded pictures, {alone:.4g} images/s"
    yield Result("evaluator", ours, theirs, "images/s", 0.7, "higher", note)


def _nodes(photos: Path) -> list[Any]:
    from components.image_example_gen.component import ImageExampleGen

    split = json.dumps({"train": 0.01, "eval": 0.01, "test": 0.98})
    return [ImageExampleGen(source=str(photos), split=split)]


def _export(model: str) -> Any:
    """Writes a model of Lite0 and a head as it begins; returns its network: images -> logits."""
    import tensorflow as tf

    from components.backbone.backbone import load_backbone
    from components.image_transform.preprocessing import Frame
    from components.trainer.heads import Head
    from components.trainer.records import Preprocessing
    from components.trainer.signatures import ServedModel, export

    labels = [f"class_{label}" for label in range(LABELS)]
    preprocessing = Preprocessing(labels, Frame((SIDE, SIDE), 0.875), "none", "")
    backbone = load_backbone(MODULE, batch_norm="inference").export()
    features = backbone(tf.zeros([1, SIDE, SIDE, 3]))["default"].shape[-1]
    head = Head(features, LABELS, seed=0)
    export(ServedModel(backbone, head, preprocessing), model, {})
    return tf.function(lambda images: head(backbone(images)["default"]), autograph=False)


def _evaluator(files: list[str], model: str, root: Path) -> float:
    """Seconds that it takes to predict the files, and to write what it found."""
    from components.evaluator import predictions

    began = time.monotonic()
    rows, (scores,) = predictions.predict(files, [model])
    (root / "predictions").mkdir(exist_ok=True)
    predictions.write(str(root / "predictions"), rows, scores)
    return time.monotonic() - began


def _rate(call: Any, pictures: list[bytes]) -> float:
    call(pictures[:BATCH])
    began = time.monotonic()
    for start in range(BATCH, len(pictures), BATCH):
        call(pictures[start : start + BATCH])
    return (len(pictures) - BATCH) / (time.monotonic() - began)

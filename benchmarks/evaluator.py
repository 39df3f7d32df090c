"""The Evaluator against a bare batched predict of the same model and pictures.

The Evaluator's executor does all it does: it reads records that ImageExampleGen wrote, asks
`serving_examples`, counts, draws the bootstrap, decides, and writes TFMA's files and its own. The
peer, its limit, holds the same pictures' bytes in memory and calls `serving_default` with 32 at a
time. What the Evaluator takes for one batch, loading the model included, is taken off; the peer's
first call is left out likewise. The two take turns, and the medians are compared. The network
alone, on pictures decoded before, is told beside, and so is the Evaluator's whole time.
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

PHOTOS = 1600
SIDE = 224
BATCH = 32
ROUNDS = 3
MODULE = "modules/efficientnet_lite0"
_KINDS = ("examples", "facts")


def measure(folder: Path) -> Iterator[Result]:
    """Images a second."""
    import tensorflow as tf

    from components.files import split_files
    from components.records import read_records

    root = folder / "evaluator"
    run_nodes(_nodes(make_photos(folder / f"photos_{PHOTOS}", PHOTOS)), root)
    (examples,), (facts,) = (root.glob(f"artifacts/ImageExampleGen/{k}/*") for k in _KINDS)
    records = list(read_records(split_files(str(examples / "Split-test"))).as_numpy_iterator())
    pictures = [
        tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
        for record in records
    ]
    first = root / "first"
    (first / "Split-test").mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(first / "Split-test" / "first.gz"), "GZIP") as writer:
        for record in records[:BATCH]:
            writer.write(record)
    model = root / "model"
    network = _export(str(model / "Format-Serving"))
    loaded = tf.saved_model.load(str(model / "Format-Serving"))
    bare = loaded.signatures["serving_default"]
    decoded = tf.random.stateless_uniform([BATCH, SIDE, SIDE, 3], [0, 0])
    rates: dict[str, list[float]] = {"ours": [], "bare": [], "network": [], "whole": []}
    for _ in range(ROUNDS):
        seconds = _evaluator(examples, facts, model, root)
        rates["whole"].append(len(records) / seconds)
        seconds -= _evaluator(first, facts, model, root)
        rates["ours"].append((len(records) - BATCH) / seconds)
        rates["bare"].append(_rate(lambda part: bare(image_bytes=tf.constant(part)), pictures))
        rates["network"].append(_rate(lambda part: network(decoded[: len(part)]), pictures))
    ours, theirs, alone, whole = (statistics.median(of) for of in rates.values())
    note = f"network alone, on decoded pictures, {alone:.4g} images/s; Evaluator from its start "
    note += f"to its end, loading included, {whole:.4g} images/s on {len(records):,} pictures"
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


def _evaluator(examples: Path, facts: Path, model: Path, root: Path) -> float:
    """Seconds that the Evaluator's executor takes."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types import artifact_utils, standard_artifacts

    from components.artifacts import Predictions
    from components.evaluator.executor import Executor
    from pipeline.config_gate import Evaluate

    def artifact(kind: type, folder: Path) -> list[Any]:
        folder.mkdir(parents=True, exist_ok=True)
        made = kind()
        made.uri = str(folder)
        if kind is standard_artifacts.Examples:
            made.split_names = artifact_utils.encode_split_names(["train", "eval", "test"])
        return [made]

    inputs = {
        "examples": artifact(standard_artifacts.Examples, examples),
        "facts": artifact(standard_artifacts.Examples, facts),
        "model": artifact(standard_artifacts.Model, model),
        "baseline_model": [],
    }
    outputs = {
        "evaluation": artifact(standard_artifacts.ModelEvaluation, root / "evaluation"),
        "blessing": artifact(standard_artifacts.ModelBlessing, root / "blessing"),
        "predictions": artifact(Predictions, root / "predictions"),
    }
    context = BaseBeamExecutor.Context(
        beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(root), unique_id="1"
    )
    began = time.monotonic()
    asked = {"evaluate": Evaluate().model_dump_json(), "seed": 0}
    Executor(context).Do(inputs, outputs, asked)
    return time.monotonic() - began


def _rate(call: Any, pictures: list[bytes]) -> float:
    call(pictures[:BATCH])
    began = time.monotonic()
    for start in range(BATCH, len(pictures), BATCH):
        call(pictures[start : start + BATCH])
    return (len(pictures) - BATCH) / (time.monotonic() - began)

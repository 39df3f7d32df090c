"""TFMA's evaluation of the same predictions, for the tools that read TFMA's files.

TFMA works here on rows of labels and probabilities. To give it model and pictures, as TFX's own
Evaluator does, would decode every picture again, and once more for each model.
"""

from collections.abc import Callable, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma

# TFMA 0.52 itself has these no more under `tfma`; TFX, where it is imported first, puts them there.
from tensorflow_model_analysis.proto import config_pb2

from components.evaluator.evaluation import Rows, Scores, vocabulary

CANDIDATE, BASELINE = "candidate", "baseline"
# Of 10,000 rows and two models, TFMA takes 10 s with 10 slice values and classes, 30 s with 100 and
# 200 s with 1,000. A slice that goes beyond this many values stands in metrics.json only.
MOST_SLICE_VALUES = 50
# Slices by a column whose name begins with a slash stand in metrics.json only.
_LABEL = "/label"
_ROWS = 1000


def write_tfma(
    folder: str,
    rows: Rows,
    candidate: Scores,
    baseline: Scores | None,
    slices: Sequence[str],
    make_pipeline: Callable[[], beam.Pipeline],
) -> None:
    """Writes what `tfma.load_eval_result(folder, model_name=CANDIDATE)` reads.

    Metrics: example_count, accuracy, log_loss, top_3_accuracy, and the confusion matrix, of the
    candidate and, as model BASELINE, of the baseline; class ids are positions in
    `evaluation.vocabulary` of the rows and both models.

    Args:
      folder: where to.
      rows, candidate, baseline, slices: as for `evaluation.evaluate`.
      make_pipeline: gives the Beam pipeline to run on.
    """
    models = {CANDIDATE: candidate} | ({BASELINE: baseline} if baseline else {})
    names = vocabulary(rows, *models.values())
    values = _few_enough({name: rows.slice_values(name) for name in slices})
    batches = _batches(rows, {k: m.over(names) for k, m in models.items()}, names, values)
    with make_pipeline() as pipeline:
        _ = (
            pipeline
            | "Rows" >> beam.Create(batches)
            | "TFMA"
            >> tfma.ExtractEvaluateAndWriteResults(
                eval_config=_eval_config(list(models), list(values)), output_path=folder
            )
        )


def _few_enough(values: dict[str, list[str]]) -> dict[str, list[str]]:
    kept, room = {}, MOST_SLICE_VALUES
    for name, column in values.items():
        if name.startswith("/"):
            continue
        distinct = len(set(column))
        if distinct <= room:
            kept[name] = column
            room -= distinct
    return kept


def _eval_config(models: list[str], slices: list[str]) -> config_pb2.EvalConfig:
    metrics = [
        config_pb2.MetricConfig(class_name="ExampleCount"),
        config_pb2.MetricConfig(
            class_name="SparseCategoricalAccuracy", config='"name": "accuracy"'
        ),
        config_pb2.MetricConfig(
            class_name="SparseCategoricalCrossentropy", config='"name": "log_loss"'
        ),
        config_pb2.MetricConfig(
            class_name="SparseTopKCategoricalAccuracy", config='"name": "top_3_accuracy", "k": 3'
        ),
        # Threshold 0, for at its default of 0.5 an unsure prediction counts as none.
        config_pb2.MetricConfig(
            class_name="MultiClassConfusionMatrixAtThresholds", config='"thresholds": [0.0]'
        ),
    ]
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(
                name=name,
                is_baseline=name == BASELINE,
                label_key=_LABEL,
                prediction_key=_prediction_key(name),
            )
            for name in models
        ],
        metrics_specs=[config_pb2.MetricsSpec(metrics=metrics, model_names=models)],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[name]) for name in slices),
        ],
    )


def _prediction_key(model: str) -> str:
    return f"/{model}"


def _batches(
    rows: Rows,
    probabilities: dict[str, np.ndarray],
    names: list[str],
    slices: dict[str, list[str]],
) -> list[pa.RecordBatch]:
    position = {name: i for i, name in enumerate(names)}
    labels = [[position[label]] for label in rows.labels]
    batches = []
    for start in range(0, len(labels), _ROWS):
        part = slice(start, start + _ROWS)
        columns = {_LABEL: pa.array(labels[part], pa.list_(pa.int64()))}
        for name, values in probabilities.items():
            columns[_prediction_key(name)] = pa.array(list(values[part]), pa.list_(pa.float32()))
        for name, texts in slices.items():
            columns[name] = pa.array([[t.encode()] for t in texts[part]], pa.list_(pa.binary()))
        batches.append(pa.RecordBatch.from_arrays(list(columns.values()), list(columns)))
    return batches
